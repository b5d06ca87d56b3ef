#!/usr/bin/env python3
"""Compares exported models, as onnxruntime runs them, with what lockstep computed: compare.py FOLDER ...

Needs the packages onnxruntime and numpy (launch/test-tools installs them). A folder holds sentences.onnx, step.onnx and
expected.json (see ModelExportTests). Log probabilities and states must agree to 1e-5; the sum over a sentence to 1e-5 for
each token. Exit code 1 reports a difference.
"""
import json
import sys

import numpy
import onnxruntime

TOLERANCE = 1e-5
METADATA = {"model_type", "version", "comment", "sos_id", "eos_id", "vocab_size", "num_layers", "hidden_size", "embedding_dim"}


def signature(values):
    return [(value.name, value.type, value.shape) for value in values]


def load(path, inputs, outputs):
    session = onnxruntime.InferenceSession(path, providers=["CPUExecutionProvider"])
    for expected, found in ((inputs, signature(session.get_inputs())), (outputs, signature(session.get_outputs()))):
        if expected != found:
            sys.exit(f"{path}: expected {expected}, found {found}")
    metadata = session.get_modelmeta().custom_metadata_map
    if not METADATA <= set(metadata):
        sys.exit(f"{path}: metadata lacks {METADATA - set(metadata)}")
    return session, metadata


def compare(path, what, expected, found, tolerance):
    expected, found = numpy.asarray(expected, numpy.float64), numpy.asarray(found)
    if expected.shape != found.shape or found.dtype != numpy.float32:
        sys.exit(f"{path}: {what}: expected shape {expected.shape}, found {found.shape} of {found.dtype}")
    difference = numpy.abs(expected - found)
    # So that a NaN fails, too.
    if not numpy.all(difference <= tolerance):
        sys.exit(f"{path}: {what} differs by up to {difference.max()}: expected {expected}, found {found}")
    return difference.max()


def check_sentences(path, expected):
    session, _ = load(
        path, [("x", "tensor(int64)", ["N", "L"]), ("x_lens", "tensor(int64)", ["N"])], [("nll", "tensor(float)", ["N"])])
    x, lengths = numpy.array(expected["x"], numpy.int64), numpy.array(expected["x_lens"], numpy.int64)
    nll = session.run(None, {"x": x, "x_lens": lengths})[0]
    tolerance = TOLERANCE * (lengths + 1)
    worst = compare(path, "nll", expected["nll"], nll, tolerance)
    # Alone and without padding, down to a sentence of no tokens.
    for row, length in enumerate(lengths):
        alone = session.run(None, {"x": x[row:row + 1, :length], "x_lens": lengths[row:row + 1]})[0]
        compare(path, f"nll of sentence {row} alone", expected["nll"][row:row + 1], alone, tolerance[row])
    return worst


def check_steps(path, expected):
    with_any_size = onnxruntime.InferenceSession(path, providers=["CPUExecutionProvider"]).get_modelmeta().custom_metadata_map
    layers, hidden, vocabulary = (int(with_any_size[key]) for key in ("num_layers", "hidden_size", "vocab_size"))
    state = [layers, "N", hidden]
    session, _ = load(
        path, [("x", "tensor(int64)", ["N", 1]), ("h0", "tensor(float)", state), ("c0", "tensor(float)", state)],
        [("log_softmax", "tensor(float)", ["N", vocabulary]), ("next_h0", "tensor(float)", state), ("next_c0", "tensor(float)", state)])
    h = c = numpy.zeros((layers, 2, hidden), numpy.float32)
    worst = 0
    for step, (tokens, log_softmax) in enumerate(zip(expected["steps"], expected["log_softmax"])):
        found, h, c = session.run(None, {"x": numpy.array(tokens, numpy.int64)[:, None], "h0": h, "c0": c})
        worst = max(worst, compare(path, f"log_softmax of step {step}", log_softmax, found, TOLERANCE))
    compare(path, "next_h0", expected["next_h0"], h, TOLERANCE)
    compare(path, "next_c0", expected["next_c0"] or numpy.zeros((layers, 2, hidden)), c, TOLERANCE)
    return worst


folders = sys.argv[1:]
worst_nll = worst_step = 0
for folder in folders:
    with open(f"{folder}/expected.json") as file:
        expected = json.load(file)
    worst_nll = max(worst_nll, check_sentences(f"{folder}/sentences.onnx", expected))
    worst_step = max(worst_step, check_steps(f"{folder}/step.onnx", expected))
print(f"{len(folders)} models agree; largest differences: {worst_step:.1e} of a log probability, {worst_nll:.1e} of a sentence")
