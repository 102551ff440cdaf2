"""FourierNet: the volume's Fourier value at any coordinate (the paper's decoder, after cryoAI).

D(k) = exp(envelope(k)) * modulant(k)        two SIRENs with two real outputs each: real and imaginary part
"""

from __future__ import annotations

import torch
from jaxtyping import Float
from torch import Tensor, nn

from cryofifa.model.coordinate_decoder import CoordinateDecoder
from cryofifa.model.siren import siren


class FourierNet(CoordinateDecoder):
    """Two networks of the coordinate.

    coordinate_scale: what one Fourier pixel is multiplied by before the sine layers. The transform of a particle of
    radius R varies on the scale 1/R, so the scale is set from R, not from the box.
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
        scaled = folded * self.coordinate_scale
        return torch.exp(self.envelope(scaled)) * self.modulant(scaled)

    @property
    def numbers_per_point(self) -> int:
        layers = [part for part in self.modules() if isinstance(part, nn.Linear)]
        # forward keeps the input of every linear layer and that of its sine, backward needs two of the widest beside
        return sum(2 * layer.in_features for layer in layers) + 2 * max(layer.in_features for layer in layers)
