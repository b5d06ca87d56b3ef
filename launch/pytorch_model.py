#!/usr/bin/env python3
"""Loads a lockstep checkpoint into the equivalent PyTorch model and measures its perplexity, or what takes its place.

    pip install torch numpy safetensors
    launch/pytorch_model.py runs/demo/checkpoints/step-000001234 --data data/demo --split test

Prints the summed negative log likelihood in nats, the number of predicted tokens and the perplexity of the split; of a model that predicts
labels, the number of labels and the accuracy; of one that predicts values, the mean squared error. A text is read as one stream from its first
token to its last, with the state carried throughout, and every token but the first is predicted; sequences of labels or values are read each by
itself. `lockstep evaluate` does the same and must agree; with `--expect 12.345` the exit code says whether it does.

In your own code:

    from pytorch_model import load_checkpoint
    model = load_checkpoint("runs/demo/checkpoints/step-000001234")   # a torch.nn.Module in evaluation mode
    logits, state = model(tokens)                                     # tokens [T, B], or rows of numbers [T, B, D] -> logits [T, B, V]
"""
import argparse
import json
import math
import sys
from pathlib import Path

import numpy as np
import torch
from safetensors import SafetensorError
from safetensors.torch import load_file
from torch import nn

from pytorch_cells import BothDirections, Cells, Window


def recurrent(
    cell, activation, inputs, hidden, layers=1, dropout=0.0, window=None, normalization="none", gates=None, peepholes="none",
    bidirectional=False,
):
    """PyTorch's module of a cell where there is one, else lockstep's cell written with PyTorch's operations."""
    normalize = normalization == "layer"
    if bidirectional:  # one layer
        return BothDirections(*(
            recurrent(cell, activation, inputs, hidden, 1, dropout, window, normalization, gates, peepholes) for _ in range(2)))
    if cell == "window":
        return Window(inputs, hidden, layers, window, activation, dropout, normalize)
    if cell not in Cells.GATES:
        raise ValueError(f"unknown cell {cell!r}")
    if gates is not None or peepholes != "none":
        options = {} if gates is None else {"gates": gates.split(",")}
        return Cells(cell, inputs, hidden, layers, dropout=dropout, peepholes=peepholes == "diagonal", **options)
    if not normalize and cell == "lstm":
        return nn.LSTM(inputs, hidden, layers, dropout=dropout)
    if not normalize and cell == "gru_reset_after":
        return nn.GRU(inputs, hidden, layers, dropout=dropout)
    if not normalize and cell == "elman" and activation in ("tanh", "relu"):
        return nn.RNN(inputs, hidden, layers, nonlinearity=activation, dropout=dropout)
    return Cells(cell, inputs, hidden, layers, activation, dropout, normalize)


class LayerStack(nn.Module):
    """What one module of PyTorch is not: layers of several sizes, with connections around them, or in both directions.

    Residual, x + h; highway, t h + (1 - t) x with t = sigmoid(W x + b); dense, [x; h].
    """

    def __init__(self, cell, activation, inputs, sizes, connections, dropout=0.0, **options):
        super().__init__()
        self.connections = connections
        self.dropout = nn.Dropout(dropout)
        self.layers = nn.ModuleList()
        self.gates = nn.ModuleList()

        def width(hidden):
            return 2 * hidden if options.get("bidirectional") else hidden
        for hidden in sizes:
            self.layers.append(recurrent(cell, activation, inputs, hidden, **options))
            if connections == "highway":
                self.gates.append(nn.Linear(inputs, width(hidden)))
            inputs = inputs + width(hidden) if connections == "dense" else width(hidden)
        self.width = inputs  # of the output

    def forward(self, x, state=None, lengths=None):
        """x [T, B, inputs] -> output [T, B, width] and the state of each layer.

        lengths [B]: of the sequences, for layers in both directions; None: T.
        """
        after = []
        for index, layer in enumerate(self.layers):
            x = x if index == 0 else self.dropout(x)
            own = {"lengths": lengths} if isinstance(layer, BothDirections) else {}
            h, end = layer(x, None if state is None else state[index], **own)
            after.append(end)
            if self.connections == "residual":
                x = x + h
            elif self.connections == "highway":
                t = torch.sigmoid(self.gates[index](x))
                x = t * h + (1 - t) * x
            elif self.connections == "dense":
                x = torch.cat([x, h], dim=2)
            else:
                x = h
        return x, after


class AdaptiveDecoder(nn.AdaptiveLogSoftmaxWithLoss):
    """torch.nn's, with given widths of the tails' projections, as a module that gives log probabilities."""

    def __init__(self, hidden, vocabulary_size, cutoffs, projections):
        super().__init__(hidden, vocabulary_size, cutoffs, div_value=1.0)
        for tail, width, start, end in zip(self.tail, projections, self.cutoffs, self.cutoffs[1:]):
            tail[0] = nn.Linear(hidden, width, bias=False)
            tail[1] = nn.Linear(width, end - start, bias=False)

    def forward(self, hidden):
        """[..., H] -> [..., V]."""
        return self.log_prob(hidden.flatten(0, -2)).view(*hidden.shape[:-1], self.n_classes)


def adaptive_clusters(text):
    """Cutoffs and projections of a manifest's "adaptive, cutoffs 2000 10000, projections 50 12"."""
    kind, *lists = text.split(", ")
    numbers = {name: [int(number) for number in values] for name, *values in (part.split() for part in lists)}
    if kind != "adaptive":
        raise ValueError(f"PyTorch has no equivalent of model.softmax {kind}")
    return numbers["cutoffs"], numbers["projections"]


def predictions(text):
    """What a manifest's "tags, 72 labels", "class, 7 labels, mean" or "values, 2 at a time" says; the next token without one."""
    if text is None:
        return "next", None, None
    kind, count, *pooling = text.split(", ")
    if kind not in ("tags", "class", "values"):
        raise ValueError(f"PyTorch has no equivalent of model.output {kind}")
    return kind, int(count.split()[0]), pooling[0] if pooling else None


def reverse_columns(sizes, connections, width):
    """The columns of what the output layer reads that are made by layers which read from the end."""
    ends = [width - 2 * sum(sizes[index + 1:]) for index in range(len(sizes))] if connections == "dense" else [width]
    return [slice(end - size, end) for end, size in zip(ends, sizes if connections == "dense" else sizes[-1:])]


def lockstep_name(name):
    """The name in lockstep's files of a parameter of LanguageModel."""
    parts = name.split(".")
    if parts[0] == "decoder" and parts[1] in ("head", "tail"):
        return ".".join(parts[1:])
    if parts[:2] == ["rnn", "layers"] and parts[3] == "directions":
        return f"rnn.{parts[5].removesuffix('_l0')}_l{parts[2]}{'_reverse' if parts[4] == '1' else ''}"
    if parts[:2] == ["rnn", "layers"]:
        return f"rnn.{parts[3].removesuffix('_l0')}_l{parts[2]}"
    if parts[:2] == ["rnn", "gates"]:
        return f"rnn.highway_{parts[3]}_l{parts[2]}"
    return name


class LanguageModel(nn.Module):
    """Embedding (of numbers, a linear encoder), recurrent layers, output layer; dropout after the embedding and after every layer.

    Parameter names (encoder.weight, rnn.*, decoder.*) are those of lockstep's model.safetensors.
    """

    def __init__(
        self, vocabulary_size, cell, layers, embedding, hidden, activation="tanh", tied=False, dropout=0.0,
        hidden_sizes=None, connections="none", softmax=None, output=None, values=None, **options,
    ):
        super().__init__()
        self.output, outputs, self.pooling = predictions(output)
        between = dropout if layers > 1 else 0.0  # PyTorch warns otherwise
        if hidden_sizes or connections != "none" or options.get("bidirectional"):
            self.rnn = LayerStack(cell, activation, embedding, hidden_sizes or [hidden] * layers, connections, dropout, **options)
        else:
            self.rnn = recurrent(cell, activation, embedding, hidden, layers, between, **options)
        self.encoder = nn.Linear(values, embedding) if values else nn.Embedding(vocabulary_size, embedding)
        width = getattr(self.rnn, "width", (hidden_sizes or [hidden])[-1])
        self.reverse_columns = reverse_columns(hidden_sizes or [hidden] * layers, connections, width) if options.get("bidirectional") else []
        if softmax:
            self.decoder = AdaptiveDecoder(width, vocabulary_size, *adaptive_clusters(softmax))
        else:
            self.decoder = nn.Linear(width, outputs or vocabulary_size)
        if tied:
            self.decoder.weight = self.encoder.weight
        self.dropout = nn.Dropout(dropout)

    def forward(self, tokens, state=None, lengths=None):
        """tokens [T, B] and the state (None: zero) -> logits [T, B, V] (log probabilities of an adaptive softmax) and the state after the last step.

        Of a model that predicts labels, with the lengths [B] of the sequences (None: T): logits [T, B, labels], or of a classifier [B, labels];
        of one that predicts values, these. A model that reads numbers takes them in place of tokens, [T, B, D]; a row of NaN is absent.
        """
        own = {"lengths": lengths} if isinstance(self.rnn, LayerStack) else {}
        output, state = self.rnn(self.dropout(self.encoded(tokens)), state, **own)
        output = self.dropout(output)
        return self.decoder(self.pooled(output, lengths) if self.pooling else output), state

    def encoded(self, tokens):
        """The vectors [T, B, E] of tokens, or of rows of numbers; that of an absent row is zero."""
        if not isinstance(self.encoder, nn.Linear):
            return self.encoder(tokens)
        absent = tokens.isnan().any(dim=2, keepdim=True)
        return self.encoder(tokens.masked_fill(absent, 0)).masked_fill(absent, 0)

    def pooled(self, output, lengths=None):
        """What a classifier reads: the last vector of each sequence, of layers that read from the end the first; their mean, or maximum."""
        lengths = torch.full((output.shape[1],), len(output)) if lengths is None else torch.as_tensor(lengths)
        if self.pooling == "last":
            last = output[lengths - 1, torch.arange(output.shape[1])].clone()
            for columns in self.reverse_columns:
                last[:, columns] = output[0, :, columns]
            return last
        beyond = (torch.arange(len(output))[:, None] >= lengths)[:, :, None]
        if self.pooling == "mean":
            return output.masked_fill(beyond, 0).sum(0) / lengths[:, None]
        return output.masked_fill(beyond, -math.inf).amax(0)


def detached(state):
    """The carried state, detached from the steps that computed it."""
    if isinstance(state, torch.Tensor):
        return state.detach()
    return type(state)(detached(part) for part in state)


def load_checkpoint(folder):
    """The model of a checkpoint folder, in evaluation mode. Raises ValueError if PyTorch has no equivalent."""
    folder = Path(folder)
    shape = json.loads((folder / "manifest.json").read_text())["model"]
    fields = ("vocabulary_size", "cell", "layers", "embedding", "hidden", "activation", "tied")
    options = dict(shape.get("options") or {})
    if others := options.keys() - {"connections", "window", "normalization", "gates", "peepholes", "softmax", "bidirectional", "output", "values"}:
        raise ValueError(f"PyTorch has no equivalent of model.{', model.'.join(sorted(others))}")
    options["bidirectional"] = options.get("bidirectional") == "true"
    for name in {"window", "values"} & options.keys():
        options[name] = int(options[name])
    model = LanguageModel(**{field: shape[field] for field in fields}, hidden_sizes=shape.get("hidden_sizes"), **options)
    tensors = load_file(folder / "model.safetensors")
    if shape["tied"]:  # stored once; PyTorch lists it under both names
        tensors.setdefault("decoder.weight", tensors["encoder.weight"])
    model.load_state_dict({name: tensors[lockstep_name(name)] for name in model.state_dict()}, strict=True)
    return model.eval()


def arrange(tokens, streams):
    """A corpus as lockstep arranges it: inputs and targets [length, S].

    The N tokens hold N - 1 predictions. Stream s makes `length = (N - 1) // S` of them, from position s * length on;
    the last (N - 1) % S predictions are left out.
    """
    tokens = torch.from_numpy(np.asarray(tokens).astype(np.int64))
    length = (len(tokens) - 1) // streams
    inputs = tokens[: streams * length].view(streams, length).t().contiguous()
    targets = tokens[1 : streams * length + 1].view(streams, length).t().contiguous()
    return inputs, targets


@torch.no_grad()
def evaluate(model, tokens, streams=1, chunk=1000):
    """Summed negative log likelihood in nats and number of predictions, state carried from chunk to chunk."""
    model.eval()
    inputs, targets = arrange(tokens, streams)
    total, state = 0.0, None
    for x, y in zip(inputs.split(chunk), targets.split(chunk)):
        logits, state = model(x, state)
        losses = nn.functional.cross_entropy(logits.flatten(0, 1), y.flatten(), reduction="none")
        total += losses.double().sum().item()
    return total, targets.numel()


def load_sequences(folder, split):
    """The inputs and targets of each sequence of a dataset that has targets of its own: tokens [T] or numbers [T, D]; labels [T], -1 for
    none, or values [T, K], NaN for none."""
    def load(part):
        array = np.load(folder / f"{split}{part}.npy")
        return torch.from_numpy(array if array.dtype == np.float32 else array.astype(np.int64))
    inputs = load(".inputs" if (folder / f"{split}.inputs.npy").exists() else "")
    lengths = torch.diff(load(".sequences"), append=torch.tensor([len(inputs)])).tolist()
    return zip(inputs.split(lengths), load(".targets").split(lengths))


@torch.no_grad()
def evaluate_sequences(model, sequences):
    """Summed loss, number of predictions, and of those that are right (of labels), of a model that predicts labels or values."""
    total, count, right = 0.0, 0, 0
    for x, y in sequences:
        outputs, _ = model(x[:, None])
        outputs, y = (outputs, y[-1:]) if model.pooling else (outputs[:, 0], y)
        if model.output == "values":
            predicted = ~y.isnan().any(dim=1)
            losses = (outputs - y)[predicted].square().mean(dim=1)
        else:
            predicted = y >= 0
            losses = nn.functional.cross_entropy(outputs[predicted], y[predicted], reduction="none")
            right += (outputs.argmax(1) == y)[predicted].sum().item()
        total += losses.double().sum().item()
        count += predicted.sum().item()
    return total, count, right


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("checkpoint", type=Path, help="checkpoint folder (manifest.json and model.safetensors)")
    parser.add_argument("--data", type=Path, required=True, help="dataset folder, as `lockstep prepare` made it")
    parser.add_argument("--split", choices=("train", "valid", "test"), default="test")
    parser.add_argument(
        "--expect", type=float, metavar="NUMBER",
        help="exit with 1 unless the perplexity, the accuracy in percent or the mean squared error is this one")
    parser.add_argument("--tolerance", type=float, default=1e-4, help="relative, for --expect (default %(default)s)")
    options = parser.parse_args()

    try:
        model = load_checkpoint(options.checkpoint)
        if model.output == "next":
            total, count = evaluate(model, np.load(options.data / f"{options.split}.npy", mmap_mode="r"))
            name, result = "perplexity", math.exp(total / count)
            print(f"{options.split}: {total:.6f} nats, {count} tokens, perplexity {result:.6f}")
        else:
            total, count, right = evaluate_sequences(model, load_sequences(options.data, options.split))
            if model.output == "values":
                name, result = "mean squared error", total / count
                print(f"{options.split}: {count} predictions, mean squared error {result:.8f}, root {math.sqrt(result):.8f}")
            else:
                name, result = "accuracy", 100 * right / count
                print(f"{options.split}: {total:.6f} nats, {count} labels, accuracy {result:.4f} %")
    except (OSError, ValueError, KeyError, RuntimeError, SafetensorError) as error:
        sys.exit(f"pytorch_model: {type(error).__name__}: {error}")
    # Written so that a NaN fails too.
    if options.expect is not None and not abs(result - options.expect) <= options.tolerance * abs(options.expect):
        sys.exit(f"pytorch_model: expected {name} {options.expect}, tolerance {options.tolerance} relative")


if __name__ == "__main__":
    main()
