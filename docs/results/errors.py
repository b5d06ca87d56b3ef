#!/usr/bin/env python3
"""Draws the mean squared errors that runs have in validation, against steps: errors.py NAME=METRICS.jsonl ... > CURVES.svg (standard library only)."""
import json
import math
import sys

W, H, LEFT, RIGHT, TOP, BOTTOM = 720, 400, 72, 16, 16, 48
COLOURS = ["#4477aa", "#ee6677", "#228833", "#aa3377"]
runs = []
for argument in sys.argv[1:]:
    name, path = argument.split("=", 1)
    records = [json.loads(line) for line in open(path)]
    runs.append((name, [(r["step"], r["loss"]) for r in records if r["kind"] == "validation"]))
most = max(x for _, points in runs for x, _ in points)
lowest = 10 ** math.floor(math.log10(min(y for _, points in runs for _, y in points)))
highest = 1.0


def at(point):
    x, y = point
    v = (math.log(y) - math.log(lowest)) / (math.log(highest) - math.log(lowest))
    return LEFT + x / most * (W - LEFT - RIGHT), H - BOTTOM - v * (H - TOP - BOTTOM)


print(f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {W} {H}" font-family="sans-serif" font-size="12">')
print(f'<rect width="{W}" height="{H}" fill="white"/>')
y = lowest
while y <= highest * 1.01:
    v = at((0, y))[1]
    print(f'<path d="M{LEFT},{v:.1f}H{W - RIGHT}" stroke="#ddd"/><text x="{LEFT - 6}" y="{v + 4:.1f}" text-anchor="end">{y:g}</text>')
    y *= 10
for i in range(7):
    print(f'<text x="{at((most * i / 6, 1))[0]:.1f}" y="{H - BOTTOM + 18}" text-anchor="middle">{round(most * i / 6):,}</text>')
for index, (name, points) in enumerate(runs):
    colour = COLOURS[index % len(COLOURS)]
    path = " ".join("%.1f,%.1f" % at(point) for point in points)
    print(f'<polyline points="{path}" fill="none" stroke="{colour}" stroke-width="1.5"/>')
    print(f'<text x="{W - RIGHT - 8}" y="{TOP + 16 + 16 * index}" text-anchor="end" fill="{colour}">— {name}</text>')
print(f'<text x="{(W + LEFT) / 2}" y="{H - 8}" text-anchor="middle">steps</text>')
print(f'<text x="14" y="{H / 2}" transform="rotate(-90 14 {H / 2})" text-anchor="middle">mean squared error (logarithmic)</text>')
print("</svg>")
