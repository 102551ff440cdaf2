"""Settings of the particle images: their soft masks, and the low-pass filter of what the encoder sees."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated

from cryofifa.settings.ranges import Range


@dataclass(frozen=True)
class ImageSettings:
    """[image]: how particle images are masked, and low-passed for the encoder."""

    # Radius of the soft mask over the particle's radius. Prototype: 70 A for a particle of 60 A, 144 A for 127 A.
    mask_margin: Annotated[float, Range(0.1, 100)] = 1.15
    # Width of the mask's soft edge over the particle's radius. Our choice.
    mask_edge_share: Annotated[float, Range(1e-3, 100)] = 0.1
    # Whether the mask of an image is moved by the shift predicted for it. The paper.
    mask_follows_shift: bool = True
    # How far an image reaches beyond its mask, as room for shifts, over the particle's radius. Our choice.
    shift_margin_share: Annotated[float, Range(0, 100)] = 0.25
    # Order of the Butterworth low-pass in the encoder's second channel. Prototype.
    butterworth_order: Annotated[int, Range(1, 100)] = 4
    # The frequency at which that low-pass halves the power, over Nyquist of the working box. Prototype.
    butterworth_resolution_share: Annotated[float, Range(1e-3, 100)] = 0.3
