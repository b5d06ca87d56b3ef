#!/usr/bin/env python3
"""Compares a run's event files, as TensorBoard reads them, with its metrics.jsonl: compare.py RUN

Needs the package tensorboard (launch/test-tools installs it). Every number of every record must be there once, at its step,
as single precision has it, and nothing else. Prints how many were equal; exit code 1 means that there is a difference.
"""
import json
import math
import sys

import numpy
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

TRAIN = {
    "train/loss": "loss", "train/perplexity": "perplexity", "train/gradient_norm": "gradient_norm",
    "train/learning_rate": "learning_rate", "train/clipped_share": "clipped_share",
    "speed/tokens_per_second": "tokens_per_second", "speed/exchange_share": "exchange_share",
    "memory/memory_bytes": "memory_bytes", "memory/peak_memory_bytes": "peak_memory_bytes",
}
VALIDATION = {"validation/loss": "loss", "validation/perplexity": "perplexity"}

run = sys.argv[1]
with open(f"{run}/metrics.jsonl") as file:
    records = [json.loads(line) for line in file]
expected, samples = {}, []
for record in records:
    for tag, key in {"train": TRAIN, "validation": VALIDATION}.get(record["kind"], {}).items():
        if record.get(key) is not None and math.isfinite(numpy.float32(record[key])):
            expected.setdefault(tag, []).append((record["step"], float(numpy.float32(record[key]))))
    if record["kind"] == "sample":
        samples.append((record["step"], "\n".join("    " + line for line in record["text"].split("\n"))))

# 0: keep all of them.
accumulator = EventAccumulator(f"{run}/tensorboard", size_guidance={"tensors": 0, "scalars": 0})
accumulator.Reload()
found, texts = {}, []
for tag in accumulator.Tags()["scalars"]:
    found[tag] = [(event.step, event.value) for event in accumulator.Scalars(tag)]
for tag in accumulator.Tags()["tensors"]:
    plugin = accumulator.SummaryMetadata(tag).plugin_data.plugin_name
    for event in accumulator.Tensors(tag):
        if plugin == "text":
            texts.append((event.step, event.tensor_proto.string_val[0].decode()))
        else:
            found.setdefault(tag, []).append((event.step, event.tensor_proto.float_val[0]))

if texts != samples:
    sys.exit(f"samples: expected {samples}, found {texts}")
if sorted(found) != sorted(expected):
    sys.exit(f"tags: expected {sorted(expected)}, found {sorted(found)}")
for tag in expected:
    if found[tag] != expected[tag]:
        difference = next((pair for pair in zip(expected[tag], found[tag]) if pair[0] != pair[1]), "one is longer")
        sys.exit(f"{tag}: {len(expected[tag])} expected, {len(found[tag])} found; {difference}")
print(f"{sum(map(len, found.values()))} scalars and {len(texts)} samples are equal")
