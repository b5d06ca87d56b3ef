#!/usr/bin/env python3
"""The PyTorch side of a comparison: a character language model trained as lockstep trains it.

    pip install torch numpy safetensors
    Tests/pytorch/char_lm.py tinyshakespeare.txt

By default LSTM 2 x 256, embedding 64, dropout 0.25 after the embedding, between the layers and before the output layer,
32 streams, unroll 64, Adam 2e-3 times 0.85 an epoch, gradients clipped to norm 1, the last tenth of the characters as
validation, 12 epochs, 2 threads. The vocabulary comes from the training part. Weights start as lockstep's, uniform in
+-0.1. Prints mean nats per character of training (dropout on) and validation (32 streams, at most 31 predictions left
out), and seconds since the start: of training alone and in all.
"""
import argparse
import math
import sys
import time
from pathlib import Path

import torch
from torch import nn

sys.path.insert(0, str(Path(__file__).resolve().parents[2] / "launch"))
from pytorch_model import LanguageModel, arrange, detached, evaluate  # noqa: E402


def read(path, valid_fraction):
    """Character ids of the training and validation part, and the size of the vocabulary."""
    text = Path(path).read_bytes().decode("utf-8")  # not read_text: it would change line ends
    cut = len(text) - int(len(text) * valid_fraction)
    ids = {character: number for number, character in enumerate(sorted(set(text[:cut])))}
    unknown = set(text[cut:]) - set(ids)
    if unknown:
        sys.exit(f"char_lm: the validation part has characters that the training part has not: {sorted(unknown)}")
    tokens = [ids[character] for character in text]
    return tokens[:cut], tokens[cut:], len(ids)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("text", help="plain UTF-8 text file")
    parser.add_argument("--cell", default="lstm", choices=("lstm", "gru_reset_after", "elman"))
    parser.add_argument("--layers", type=int, default=2)
    parser.add_argument("--embedding", type=int, default=64)
    parser.add_argument("--hidden", type=int, default=256)
    parser.add_argument("--dropout", type=float, default=0.25)
    parser.add_argument("--streams", type=int, default=32)
    parser.add_argument("--unroll", type=int, default=64)
    parser.add_argument("--learning-rate", type=float, default=2e-3)
    parser.add_argument("--decay", type=float, default=0.85, help="factor on the learning rate per epoch")
    parser.add_argument("--clip", type=float, default=1.0)
    parser.add_argument("--epochs", type=int, default=12)
    parser.add_argument("--steps", type=int, help="stop each epoch after this many steps (for a quick look)")
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--seed", type=int, default=1)
    options = parser.parse_args()

    torch.set_num_threads(options.threads)
    torch.manual_seed(options.seed)
    train, valid, vocabulary_size = read(options.text, valid_fraction=0.1)
    inputs, targets = arrange(train, options.streams)
    model = LanguageModel(
        vocabulary_size, options.cell, options.layers, options.embedding, options.hidden, dropout=options.dropout
    )
    for parameter in model.parameters():
        nn.init.uniform_(parameter, -0.1, 0.1)
    optimizer = torch.optim.Adam(model.parameters(), lr=options.learning_rate)
    schedule = torch.optim.lr_scheduler.ExponentialLR(optimizer, options.decay)
    print(
        f"PyTorch {torch.__version__}, {options.threads} threads, {sum(p.numel() for p in model.parameters())} "
        f"parameters, {vocabulary_size} characters, {len(train)} training, {len(valid)} validation", flush=True,
    )

    start, training_seconds = time.perf_counter(), 0.0
    for epoch in range(1, options.epochs + 1):
        epoch_start = time.perf_counter()
        model.train()
        state, total, count = None, 0.0, 0
        for step, (x, y) in enumerate(zip(inputs.split(options.unroll), targets.split(options.unroll))):
            if step == options.steps:
                break
            optimizer.zero_grad()
            logits, state = model(x, state)
            state = detached(state)
            loss = nn.functional.cross_entropy(logits.flatten(0, 1), y.flatten())
            loss.backward()
            nn.utils.clip_grad_norm_(model.parameters(), options.clip)
            optimizer.step()
            total += loss.item() * y.numel()
            count += y.numel()
        training_seconds += time.perf_counter() - epoch_start
        valid_total, valid_count = evaluate(model, valid, streams=options.streams)
        print(
            f"epoch {epoch:2d}  learning rate {schedule.get_last_lr()[0]:.3e}  train {total / count:.4f}  "
            f"valid {valid_total / valid_count:.4f} nats (perplexity {math.exp(valid_total / valid_count):.3f})  "
            f"training {training_seconds:.1f} s, all {time.perf_counter() - start:.1f} s", flush=True,
        )
        schedule.step()


if __name__ == "__main__":
    main()
