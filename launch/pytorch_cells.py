"""Cells of lockstep that torch.nn does not have, for pytorch_model.py."""
import torch
from torch import nn


def normalized(a, gain):
    """Layer normalisation over the last dimension."""
    return nn.functional.layer_norm(a, gain.shape, gain)


class Cells(nn.Module):
    """Recurrent layers step by step, for what torch.nn's do not have; the state is a tuple of [B, H] for each layer and vector.

    The GRU of Cho et al. 2014, Elman networks with sigmoid, LSTMs without some gates (a missing one is 1) or with peepholes
    (Gers and Schmidhuber 2000), and layer normalisation (Ba et al. 2016).
    """

    GATES = {"elman": 1, "lstm": 4, "gru": 3, "gru_reset_after": 3}

    def __init__(
        self, cell, inputs, hidden, layers, activation="tanh", dropout=0.0, normalize=False,
        gates=("input", "forget", "output"), peepholes=False,
    ):
        super().__init__()
        self.cell, self.hidden, self.activation = cell, hidden, getattr(torch, activation)
        self.normalize, self.gates, self.peepholes = normalize, gates, peepholes
        self.layers, self.dropout = range(layers), nn.Dropout(dropout)
        rows = self.GATES[cell] * hidden
        for layer in self.layers:
            def add(name, *shape, value=0.0):
                setattr(self, f"{name}_l{layer}", nn.Parameter(torch.full(shape, value)))
            add("weight_ih", rows, hidden if layer else inputs)
            add("weight_hh", rows, hidden)
            add("bias_ih", rows)
            add("bias_hh", rows)
            if peepholes:
                add("weight_ch", 3, hidden)
            if not normalize:
                continue
            if cell == "elman":
                add("gain", rows, value=1.0)
            else:
                add("gain_ih", rows, value=1.0)
                add("gain_hh", rows, value=1.0)
            if cell == "lstm":
                add("gain_c", hidden, value=1.0)
                add("bias_c", hidden)

    def step(self, layer, x, state):
        def own(name):
            return getattr(self, f"{name}_l{layer}")
        wx = x @ own("weight_ih").t()
        if self.cell == "elman":
            return (self.elman(own, wx, state[0]),)
        if self.cell == "lstm":
            return self.lstm(own, wx, *state)
        return (self.gru(own, wx, state[0]),)

    def part(self, own, product, side, rows=slice(None)):
        """A product, normalised if the model is, and its bias."""
        if self.normalize:
            product = normalized(product, own("gain_" + side)[rows])
        return product + own("bias_" + side)[rows]

    def elman(self, own, wx, h):
        a = wx + h @ own("weight_hh").t()
        if self.normalize:
            a = normalized(a, own("gain"))
        return self.activation(a + own("bias_ih") + own("bias_hh"))

    def lstm(self, own, wx, h, c):
        a = self.part(own, wx, "ih") + self.part(own, h @ own("weight_hh").t(), "hh")
        i, f, g, o = a.chunk(4, dim=1)
        if self.peepholes:
            p_i, p_f, p_o = own("weight_ch")
            i, f = i + p_i * c, f + p_f * c

        def gate(name, a):
            return a.sigmoid() if name in self.gates else torch.ones_like(a)
        c = gate("forget", f) * c + gate("input", i) * g.tanh()
        o = gate("output", o + p_o * c if self.peepholes else o)
        exposed = normalized(c, own("gain_c")) + own("bias_c") if self.normalize else c
        return o * exposed.tanh(), c

    def gru(self, own, wx, h):
        # r and z are normalised together, n by itself.
        gates, candidate = slice(0, 2 * self.hidden), slice(2 * self.hidden, 3 * self.hidden)
        u = own("weight_hh").t()
        a = self.part(own, wx[:, gates], "ih", gates) + self.part(own, h @ u[:, gates], "hh", gates)
        r, z = a.sigmoid().chunk(2, dim=1)
        if self.cell == "gru":
            recurrent = self.part(own, (r * h) @ u[:, candidate], "hh", candidate)
        else:
            recurrent = r * self.part(own, h @ u[:, candidate], "hh", candidate)
        n = (self.part(own, wx[:, candidate], "ih", candidate) + recurrent).tanh()
        return (1 - z) * n + z * h

    def forward(self, x, state=None):
        """x [T, B, in] and the state (None: zero) -> outputs [T, B, H] of the last layer and the new state."""
        count = 2 if self.cell == "lstm" else 1
        state = state or (x.new_zeros(x.shape[1], self.hidden),) * (count * len(self.layers))
        after = []
        for layer in self.layers:
            own, outputs = state[count * layer : count * (layer + 1)], []
            for step in x:
                own = self.step(layer, step, own)
                outputs.append(own[0])
            after += own
            x = torch.stack(outputs)
            if layer < self.layers[-1]:
                x = self.dropout(x)
        return x, tuple(after)


class Window(nn.Module):
    """Layers over the last `window` inputs each (Bengio et al. 2003); the state is each layer's last `window - 1` inputs."""

    def __init__(self, inputs, hidden, layers, window, activation, dropout, normalize):
        super().__init__()
        self.window, self.activation, self.dropout = window, getattr(torch, activation), nn.Dropout(dropout)
        self.layers = range(layers)
        for layer in self.layers:
            linear = nn.Linear(window * (hidden if layer else inputs), hidden)
            self.register_parameter(f"weight_l{layer}", linear.weight)
            self.register_parameter(f"bias_l{layer}", linear.bias)
            if normalize:
                self.register_parameter(f"gain_l{layer}", nn.Parameter(torch.ones(hidden)))
        self.normalize = normalize

    def forward(self, x, state=None):
        """x [T, B, in] and the state -> outputs [T, B, H] of the last layer and the new state."""
        after = []
        for layer in self.layers:
            steps = len(x)
            before = state[layer] if state else x.new_zeros(self.window - 1, *x.shape[1:])
            x = torch.cat([before, x])  # [n-1+T, B, in]
            after.append(x[steps:])
            x = torch.cat([x[k : k + steps] for k in range(self.window)], dim=2)
            x = nn.functional.linear(x, getattr(self, f"weight_l{layer}"))
            if self.normalize:
                x = normalized(x, getattr(self, f"gain_l{layer}"))
            x = self.activation(x + getattr(self, f"bias_l{layer}"))
            if layer < self.layers[-1]:
                x = self.dropout(x)
        return x, tuple(after)


class BothDirections(nn.Module):
    """A layer in both directions: two modules, the second of which reads each sequence from its end; their outputs side by side."""

    def __init__(self, forwards, backwards):
        super().__init__()
        self.directions = nn.ModuleList([forwards, backwards])

    def forward(self, x, state=None, lengths=None):
        """x [T, B, in], the first module's state and the sequences' lengths [B] (None: T) -> outputs [T, B, 2H] and its new state."""
        steps = torch.arange(len(x))[:, None]
        lengths = torch.full((x.shape[1],), len(x)) if lengths is None else torch.as_tensor(lengths)
        # Each sequence reversed, and the padding behind it as it is.
        order = torch.where(steps < lengths, lengths - 1 - steps, steps)[:, :, None]

        def reverse(values):
            return values.gather(0, order.expand_as(values))
        there, after = self.directions[0](x, state)
        back, _ = self.directions[1](reverse(x))
        return torch.cat([there, reverse(back)], dim=2), after
