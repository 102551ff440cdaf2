"""FourierNet: the volume's Fourier value at any coordinate by two SIRENs (the paper's decoder, after cryoAI).

D(k) = exp(envelope(k)) * modulant(k)        each with two real outputs: for the real and the imaginary part
"""

from __future__ import annotations

import torch
from jaxtyping import Float
from torch import Tensor, nn

from cryofifa.model.coordinate_decoder import CoordinateDecoder
from cryofifa.model.siren import siren


class FourierNet(CoordinateDecoder):
    """The paper's decoder: an envelope for the steep fall of amplitudes, times a modulant for the detail.

    width: of the hidden layers of both networks.
    modulant_layers, envelope_layers: number of hidden layers after the first one.
    omega_modulant, omega_envelope: frequency of the sine in each network's layers.
    coordinate_scale: by which coordinates in Fourier pixels are multiplied before the first layer. The transform of a
        particle of radius R varies on the scale 1/R, so it is set from R, not from the box.
    """

    def __init__(
        self,
        *,
        width: int,
        modulant_layers: int,
        envelope_layers: int,
        omega_modulant: float,
        omega_envelope: float,
        coordinate_scale: float,
    ) -> None:
        super().__init__()
        self.modulant = siren(3, width, modulant_layers, 2, omega_modulant)
        self.envelope = siren(3, width, envelope_layers, 2, omega_envelope)
        self.coordinate_scale = coordinate_scale

    def values_at(self, folded: Float[Tensor, "n 3"]) -> Float[Tensor, "n 2"]:
        """exp(envelope(k)) * modulant(k), for real and imaginary part each."""
        scaled = folded * self.coordinate_scale
        return torch.exp(self.envelope(scaled)) * self.modulant(scaled)

    @property
    def numbers_per_point(self) -> int:
        """As in `CoordinateDecoder`, counted over the linear layers."""
        layers = [part for part in self.modules() if isinstance(part, nn.Linear)]
        # forward keeps the inputs of every linear layer and of its sine; backward needs two of the widest in addition
        return sum(2 * layer.in_features for layer in layers) + 2 * max(layer.in_features for layer in layers)
