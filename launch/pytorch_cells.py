"""Cells of lockstep that torch.nn does not have, for pytorch_model.py."""
import torch
from torch import nn


class Window(nn.Module):
    """Layers over the last `window` inputs each (Bengio et al. 2003); the state is each layer's last `window - 1` inputs."""

    def __init__(self, inputs, hidden, layers, window, activation, dropout):
        super().__init__()
        self.window, self.activation, self.dropout = window, getattr(torch, activation), nn.Dropout(dropout)
        self.layers = range(layers)
        for layer in self.layers:
            linear = nn.Linear(window * (hidden if layer else inputs), hidden)
            self.register_parameter(f"weight_l{layer}", linear.weight)
            self.register_parameter(f"bias_l{layer}", linear.bias)

    def forward(self, x, state=None):
        """x [T, B, in] and the state -> outputs [T, B, H] of the last layer and the new state."""
        after = []
        for layer in self.layers:
            steps = len(x)
            before = state[layer] if state else x.new_zeros(self.window - 1, *x.shape[1:])
            x = torch.cat([before, x])  # [n-1+T, B, in]
            after.append(x[steps:])
            x = torch.cat([x[k : k + steps] for k in range(self.window)], dim=2)
            x = nn.functional.linear(x, getattr(self, f"weight_l{layer}"), getattr(self, f"bias_l{layer}"))
            x = self.activation(x)
            if layer < self.layers[-1]:
                x = self.dropout(x)
        return x, tuple(after)
