#!/usr/bin/env python3
"""Writes Tests/RecurrentTests/Fixtures/bidirectional.json: bidirectional layers of torch.nn over packed sequences, for the tests.

    pip install torch
    Tests/pytorch/make_bidirectional_fixture.py

For nn.LSTM, nn.GRU (lockstep's gru_reset_after) and nn.RNN of one to three layers, with an embedding below and a linear layer above:
weights, the loss of each prediction, and the norm of each parameter's gradient of the summed loss, all in double precision. The
sequences have unequal lengths and are packed; a target of -1 is no prediction. Weights are multiples of 1/1024, exact in single
precision. The last id of the vocabulary occurs in no sequence: the tests pad with it.
"""
import json
from pathlib import Path

import torch
from torch import nn
from torch.nn.utils.rnn import pack_padded_sequence, pad_packed_sequence, pad_sequence

FILE = Path(__file__).resolve().parents[1] / "RecurrentTests/Fixtures/bidirectional.json"
VOCABULARY, EMBEDDING, HIDDEN = 7, 3, 3
LENGTHS = [5, 1, 7, 3]
MODULES = {"lstm": nn.LSTM, "gru_reset_after": nn.GRU, "elman": nn.RNN}


class Tagger(nn.Module):
    def __init__(self, module, layers):
        super().__init__()
        self.encoder = nn.Embedding(VOCABULARY, EMBEDDING)
        self.rnn = module(EMBEDDING, HIDDEN, layers, bidirectional=True)
        self.decoder = nn.Linear(2 * HIDDEN, VOCABULARY)

    def forward(self, sequences):
        """Logits [length, V] of each sequence."""
        packed = pack_padded_sequence(
            self.encoder(pad_sequence(sequences)), [len(sequence) for sequence in sequences], enforce_sorted=False)
        output, lengths = pad_packed_sequence(self.rnn(packed)[0])
        return [self.decoder(output[:length, b]) for b, length in enumerate(lengths)]


def run(cell, layers, inputs, targets, generator):
    model = Tagger(MODULES[cell], layers).double()
    for weight in model.parameters():
        weight.data = torch.randint(-512, 513, weight.shape, generator=generator).double() / 1024
    losses = [
        nn.functional.cross_entropy(logits, target, ignore_index=-1, reduction="none")[target >= 0]
        for logits, target in zip(model(inputs), targets)
    ]
    sum(loss.sum() for loss in losses).backward()
    return {
        "cell": cell, "layers": layers, "losses": [loss.tolist() for loss in losses],
        "gradient_norms": {name: weight.grad.norm().item() for name, weight in model.named_parameters()},
        "parameters": {name: weight.flatten().tolist() for name, weight in model.named_parameters()},
    }


def main():
    generator = torch.Generator().manual_seed(1)
    inputs = [torch.randint(VOCABULARY - 1, (length,), generator=generator) for length in LENGTHS]
    targets = [torch.randint(-1, VOCABULARY, (length,), generator=generator) for length in LENGTHS]
    cases = [run(cell, layers, inputs, targets, generator) for cell in MODULES for layers in (1, 2, 3)]
    lines = ",\n".join(json.dumps(case) for case in cases)
    fields = {
        "made_by": f"make_bidirectional_fixture.py, PyTorch {torch.__version__}", "vocabulary": VOCABULARY, "embedding": EMBEDDING,
        "hidden": HIDDEN, "inputs": [sequence.tolist() for sequence in inputs], "targets": [target.tolist() for target in targets],
    }
    head = ",\n".join(f"{json.dumps(key)}: {json.dumps(value)}" for key, value in fields.items())
    FILE.parent.mkdir(exist_ok=True)
    FILE.write_text("{\n" + head + ',\n"cases": [\n' + lines + "\n]\n}\n")


if __name__ == "__main__":
    torch.set_num_threads(1)
    main()
