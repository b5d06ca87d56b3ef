#!/usr/bin/env python3
"""Trains a PyTorch tagger or classifier on a dataset that lockstep prepared and reports how long each epoch takes; docs/results/labels.md
compares lockstep with it.

    python launch/pytorch_labels.py data/snips-slots --output tags --bidirectional --threads 2
    python launch/pytorch_labels.py data/sst-binary --output class --pooling last --embedding 25 --hidden 50 --batch 10

The model is an embedding, a layer of LSTM on packed sequences and a linear layer. A step is forward, cross-entropy, backward, clipping by norm,
the optimizer and reading the loss. Sentences of a batch are of similar length, as lockstep's are; batches come in random order. They are made
in advance: that is not part of a step. After the epochs it labels the test part. Prints one JSON object.
"""
import argparse
import json
import random
import time
from pathlib import Path

import numpy
import torch
from torch import nn
from torch.nn.utils.rnn import pack_padded_sequence, pad_packed_sequence

from pytorch_peer import update


class Labeller(nn.Module):
    def __init__(self, options, vocabulary, labels):
        super().__init__()
        self.output, self.pooling = options.output, options.pooling
        self.encoder = nn.Embedding(vocabulary, options.embedding)
        self.rnn = nn.LSTM(options.embedding, options.hidden, bidirectional=options.bidirectional)
        self.dropout = nn.Dropout(options.dropout)
        self.decoder = nn.Linear(options.hidden * (2 if options.bidirectional else 1), labels)

    def forward(self, tokens, lengths):  # tokens [T, B], lengths [B]
        packed = pack_padded_sequence(self.dropout(self.encoder(tokens)), lengths, enforce_sorted=False)
        values, (state, _) = self.rnn(packed)
        if self.output == "tags":
            return self.decoder(self.dropout(values.data)), packed
        if self.pooling == "last":
            top = state.permute(1, 0, 2).flatten(1)
        else:
            top = pad_packed_sequence(values, padding_value=-torch.inf)[0].amax(0)
        return self.decoder(self.dropout(top)), packed


def sentences(folder, part):
    """Token ids and targets of each sequence."""
    tokens = numpy.load(folder / f"{part}.npy").astype(numpy.int64)
    targets = numpy.load(folder / f"{part}.targets.npy").astype(numpy.int64)
    starts = numpy.load(folder / f"{part}.sequences.npy")
    ends = [*starts[1:], len(tokens)]
    return [(torch.from_numpy(tokens[a:b]), torch.from_numpy(targets[a:b])) for a, b in zip(starts, ends)]


def batches(parts, size, output):
    """Tokens [T, B], lengths [B] and targets: of all tokens, or of each sequence its last one's."""
    ordered = sorted(parts, key=lambda part: len(part[0]))
    result = []
    for first in range(0, len(ordered), size):
        group = ordered[first : first + size]
        lengths = torch.tensor([len(tokens) for tokens, _ in group])
        tokens = nn.utils.rnn.pad_sequence([tokens for tokens, _ in group])
        if output == "tags":
            padded = nn.utils.rnn.pad_sequence([targets for _, targets in group], padding_value=-1)
            targets = pack_padded_sequence(padded, lengths, enforce_sorted=False).data
        else:
            targets = torch.stack([targets[targets >= 0][-1] for _, targets in group])
        result.append((tokens, lengths, targets))
    return result


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("data", type=Path)
    parser.add_argument("--output", choices=["tags", "class"], required=True)
    parser.add_argument("--pooling", choices=["last", "max"], default="last")
    parser.add_argument("--bidirectional", action="store_true")
    parser.add_argument("--optimizer", choices=["adam", "adagrad"], default="adam")
    for name, value in [("embedding", 128), ("hidden", 128), ("batch", 32), ("epochs", 3), ("threads", 2), ("seed", 1)]:
        parser.add_argument(f"--{name}", type=int, default=value)
    parser.add_argument("--dropout", type=float, default=0.5)
    parser.add_argument("--learning-rate", type=float, default=0.002)
    options = parser.parse_args()

    torch.set_num_threads(options.threads)
    torch.manual_seed(options.seed)
    random.seed(options.seed)
    vocabulary = len(json.loads((options.data / "vocabulary.json").read_text())["tokens"])
    labels = len(json.loads((options.data / "labels.json").read_text())["labels"])
    model = Labeller(options, vocabulary, labels)
    rule = {"adam": torch.optim.Adam, "adagrad": torch.optim.Adagrad}[options.optimizer]
    optimizer = rule(model.parameters(), lr=options.learning_rate)
    criterion = nn.CrossEntropyLoss(ignore_index=-1)
    training = batches(sentences(options.data, "train"), options.batch, options.output)
    tokens = sum(int(lengths.sum()) for _, lengths, _ in training)

    seconds = []
    for _ in range(options.epochs):
        random.shuffle(training)
        model.train()
        start = time.perf_counter()
        for words, lengths, targets in training:
            loss = criterion(model(words, lengths)[0], targets)
            update(loss, model.parameters(), optimizer, 5.0)
        seconds.append(time.perf_counter() - start)

    model.eval()
    right = asked = 0
    with torch.no_grad():
        for words, lengths, targets in batches(sentences(options.data, "test"), options.batch, options.output):
            predicted = model(words, lengths)[0].argmax(-1)
            right += int(((predicted == targets) & (targets >= 0)).sum())
            asked += int((targets >= 0).sum())
    print(json.dumps({
        "torch": torch.__version__, "threads": options.threads, "steps": len(training), "tokens": tokens, "seconds": seconds,
        "tokens_per_second": tokens / sorted(seconds)[len(seconds) // 2], "test_accuracy": right / asked,
    }))


if __name__ == "__main__":
    main()
