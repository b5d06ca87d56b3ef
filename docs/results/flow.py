#!/usr/bin/env python3
"""Draws the gradient flow of runs side by side: flow.py first|last RUN:STATE[=NAME] ... > FLOW.svg (standard library only).

STATE is h or c of layer 1. Lines are medians over positions, bands the quartiles."""
import json
import math
import sys

W, H, LEFT, RIGHT, TOP, BOTTOM = 720, 400, 72, 150, 16, 48
COLOURS = ["#4477aa", "#ee6677", "#228833", "#aa7700", "#66ccee", "#aa3377", "#777777"]
curves = []
for argument in sys.argv[2:]:
    place, _, name = argument.partition("=")
    run, _, state = place.partition(":")
    records = [json.loads(line) for line in open(f"{run}/metrics.jsonl")]
    flow = [r for r in records if r["kind"] == "gradient_flow"][0 if sys.argv[1] == "first" else -1]["flow"]
    found = next(s for s in flow["states"] if s["layer"] == 1 and s["name"] == state)
    curves.append((name or run, found["median"], found["lower_quartile"], found["upper_quartile"]))
floor, lags = 1e-12, max(len(c[1]) for c in curves) - 1
values = [v for c in curves for v in c[1] if v is not None and v > floor]
low, high = math.floor(math.log10(min(values))), math.ceil(math.log10(max(values)))


def at(lag, value):
    v = (math.log10(max(value, 10**low)) - low) / (high - low)
    return f"{LEFT + lag / lags * (W - LEFT - RIGHT):.1f},{H - BOTTOM - min(v, 1) * (H - TOP - BOTTOM):.1f}"


print(f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {W} {H}" font-family="sans-serif" font-size="12">')
print(f'<rect width="{W}" height="{H}" fill="white"/>')
for decade in range(low, high + 1, max(1, (high - low) // 8)):
    y = at(0, 10.0**decade).split(",")[1]
    print(f'<path d="M{LEFT},{y}H{W - RIGHT}" stroke="#ddd"/><text x="{LEFT - 6}" y="{float(y) + 4:.1f}" text-anchor="end">1e{decade}</text>')
for lag in range(0, lags + 1, max(1, lags // 8)):
    x = at(lag, 1).split(",")[0]
    print(f'<text x="{x}" y="{H - BOTTOM + 18}" text-anchor="middle">{lag}</text>')
for i, (name, median, lower, upper) in enumerate(curves):
    colour = COLOURS[i % len(COLOURS)]
    band = [at(k, v) for k, v in enumerate(upper) if v] + [at(k, v) for k, v in reversed(list(enumerate(lower))) if v is not None]
    line = [at(k, v) for k, v in enumerate(median) if v is not None and v > 10.0 ** (low - 1)]
    print(f'<polygon points="{" ".join(band)}" fill="{colour}" opacity="0.15"/>')
    print(f'<polyline points="{" ".join(line)}" fill="none" stroke="{colour}" stroke-width="1.5"/>')
    print(f'<text x="{W - RIGHT + 10}" y="{TOP + 18 + 20 * i}" fill="{colour}">— {name}</text>')
print(f'<text x="{(W - RIGHT + LEFT) / 2}" y="{H - 8}" text-anchor="middle">tokens back, k</text>')
print(f'<text x="14" y="{H / 2}" transform="rotate(-90 14 {H / 2})" text-anchor="middle">norm of dE(t)/dh(t-k), logarithmic</text>')
print("</svg>")
