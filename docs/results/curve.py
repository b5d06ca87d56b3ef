#!/usr/bin/env python3
"""Draws a run's perplexity against trained tokens: curve.py METRICS.jsonl > CURVE.svg (standard library only)."""
import json
import math
import sys

W, H, LEFT, RIGHT, TOP, BOTTOM = 720, 400, 64, 16, 16, 48
records = [json.loads(line) for line in open(sys.argv[1])]
train = [(r["tokens"], r["perplexity"]) for r in records if r["kind"] == "train"]
# A validation record counts the scored tokens; its position is that of the training record of its step.
trained = {r["step"]: r["tokens"] for r in records if r["kind"] == "train"}
valid = [(trained[r["step"]], r["perplexity"]) for r in records if r["kind"] == "validation" and r["step"] in trained]
lowest = min(y for _, y in train + valid)
highest = max(y for _, y in train + valid)
most = max(x for x, _ in train)


def at(point):
    x, y = point
    u = x / most
    v = (math.log(y) - math.log(lowest)) / (math.log(highest) - math.log(lowest))
    return LEFT + u * (W - LEFT - RIGHT), H - BOTTOM - v * (H - TOP - BOTTOM)


def ticks():
    for decade in range(-1, 7):
        for digit in (1, 1.2, 1.5, 2, 3, 5, 7):
            if lowest <= digit * 10**decade <= highest:
                yield digit * 10**decade


print(f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {W} {H}" font-family="sans-serif" font-size="12">')
print(f'<rect width="{W}" height="{H}" fill="white"/>')
last = H
for y in ticks():
    v = at((0, y))[1]
    if last - v < 16:
        continue
    last = v
    print(f'<path d="M{LEFT},{v:.1f}H{W - RIGHT}" stroke="#ddd"/><text x="{LEFT - 6}" y="{v + 4:.1f}" text-anchor="end">{y:g}</text>')
for i in range(7):
    x = at((most * i / 6, highest))[0]
    print(f'<text x="{x:.1f}" y="{H - BOTTOM + 18}" text-anchor="middle">{most * i / 6e6:.2g}</text>')
path = " ".join("%.1f,%.1f" % at(p) for p in train)
print(f'<polyline points="{path}" fill="none" stroke="#4477aa" stroke-width="1.5"/>')
for p in valid:
    print('<circle cx="%.1f" cy="%.1f" r="4" fill="#ee6677"/>' % at(p))
print(f'<text x="{(W + LEFT) / 2}" y="{H - 8}" text-anchor="middle">million tokens trained</text>')
print(f'<text x="14" y="{H / 2}" transform="rotate(-90 14 {H / 2})" text-anchor="middle">perplexity (logarithmic)</text>')
print(f'<text x="{W - RIGHT - 90}" y="{TOP + 16}" text-anchor="end" fill="#4477aa">— training</text>')
print(f'<text x="{W - RIGHT - 8}" y="{TOP + 16}" text-anchor="end" fill="#ee6677">● validation</text>')
print("</svg>")
