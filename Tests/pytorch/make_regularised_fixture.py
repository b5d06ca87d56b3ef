#!/usr/bin/env python3
"""Writes Tests/TrainingTests/Fixtures/regularised-lstm.json: an AWD-LSTM (Merity et al. 2018) trained by PyTorch, for the tests.

    pip install torch numpy safetensors
    Tests/pytorch/make_regularised_fixture.py

Ten steps as in make_parity_fixture.py, of three layers of different sizes with tied weights, with everything that regularises: locked
dropout at every site, word dropout, weight drop, penalties on activation and slowness, weight decay; SGD, and from a step on
torch.optim.ASGD. The masks are lockstep's, computed here from docs/mathematics.md ("Dropout") alone: all else is PyTorch's.
"""
import json

import numpy as np
import torch
from make_parity_fixture import EMBEDDING, STREAMS, STEPS, UNROLL, VOCABULARY, corpus, write
from pytorch_model import arrange
from torch import nn
from torch.nn import functional as F

SEED, SIZES, START = 1, [7, 5, EMBEDDING], 4
RATES = {"embedding": 0.1, "input": 0.3, "hidden": 0.25, "output": 0.4, "weights": 0.5}
ALPHA, BETA, LEARNING_RATE, CLIP, DECAY = 2.0, 1.0, 2.0, 0.3, 0.01
WORDS, WEIGHTS = 1 << 16, 1 << 17  # sites


def philox(counter, key):
    """Philox4x32-10: four arrays of 32 bits for a counter of four."""
    c = [np.asarray(part, dtype=np.uint64) for part in np.broadcast_arrays(*counter)]
    k, low = [int(part) for part in key], np.uint64(0xFFFFFFFF)
    for _ in range(10):
        p0, p1 = c[0] * np.uint64(0xD2511F53), c[2] * np.uint64(0xCD9E8D57)
        c = [(p1 >> np.uint64(32)) ^ c[1] ^ np.uint64(k[0]), p1 & low, (p0 >> np.uint64(32)) ^ c[3] ^ np.uint64(k[1]), p0 & low]
        k = [(k[0] + 0x9E3779B9) & 0xFFFFFFFF, (k[1] + 0xBB67AE85) & 0xFFFFFFFF]
    return c


def mask(rate, step, site, stream, time, column):
    """Multipliers of the elements at these places, which are arrays that broadcast."""
    key = philox((2, 0, 0, 0), (SEED & 0xFFFFFFFF, SEED >> 32))[:2]
    key = philox((step, 0, 0, 0), key)[:2]
    stream, time, column = np.broadcast_arrays(stream, time, column)
    words = np.stack(philox((column // 64 * 8 + column % 8, time, stream, site), key))
    word = np.take_along_axis(words, (column % 64 // 16)[None], axis=0)[0]
    bits = np.where(column % 16 < 8, word & np.uint64(0xFFFF), word >> np.uint64(16))
    threshold = round(rate * 65536)
    return torch.tensor(np.where(bits < threshold, 0.0, 65536 / (65536 - threshold)))


def locked(rate, step, site, width):
    """[1, B, width]: the same at all times."""
    return mask(rate, step, site, np.arange(STREAMS)[None, :, None], 0, np.arange(width)[None, None, :])


def forward(p, x, y, state, step):
    """The loss of a chunk in nats per token, what is differentiated, and the state after it."""
    dtype = p["encoder.weight"].dtype
    words = mask(RATES["embedding"], step, WORDS, np.arange(VOCABULARY), 0, 0).to(dtype)
    h = F.embedding(x, p["encoder.weight"] * words[:, None])
    h = h * locked(RATES["input"], step, 0, EMBEDDING).to(dtype)
    after = []
    for layer, size in enumerate(SIZES):
        rows, columns = np.arange(4 * size)[:, None], np.arange(size)[None, :]
        recurrent = p[f"rnn.weight_hh_l{layer}"] * mask(RATES["weights"], step, WEIGHTS + layer, 0, rows, columns).to(dtype)
        biases = p[f"rnn.bias_ih_l{layer}"] + p[f"rnn.bias_hh_l{layer}"]
        hidden, cell = (torch.zeros(STREAMS, size, dtype=dtype),) * 2 if state is None else state[layer]
        outputs = []
        for projected in h @ p[f"rnn.weight_ih_l{layer}"].T + biases:
            i, f, g, o = (projected + hidden @ recurrent.T).chunk(4, dim=1)
            cell = f.sigmoid() * cell + i.sigmoid() * g.tanh()
            hidden = o.sigmoid() * cell.tanh()
            outputs.append(hidden)
        after.append((hidden.detach(), cell.detach()))
        raw = torch.stack(outputs)
        rate = RATES["output" if layer == len(SIZES) - 1 else "hidden"]
        h = raw * locked(rate, step, layer + 1, size).to(dtype)
    loss = F.cross_entropy((h @ p["encoder.weight"].T + p["decoder.bias"]).flatten(0, 1), y.flatten())
    objective = loss + ALPHA * h.pow(2).mean() + BETA * (raw[1:] - raw[:-1]).pow(2).mean()
    return loss, objective, after


def train(weights, tokens, dtype):
    torch.set_default_dtype(dtype)
    p = {name: nn.Parameter(weight.to(dtype, copy=True)) for name, weight in weights.items()}
    optimizer = torch.optim.SGD(p.values(), lr=LEARNING_RATE, weight_decay=DECAY)
    inputs, targets = arrange(tokens, STREAMS)
    losses, norms = [], []
    while len(losses) < STEPS:
        state = None
        for x, y in list(zip(inputs.split(UNROLL), targets.split(UNROLL)))[: STEPS - len(losses)]:
            if len(losses) == START:
                optimizer = torch.optim.ASGD(p.values(), lr=LEARNING_RATE, t0=0, lambd=0.0, weight_decay=DECAY)
            optimizer.zero_grad()
            loss, objective, state = forward(p, x, y, state, len(losses) + 1)
            objective.backward()
            norms.append(nn.utils.clip_grad_norm_(p.values(), CLIP).item())
            optimizer.step()
            losses.append(loss.item())
    return losses, norms, {name: optimizer.state[weight]["ax"] for name, weight in p.items()}


def main():
    generator = torch.Generator().manual_seed(1)
    shapes = {"encoder.weight": [VOCABULARY, EMBEDDING]}
    for layer, size in enumerate(SIZES):
        below = EMBEDDING if layer == 0 else SIZES[layer - 1]
        shapes |= {f"rnn.weight_ih_l{layer}": [4 * size, below], f"rnn.weight_hh_l{layer}": [4 * size, size]}
        shapes |= {f"rnn.bias_ih_l{layer}": [4 * size], f"rnn.bias_hh_l{layer}": [4 * size]}
    shapes["decoder.bias"] = [VOCABULARY]
    weights = {name: torch.randint(-512, 513, shape, generator=generator) / 1024 for name, shape in shapes.items()}
    tokens = corpus(generator)
    losses, norms, averages = train(weights, tokens, torch.float64)
    single, _, _ = train(weights, tokens, torch.float32)

    def tensors(group):
        return {
            name: {"shape": list(t.shape), "values": [round(value, 10) for value in t.flatten().tolist()]} for name, t in group.items()
        }

    write("regularised-lstm.json", {
        "made_by": f"make_regularised_fixture.py, PyTorch {torch.__version__}",
        "streams": STREAMS, "unroll": UNROLL, "seed": SEED, "sizes": SIZES, "embedding": EMBEDDING, "vocabulary_size": VOCABULARY,
        "rates": RATES, "activation_penalty": ALPHA, "slowness_penalty": BETA, "learning_rate": LEARNING_RATE, "clip_norm": CLIP,
        "weight_decay": DECAY, "start": START, "tokens": tokens, "losses": losses, "gradient_norms": norms, "parameters": tensors(weights),
        "averages": tensors(averages),
    })
    apart = max(abs(a / b - 1) for a, b in zip(single, losses))
    print(f"loss {losses[0]:.4f} -> {losses[-1]:.4f}, norms {min(norms):.2f} to {max(norms):.2f} (clip {CLIP}), precisions apart by {apart:.1e}")


if __name__ == "__main__":
    torch.set_num_threads(1)
    main()
