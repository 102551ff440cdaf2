"""Sinusoidal layers (SIREN, Sitzmann et al. 2020), the building block of encoder and decoder."""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn


class SineLayer(nn.Module):
    """sin(omega (W x + b)), initialised so that activations keep their distribution from layer to layer.

    first: whether it is the first layer of a network, which is initialised differently.
    """

    def __init__(self, inputs: int, outputs: int, omega: float, *, first: bool = False) -> None:
        super().__init__()
        self.linear = nn.Linear(inputs, outputs)
        self.omega = omega
        bound = 1 / inputs if first else math.sqrt(6 / inputs) / omega
        nn.init.uniform_(self.linear.weight, -bound, bound)

    def forward(self, values: Tensor) -> Tensor:
        """The activations of the layer, (..., outputs)."""
        return torch.sin(self.omega * self.linear(values))


def siren(inputs: int, width: int, layers: int, outputs: int, omega: float) -> nn.Sequential:
    """A SIREN: a first sine layer, `layers` more, and a linear output layer initialised as a sine layer's."""
    final = nn.Linear(width, outputs)
    bound = math.sqrt(6 / width) / omega
    nn.init.uniform_(final.weight, -bound, bound)
    body = [SineLayer(width, width, omega) for _ in range(layers)]
    return nn.Sequential(SineLayer(inputs, width, omega, first=True), *body, final)
