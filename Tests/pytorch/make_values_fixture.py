#!/usr/bin/env python3
"""Writes Tests/RecurrentTests/Fixtures/values.json: a network that reads and predicts real numbers, for the tests.

    pip install torch
    Tests/pytorch/make_values_fixture.py

nn.Linear, nn.LSTM in one direction and in both over packed sequences, nn.Linear, and nn.MSELoss of the rows that have a target: the
sum of each row's mean over its values, and all gradients, in double precision. A row of null among the inputs is absent: its vector is
zero. A row of null among the targets is no prediction. Numbers are multiples of 1/1024, exact in single precision.
"""
import json
import math
from pathlib import Path

import torch
from torch import nn
from torch.nn.utils.rnn import pack_padded_sequence, pad_packed_sequence, pad_sequence

FILE = Path(__file__).resolve().parents[1] / "RecurrentTests/Fixtures/values.json"
INPUTS, ENCODED, HIDDEN, OUTPUTS = 2, 3, 4, 2
LENGTHS = [4, 1, 6]


def numbers(generator, *shape):
    return torch.randint(-1024, 1025, shape, generator=generator).double() / 1024


class Model(nn.Module):
    def __init__(self, bidirectional):
        super().__init__()
        self.encoder = nn.Linear(INPUTS, ENCODED)
        self.rnn = nn.LSTM(ENCODED, HIDDEN, bidirectional=bidirectional)
        self.decoder = nn.Linear((2 if bidirectional else 1) * HIDDEN, OUTPUTS)

    def forward(self, sequences):
        """Outputs [length, K] of each sequence [length, D]."""
        values = pad_sequence(sequences)
        absent = values.isnan().any(dim=2, keepdim=True)
        vectors = torch.where(absent, 0.0, self.encoder(torch.where(absent, 0.0, values)))
        packed = pack_padded_sequence(vectors, [len(sequence) for sequence in sequences], enforce_sorted=False)
        output, lengths = pad_packed_sequence(self.rnn(packed)[0])
        return [self.decoder(output[:length, b]) for b, length in enumerate(lengths)]


def run(bidirectional, inputs, targets, generator):
    model = Model(bidirectional).double()
    for weight in model.parameters():
        weight.data = numbers(generator, *weight.shape)
    outputs = torch.cat(model(inputs))
    targets = torch.cat(targets)
    predicted = ~targets.isnan().any(dim=1)
    errors = (outputs - targets)[predicted].pow(2).mean(dim=1)
    assert math.isclose(errors.mean().item(), nn.functional.mse_loss(outputs[predicted], targets[predicted]).item())
    errors.sum().backward()
    return {
        "bidirectional": bidirectional, "errors": errors.tolist(), "outputs": outputs[predicted].tolist(),
        "gradients": {name: weight.grad.flatten().tolist() for name, weight in model.named_parameters()},
        "parameters": {name: weight.flatten().tolist() for name, weight in model.named_parameters()},
    }


def main():
    generator = torch.Generator().manual_seed(1)
    inputs = [numbers(generator, length, INPUTS) for length in LENGTHS]
    targets = [numbers(generator, length, OUTPUTS) for length in LENGTHS]
    inputs[0][2] = inputs[2][0] = math.nan
    targets[0][1] = targets[2][5] = math.nan

    def rows(sequences):
        return [[None if math.isnan(row[0]) else row for row in sequence.tolist()] for sequence in sequences]
    fields = {
        "made_by": f"make_values_fixture.py, PyTorch {torch.__version__}", "inputs": rows(inputs), "targets": rows(targets),
        "encoded": ENCODED, "hidden": HIDDEN,
    }
    head = ",\n".join(f"{json.dumps(key)}: {json.dumps(value)}" for key, value in fields.items())
    cases = ",\n".join(json.dumps(run(both, inputs, targets, generator)) for both in (False, True))
    FILE.write_text("{\n" + head + ',\n"cases": [\n' + cases + "\n]\n}\n")


if __name__ == "__main__":
    torch.set_num_threads(1)
    main()
