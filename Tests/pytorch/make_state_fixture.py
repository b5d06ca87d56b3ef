#!/usr/bin/env python3
"""Writes Tests/InferenceTests/Fixtures/state-*.safetensors and states.json: PyTorch models as people save them.

    pip install torch numpy safetensors
    Tests/pytorch/make_state_fixture.py

states.json: for each file the model's shape, and the summed negative log likelihood (nats) that PyTorch computes for the
predictions of a token sequence, from the weights as they stand in the file.
"""
import json
import sys
from pathlib import Path

import torch
from safetensors.torch import load_file, save_file, save_model
from torch import nn

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "launch"))
from pytorch_model import LanguageModel, evaluate  # noqa: E402

FIXTURES = ROOT / "Tests/InferenceTests/Fixtures"
TOKENS = [(7 * i * i + 3 * i) % 13 for i in range(40)]


def shape(cell, tied=False):
    return dict(
        vocabulary_size=13, cell=cell, layers=2, embedding=6, hidden=6 if tied else 7, activation="tanh", tied=tied
    )


def main():
    torch.manual_seed(3)
    records = {}
    for name, model_shape, save in [
        ("plain", shape("lstm"), lambda model, path: save_file(model.state_dict(), path)),
        # The names as DistributedDataParallel and DataParallel change them.
        ("parallel", shape("lstm"), lambda model, path: save_file(nn.DataParallel(model).state_dict(), path)),
        ("compiled", shape("elman"), lambda model, path: save_file(torch.compile(model).state_dict(), path)),
        ("bfloat16", shape("gru_reset_after"), lambda model, path: save_file(model.bfloat16().state_dict(), path)),
        ("float16", shape("lstm"), lambda model, path: save_file(model.half().state_dict(), path)),
        # One of the two names is left out.
        ("tied", shape("lstm", tied=True), save_model),
    ]:
        model = LanguageModel(**model_shape)
        path = FIXTURES / f"state-{name}.safetensors"
        save(model, path)
        nats, count = evaluate(model.float(), TOKENS)
        records[name] = {"model": model_shape, "nats": nats}
        print(f"{name}: {nats:.4f} nats, {count} predictions; {', '.join(list(load_file(path))[:3])}")
    lines = ",\n".join(f"{json.dumps(name)}: {json.dumps(record)}" for name, record in records.items())
    (FIXTURES / "states.json").write_text(
        f'{{\n"made_by": "make_state_fixture.py, PyTorch {torch.__version__}",\n"tokens": {TOKENS},\n'
        f'"states": {{\n{lines}\n}}\n}}\n'
    )


if __name__ == "__main__":
    torch.set_num_threads(1)
    main()
