#!/usr/bin/env python3
"""Trains a PyTorch language model on a dataset that lockstep prepared, and prints a line of JSON after each epoch: the seconds of training so
far and the loss on the validation part. docs/results compares lockstep's recipes with it.

    python launch/pytorch_recipe.py data/tinyshakespeare --embedding 64 --hidden 256 --streams 32 --unroll 64 --dropout 0.25 \\
        --optimizer adam --learning-rate 0.002 --factor 0.85 --clip 1 --epochs 12
    python launch/pytorch_recipe.py data/wikitext-2 --embedding 200 --hidden 200 --streams 20 --unroll 35 --dropout 0.2 \\
        --optimizer sgd --learning-rate 20 --clip 0.25 --uniform 0.1 --epochs 1

The model is that of PyTorch's word_language_model example: an embedding, an LSTM of several layers and a linear layer, with dropout between
them; the state is carried from chunk to chunk. A step is forward, cross-entropy, backward, clipping by norm, the optimizer and reading the
loss. The time is that of the steps alone, without the validations.
"""
import argparse
import json
import time
from pathlib import Path

import numpy
import torch
from torch import nn

from pytorch_peer import LanguageModel, detached, update


class RegularisedModel(LanguageModel):
    def __init__(self, vocabulary, options):
        super().__init__("lstm", options.layers, options.embedding, options.hidden, vocabulary)
        self.dropout = nn.Dropout(options.dropout)
        self.rnn.dropout = options.dropout
        if options.uniform:
            for weights in (self.encoder.weight, self.decoder.weight):
                nn.init.uniform_(weights, -options.uniform, options.uniform)
            nn.init.zeros_(self.decoder.bias)

    def forward(self, tokens, state):  # tokens [T, B]
        output, state = self.rnn(self.dropout(self.encoder(tokens)), state)
        return self.decoder(self.dropout(output)).flatten(0, 1), detached(state)


def streams_of(path, count):
    """The text in `count` streams: token ids [steps, count]."""
    tokens = torch.from_numpy(numpy.load(path).astype(numpy.int64))
    steps = len(tokens) // count
    return tokens[: steps * count].view(count, steps).t().contiguous()


def chunks(streams, unroll):
    for first in range(0, len(streams) - 1, unroll):
        steps = min(unroll, len(streams) - 1 - first)
        yield streams[first : first + steps], streams[first + 1 : first + 1 + steps].reshape(-1)


def validation_loss(model, criterion, streams, unroll):
    """Nats per token."""
    model.eval()
    total, state = 0.0, None
    with torch.no_grad():
        for tokens, targets in chunks(streams, unroll):
            logits, state = model(tokens, state)
            total += criterion(logits, targets).item() * len(targets)
    return total / ((len(streams) - 1) * streams.shape[1])


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("data", type=Path)
    parser.add_argument("--optimizer", choices=["adam", "sgd"], default="adam")
    for name, value in [("layers", 2), ("embedding", 64), ("hidden", 256), ("streams", 32), ("unroll", 64), ("epochs", 1), ("threads", 2),
                        ("seed", 1)]:
        parser.add_argument(f"--{name}", type=int, default=value)
    for name, value, help in [("dropout", 0.0, None), ("learning-rate", 0.002, None), ("clip", 1.0, "the largest norm of a gradient"),
                              ("factor", 1.0, "multiplies the learning rate after each epoch"),
                              ("uniform", 0.0, "the range of initial embedding and output weights; 0: PyTorch's own")]:
        parser.add_argument(f"--{name}", type=float, default=value, help=help)
    options = parser.parse_args()

    torch.set_num_threads(options.threads)
    torch.manual_seed(options.seed)
    vocabulary = len(json.loads((options.data / "vocabulary.json").read_text())["tokens"])
    model = RegularisedModel(vocabulary, options)
    rule = {"adam": torch.optim.Adam, "sgd": torch.optim.SGD}[options.optimizer]
    optimizer = rule(model.parameters(), lr=options.learning_rate)
    schedule = torch.optim.lr_scheduler.ExponentialLR(optimizer, options.factor)
    criterion = nn.CrossEntropyLoss()
    training = streams_of(options.data / "train.npy", options.streams)
    validation = streams_of(options.data / "valid.npy", 10)

    seconds = 0.0
    for epoch in range(1, options.epochs + 1):
        model.train()
        state, predictions, start = None, 0, time.perf_counter()
        for tokens, targets in chunks(training, options.unroll):
            logits, state = model(tokens, state)
            loss = criterion(logits, targets)
            update(loss, model.parameters(), optimizer, options.clip)
            predictions += len(targets)
        elapsed = time.perf_counter() - start
        seconds += elapsed
        schedule.step()
        loss = validation_loss(model, criterion, validation, options.unroll)
        print(json.dumps({"torch": torch.__version__, "threads": options.threads, "epoch": epoch, "seconds": round(seconds, 2),
                          "tokens_per_second": round(predictions / elapsed), "validation_loss": loss}), flush=True)


if __name__ == "__main__":
    main()
