"""Settings of the encoder, which predicts a particle's pose from its image."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, Literal

from cryofifa.settings.ranges import POSITIVE, SHARE, Range

Augmentation = Literal["4x90", "8x45", "random"]


@dataclass(frozen=True)
class EncoderSettings:
    """[encoder]: a ResNet whose features go through sine layers (SIREN), and how it learns."""

    channels: Annotated[int, Range(1, 512)] = 16  # channels of the ResNet's first stage; prototype
    stages: Annotated[int, Range(1, 6)] = 3  # stages of the ResNet; prototype
    feature_width: Annotated[int, Range(1, 16_384)] = 256  # width of the sine layers; prototype
    # Frequency factor of the sine layers. Measured on gpcr, encoder taught with the true map for 50 s: its poses are
    # 45 degrees off at 5, 7.8 at 2, 8.7 at 1 (and 45 if every copy is taught).
    omega: Annotated[float, POSITIVE] = 2.0
    # Measured in the same way for 38 s: gpcr 7.4 and ribosome 10.9 degrees; at 5e-4 they are 8.3 and 12.6.
    learning_rate: Annotated[float, SHARE] = 1e-3
    # In-plane turns of the copies of each image, each also mirrored. Extended Data Table 2.
    augmentation: Augmentation = "8x45"
    # Rotations predicted from one image, the best of which counts; the paper has one. Measured, encoder taught with
    # the true map for 60 s: gpcr 7.4 degrees with 1 and 6.0 with 4, 20,000 particles of 32 px 15.4 and 11.8.
    heads: Annotated[int, Range(1, 64)] = 4
    # Turns of the augmentation "random", new for each particle and epoch. Extended Data Table 2.
    random_turns: Annotated[int, Range(1, 360)] = 8
    # Whether convolutions multiply 16-bit numbers (bfloat16). Where the processor has them the encoder takes a quarter
    # less CPU time and gives the same poses (gpcr, amortized, 3 seeds: 8.2 and 8.3 degrees). It is off because it was
    # not tried on a GPU.
    half_precision: bool = False
    # Synthetic particles that the encoder learns from, per real one; None is 1 in guided mode and 2 in amortized mode.
    # Measured on ribosome, amortized, 180 s: 68, 47, 53 degrees with 1, 2, 4. On gpcr, guided, the encoder's own best
    # copy is 7.9 and 7.3 degrees off with 1 and 2.
    synthetic_per_particle: Annotated[int | None, Range(0, 64)] = None
