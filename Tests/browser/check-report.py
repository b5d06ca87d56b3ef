#!/usr/bin/env python3
"""Checks in headless Chromium what a report shows: check-report.py REPORT.html METRICS.jsonl

The scale of each axis is taken from where the browser has drawn the tick labels, and the values from where it has drawn the
lines and dots; they are compared with the metrics. Also at the width of a phone nothing may stick out, and the read-out
below the pointer must tell the value. Standard library and Debian's chromium only.
"""
import html
import json
import math
import os
import re
import subprocess
import sys
import tempfile

# Runs in the page and reports positions in screen pixels.
PROBE = """
<script>
const place = element => { const box = element.getBoundingClientRect(); return [box.left + box.width / 2, box.top + box.height / 2]; };
const ends = path => {
  // A path in a stretched picture: from its own coordinates to the screen's.
  const matrix = path.getScreenCTM();
  return path.getAttribute("d").split(/[ML]/).slice(1).map(pair => {
    const point = new DOMPoint(...pair.split(" ").map(Number)).matrixTransform(matrix);
    return [point.x, point.y];
  });
};
const charts = {};
for (const figure of document.querySelectorAll("figure.chart")) {
  const ticks = kind => [...figure.querySelectorAll(".tick." + kind)].map(t => [Number(t.dataset.value), ...place(t)]);
  const plot = figure.querySelector(".plot");
  const frame = plot.getBoundingClientRect();
  plot.dispatchEvent(new PointerEvent("pointermove", { clientX: frame.right, clientY: frame.top + 5, bubbles: true }));
  const box = figure.querySelector(".readout");
  charts[figure.id] = {
    x: ticks("x"), y: ticks("y"), right: ticks("right"),
    logarithmic: figure.querySelector(".axes").textContent.includes("logarithmic"),
    lines: [...figure.querySelectorAll("path[data-x]")].map(p => ({ name: p.dataset.name, points: ends(p), stroke: getComputedStyle(p).stroke })),
    dots: [...figure.querySelectorAll("circle[data-step]")].map(c => [Number(c.dataset.step), ...place(c)]),
    readout: box.hidden ? null : box.innerText,
  };
}
const errors = [];
const wide = [...document.querySelectorAll("main, figure, .tiles, .samples, .settings")].filter(e => e.getBoundingClientRect().right > innerWidth + 1);
document.body.innerHTML = "<pre id=probe></pre>";
document.getElementById("probe").textContent = JSON.stringify({
  charts, wide: wide.map(e => e.id || e.className || e.tagName), width: innerWidth, dark: matchMedia("(prefers-color-scheme: dark)").matches });
</script>
"""


def look(page, width, *options):
    with tempfile.TemporaryDirectory() as folder:
        # A window is at least 500 pixels wide; a frame in it can have any width.
        inner, outer = os.path.join(folder, "page.html"), os.path.join(folder, "frame.html")
        with open(inner, "w") as file:
            file.write(page + PROBE)
        with open(outer, "w") as file:
            file.write(
                f'<iframe src="page.html" style="width:{width}px;height:900px;border:0" onload="'
                "document.body.dataset.probe = this.contentDocument.getElementById('probe').textContent\"></iframe>")
        done = subprocess.run(
            ["chromium", "--headless=new", "--no-sandbox", "--disable-gpu", "--allow-file-access-from-files",
             f"--user-data-dir={folder}/profile", "--window-size=1400,1000", *options, "--virtual-time-budget=5000",
             "--dump-dom", "file://" + outer],
            capture_output=True, text=True, timeout=120)
    found = re.search(r'data-probe="([^"]*)"', done.stdout)
    if not found:
        sys.exit(f"chromium showed nothing:\n{done.stdout[-500:]}\n{done.stderr[-2000:]}")
    return json.loads(html.unescape(found.group(1)))


def scale(ticks, which, logarithmic):
    """Maps pixels to values, using the first and the last label."""
    f, g = (math.log, math.exp) if logarithmic else (float, float)
    (a, *pa), (b, *pb) = ticks[0], ticks[-1]
    assert a != b, ticks
    unit = (f(b) - f(a)) / (pb[which] - pa[which])
    return lambda pixels: g(f(a) + (pixels - pa[which]) * unit), abs(unit)


problems, compared = [], 0


def compare(what, chart, points, expected):
    global compared
    to_x, x_unit = scale(chart["x"], 0, False)
    to_y, y_unit = scale(chart["y"], 1, chart["logarithmic"])
    f = math.log if chart["logarithmic"] else float
    expected = [(x, y) for x, y in expected if y is not None and (y > 0 or not chart["logarithmic"])]
    if len(points) != len(expected):
        problems.append(f"{what}: {len(points)} points drawn, {len(expected)} expected")
        return
    for (px, py), (x, y) in zip(points, expected):
        compared += 1
        # At most one pixel off: letters are centred to about that.
        if abs(to_x(px) - x) > 1.5 * x_unit or abs(f(to_y(py)) - f(y)) > 1.5 * y_unit:
            problems.append(f"{what}: drawn at {to_x(px):.6g}, {to_y(py):.6g}; expected {x:.6g}, {y:.6g}")
            return


page = open(sys.argv[1]).read()
if "http://" in page or "https://" in page:
    problems.append("the page names another site")
records = [json.loads(line) for line in open(sys.argv[2])]
train = [r for r in records if r["kind"] == "train"]
valid = [r for r in records if r["kind"] == "validation"]
assert len(train) <= 600, "longer runs are thinned, which this does not do after"
tokens = {r["step"]: r["tokens"] for r in train}
if any(v["step"] not in tokens for v in valid):
    sys.exit("validate at steps that have a training record")
keys = {
    "learning-rate": "learning_rate", "gradient-norm": "gradient_norm", "throughput": "tokens_per_second",
    "clipped": ("clipped_share", 100), "exchange": ("exchange_share", 100),
}
for width, options in [(1200, []), (390, []), (1200, ["--blink-settings=preferredColorScheme=0"])]:
    seen = look(page, width, *options)
    name = f"{width} pixels{', dark' if options else ''}"
    if seen["dark"] != bool(options):
        problems.append(f"{name}: the browser's colour scheme is not as asked")
    if seen["wide"]:
        problems.append(f"{name}: too wide: {seen['wide']}")
    charts = seen["charts"]
    main = charts["perplexity"]
    lines = {line["name"]: line for line in main["lines"]}
    compare(f"{name}, training perplexity", main, lines["training"]["points"], [(r["tokens"], r["perplexity"]) for r in train])
    if valid:
        points = [(tokens[r["step"]], r["perplexity"]) for r in valid]
        compare(f"{name}, validation perplexity", main, lines["validation"]["points"], points)
        compare(f"{name}, validation dots", main, [d[1:] for d in main["dots"]], points)
    # The axis on the right: the same dots are the losses.
    compare(f"{name}, loss", {**main, "y": main["right"], "logarithmic": False}, lines["training"]["points"],
            [(r["tokens"], r["loss"]) for r in train])
    for chart, key in keys.items():
        key, factor = key if isinstance(key, tuple) else (key, 1)
        values = [(r["tokens"], r.get(key) * factor if r.get(key) is not None else None) for r in train]
        if chart not in charts:
            if chart not in ("clipped", "exchange"):
                problems.append(f"{name}: no chart {chart}")
            continue
        compare(f"{name}, {chart}", charts[chart], charts[chart]["lines"][0]["points"], values)
    last = f"{train[-1]['perplexity']:.5g}"
    if not main["readout"] or last not in main["readout"].replace(",", ""):
        problems.append(f"{name}: the read-out at the end says {main['readout']!r}, expected {last}")
    if options and lines["training"]["stroke"] == light:
        problems.append("dark: the lines have the colours of the light page")
    light = lines["training"]["stroke"]

for problem in problems:
    print(problem)
if problems:
    sys.exit(1)
print(f"{compared} values are drawn where they belong")
