#!/usr/bin/env python3
"""Trains a PyTorch language model on random tokens and reports how long each step takes; launch/compare-pytorch compares
lockstep with it.

    python launch/pytorch_peer.py --threads 2                                   # one process
    OMP_NUM_THREADS=1 python -m torch.distributed.run --standalone --nproc_per_node 2 launch/pytorch_peer.py   # DDP, gloo
    python launch/pytorch_peer.py --inference

With --inference it trains nothing: it evaluates a text of one stream in chunks of --unroll tokens, and generates a text token by token.

A step is forward, cross-entropy, backward, clipping by norm, SGD and reading the loss; the state is carried from step to
step. `--streams` is the batch of all processes together. Prints one JSON object.
"""
import argparse
import json
import os
import statistics
import time

import torch
from torch import nn


class LanguageModel(nn.Module):
    def __init__(self, cell, layers, embedding, hidden, vocabulary):
        super().__init__()
        self.encoder = nn.Embedding(vocabulary, embedding)
        self.rnn = {"lstm": nn.LSTM, "gru": nn.GRU, "rnn": nn.RNN}[cell](embedding, hidden, layers)
        self.decoder = nn.Linear(hidden, vocabulary)

    def forward(self, tokens, state):  # tokens [T, B]
        output, state = self.rnn(self.encoder(tokens), state)
        return self.decoder(output), state


def detached(state):
    if state is None:
        return None
    return tuple(part.detach() for part in state) if isinstance(state, tuple) else state.detach()


def update(loss, parameters, optimizer, clip):
    """The rest of a step after the forward pass, until the loss is known."""
    optimizer.zero_grad(set_to_none=True)
    loss.backward()
    nn.utils.clip_grad_norm_(parameters, clip)
    optimizer.step()
    loss.item()


def peak_memory():
    """Bytes, VmHWM."""
    with open("/proc/self/status") as status:
        return next(int(line.split()[1]) * 1024 for line in status if line.startswith("VmHWM:"))


def inference(model, options):
    """Tokens per second with one stream: of evaluation, and of generation, each token drawn from the whole distribution."""
    model.eval()
    criterion = nn.CrossEntropyLoss(reduction="sum")
    chunk = torch.randint(options.vocabulary, (options.unroll + 1, 1))
    evaluation, generation, state, token = [], [], None, chunk[:1]
    with torch.inference_mode():
        for _ in range(options.warmup + options.steps):
            start = time.perf_counter()
            logits, state = model(chunk[:-1], state)
            criterion(logits.view(-1, options.vocabulary), chunk[1:].reshape(-1)).item()
            evaluation.append(time.perf_counter() - start)
        for _ in range(options.warmup + options.steps):
            start = time.perf_counter()
            for _ in range(options.unroll):
                logits, state = model(token, state)
                token = torch.multinomial(torch.softmax(logits[0], -1), 1)
            generation.append(time.perf_counter() - start)
    return {name: options.unroll / statistics.median(seconds[options.warmup:])
            for name, seconds in [("evaluation", evaluation), ("generation", generation)]}


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--cell", choices=["lstm", "gru", "rnn"], default="lstm")
    for name, value in [("layers", 2), ("embedding", 650), ("hidden", 650), ("vocabulary", 10000), ("streams", 20),
                        ("unroll", 35), ("steps", 20), ("warmup", 3), ("threads", 1)]:
        parser.add_argument(f"--{name}", type=int, default=value)
    parser.add_argument("--inference", action="store_true")
    options = parser.parse_args()

    torch.set_num_threads(options.threads)
    torch.manual_seed(1)
    processes = int(os.environ.get("WORLD_SIZE", "1"))
    if options.streams % processes:
        parser.error(f"--streams {options.streams} does not divide by {processes} processes")
    model = LanguageModel(options.cell, options.layers, options.embedding, options.hidden, options.vocabulary)
    if options.inference:
        print(json.dumps({"torch": torch.__version__, "threads": options.threads, **inference(model, options)}))
        return
    model.train()
    network = model
    if processes > 1:
        torch.distributed.init_process_group("gloo")
        network = nn.parallel.DistributedDataParallel(model)
    optimizer = torch.optim.SGD(model.parameters(), lr=1.0)
    criterion = nn.CrossEntropyLoss()
    streams = options.streams // processes
    # Drawn in advance: drawing tokens is not part of a step.
    chunks = [torch.randint(options.vocabulary, (options.unroll + 1, streams)) for _ in range(8)]

    state = None
    seconds = []
    for step in range(options.warmup + options.steps):
        chunk = chunks[step % len(chunks)]
        start = time.perf_counter()
        logits, state = network(chunk[:-1], detached(state))
        loss = criterion(logits.view(-1, options.vocabulary), chunk[1:].reshape(-1))
        update(loss, model.parameters(), optimizer, 0.25)
        seconds.append(time.perf_counter() - start)

    if int(os.environ.get("RANK", "0")) == 0:
        print(json.dumps({
            "torch": torch.__version__, "processes": processes, "threads": options.threads,
            "parameters": sum(parameter.numel() for parameter in model.parameters()),
            "tokens": options.streams * options.unroll, "seconds": seconds[options.warmup:],
            "peak_memory_bytes": peak_memory(),
        }), flush=True)
    if processes > 1:
        torch.distributed.destroy_process_group()


if __name__ == "__main__":
    main()
