#!/usr/bin/env python3
"""Writes Tests/TrainingTests/Fixtures/parity-*.json and optimizers.json: PyTorch's results, for the tests.

    pip install torch numpy safetensors
    Tests/pytorch/make_parity_fixture.py

parity-NAME.json: a small language model's initial weights, a corpus, and the losses of ten training steps of truncated
back-propagation (mean nats per token of each step, before its update) in both precisions. The corpus makes five chunks
an epoch, the last of three steps only; the state is carried from chunk to chunk and zero at the start of an epoch.
Weights are multiples of 1/1024, so that both precisions start from the same numbers.

optimizers.json: the weights after six steps of each rule of torch.optim on given gradients.
"""
import json
import sys
from pathlib import Path

import torch
from torch import nn

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "launch"))
from pytorch_model import LanguageModel, arrange, detached, lockstep_name  # noqa: E402

FIXTURES = ROOT / "Tests/TrainingTests/Fixtures"
VOCABULARY, EMBEDDING, HIDDEN, LAYERS, STREAMS, UNROLL, STEPS = 13, 6, 7, 2, 4, 5, 10


def corpus(generator):
    """95 tokens: 23 predictions in each of 4 streams and 2 left over; mostly t -> 3 t + 1, to learn from."""
    tokens = [0]
    while len(tokens) < 95:
        if torch.rand(1, generator=generator) < 0.8:
            tokens.append((3 * tokens[-1] + 1) % VOCABULARY)
        else:
            tokens.append(int(torch.randint(VOCABULARY, (1,), generator=generator)))
    return tokens


def train(shape, weights, tokens, optimizer, learning_rate, clip, dtype):
    """Losses and gradient norms (before clipping) of ten steps."""
    model = LanguageModel(**shape).to(dtype)
    model.load_state_dict({name: weight.to(dtype) for name, weight in weights.items()})
    rules = {"sgd": torch.optim.SGD, "adam": torch.optim.Adam}
    optimizer = rules[optimizer](model.parameters(), lr=learning_rate)
    inputs, targets = arrange(tokens, STREAMS)
    losses, norms = [], []
    while len(losses) < STEPS:
        state = None
        for x, y in list(zip(inputs.split(UNROLL), targets.split(UNROLL)))[: STEPS - len(losses)]:
            optimizer.zero_grad()
            logits, state = model(x, state)
            state = detached(state)
            loss = nn.functional.cross_entropy(logits.flatten(0, 1), y.flatten())
            loss.backward()
            norms.append(nn.utils.clip_grad_norm_(model.parameters(), clip).item())
            optimizer.step()
            losses.append(loss.item())
    return losses, norms


def write(name, fields):
    lines = ",\n".join(f"{json.dumps(key)}: {json.dumps(value)}" for key, value in fields.items())
    (FIXTURES / name).write_text("{\n" + lines + "\n}\n")


def parity(name, cell, *, tied=False, optimizer="sgd", learning_rate, clip, sizes=None, connections="none", further={}):
    generator = torch.Generator().manual_seed(1)
    shape = dict(
        vocabulary_size=VOCABULARY, cell=cell, layers=LAYERS, embedding=EMBEDDING,
        hidden=EMBEDDING if tied and not sizes or connections in ("residual", "highway") else HIDDEN, activation="tanh", tied=tied,
    )
    if sizes:
        shape.update(hidden_sizes=sizes, hidden=sizes[0], layers=len(sizes))
    if connections != "none":
        shape["connections"] = connections
    shape |= further
    weights = LanguageModel(**shape).state_dict()
    for weight in weights.values():
        weight.copy_(torch.randint(-512, 513, weight.shape, generator=generator) / 1024)
    if tied:
        weights["decoder.weight"] = weights["encoder.weight"]
    tokens = corpus(generator)
    run = (shape, weights, tokens, optimizer, learning_rate, clip)
    double_losses, double_norms = train(*run, torch.float64)
    single_losses, _ = train(*run, torch.float32)
    stored = {lockstep_name(key): weight for key, weight in weights.items() if not (tied and key == "decoder.weight")}
    write(f"parity-{name}.json", {
        "made_by": f"make_parity_fixture.py, PyTorch {torch.__version__}",
        "model": shape, "streams": STREAMS, "unroll": UNROLL,
        "optimizer": optimizer, "learning_rate": learning_rate, "clip_norm": clip,
        "tokens": tokens,
        "losses_float64": double_losses, "losses_float32": single_losses, "gradient_norms_float64": double_norms,
        "parameters": {
            name: {"shape": list(weight.shape), "values": weight.flatten().tolist()} for name, weight in stored.items()
        },
    })
    apart = max(abs(single / double - 1) for single, double in zip(single_losses, double_losses))
    print(f"{name}: loss {double_losses[0]:.4f} -> {double_losses[-1]:.4f}, norms {min(double_norms):.2f} to "
          f"{max(double_norms):.2f} (clip {clip}), precisions apart by {apart:.1e}")


def optimizers():
    torch.set_default_dtype(torch.float64)  # of what ASGD keeps beside the tensors
    generator = torch.Generator().manual_seed(2)
    initial = torch.randn(5, generator=generator, dtype=torch.float64)
    gradients = torch.randn(6, 5, generator=generator, dtype=torch.float64)
    rules = {
        "sgd": (torch.optim.SGD, {}),
        "sgd_decay": (torch.optim.SGD, {"weight_decay": 0.1}),
        "momentum": (torch.optim.SGD, {"momentum": 0.9, "weight_decay": 0.1}),
        "nesterov": (torch.optim.SGD, {"momentum": 0.9, "nesterov": True, "weight_decay": 0.1}),
        "adagrad": (torch.optim.Adagrad, {"weight_decay": 0.1}),
        "adam": (torch.optim.Adam, {"weight_decay": 0.1}),
        "adamw": (torch.optim.AdamW, {"weight_decay": 0.1}),
        "asgd": (torch.optim.ASGD, {"weight_decay": 0.1, "t0": 0, "lambd": 0}),
    }
    results = {}
    for name, (rule, options) in rules.items():
        parameter = nn.Parameter(initial.clone())
        optimizer = rule([parameter], lr=0.05, **options)
        for gradient in gradients:
            parameter.grad = gradient.clone()
            optimizer.step()
        results[name] = parameter.tolist()
        if "ax" in optimizer.state[parameter]:
            results[name + "_average"] = optimizer.state[parameter]["ax"].tolist()
    write("optimizers.json", {
        "made_by": f"make_parity_fixture.py, PyTorch {torch.__version__}", "learning_rate": 0.05,
        "initial": initial.tolist(), "gradients": gradients.tolist(), "results": results,
    })


if __name__ == "__main__":
    torch.set_num_threads(1)
    FIXTURES.mkdir(exist_ok=True)
    parity("elman", "elman", learning_rate=1.0, clip=0.5)
    parity("lstm", "lstm", learning_rate=4.0, clip=0.3)
    parity("gru_reset_after", "gru_reset_after", learning_rate=2.0, clip=0.45)
    parity("lstm-tied", "lstm", tied=True, learning_rate=4.0, clip=0.3)
    parity("lstm-adam", "lstm", optimizer="adam", learning_rate=0.03, clip=0.35)
    parity("lstm-sizes", "lstm", tied=True, sizes=[9, 5, EMBEDDING], learning_rate=4.0, clip=0.3)
    parity("lstm-residual", "lstm", connections="residual", learning_rate=2.0, clip=0.3)
    parity("gru-highway", "gru_reset_after", connections="highway", learning_rate=2.0, clip=0.3)
    parity("elman-dense", "elman", sizes=[7, 4, 5], connections="dense", learning_rate=1.0, clip=0.5)
    adaptive = {"softmax": "adaptive, cutoffs 4 9, projections 3 2"}
    parity("lstm-adaptive", "lstm", further=adaptive, learning_rate=4.0, clip=0.3)
    parity("window", "window", further={"window": 3}, learning_rate=1.0, clip=0.5)
    normalized = {"normalization": "layer"}
    parity("elman-normalized", "elman", further=normalized, learning_rate=1.0, clip=0.5)
    parity("lstm-normalized", "lstm", further=normalized, learning_rate=2.0, clip=0.3)
    parity("gru-normalized", "gru", further=normalized, learning_rate=1.0, clip=0.45)
    parity("gru_reset_after-normalized", "gru_reset_after", further=normalized, learning_rate=1.0, clip=0.45)
    parity("window-normalized", "window", further={"window": 3} | normalized, learning_rate=1.0, clip=0.5)
    optimizers()
