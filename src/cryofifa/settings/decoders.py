"""Settings of the decoder, which learns the volume: which kind it is, and one table for each kind.

A new kind has a name in `DecoderKind`, a class and a table in `DecoderSettings` here, and a line in the table of
`train/decoder_choice.py`.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Annotated, Literal

from cryofifa.settings.ranges import POSITIVE, SHARE, Range

DecoderKind = Literal["FourierNet", "voxels", "hash grid"]


@dataclass(frozen=True)
class VoxelSettings:
    """[decoder.voxels]: the voxels of the working box, learned by gradient."""

    # In units of the voxels' density. Measured, single starts of gpcr that end right: 0 of 3 at 0.02, 3 of 6 at 0.1,
    # 14 of 14 at 0.4, 6 of 6 at 1 (but with larger errors). If it falls from the beginning on, 10 of 14 end right.
    learning_rate: Annotated[float, POSITIVE] = 0.4
    # Share of the learning rate that is left at the end of ab initio; the rate falls over the second half.
    last_rate: Annotated[float, Range(1e-6, 1)] = 0.2


@dataclass(frozen=True)
class HashGridSettings:
    """[decoder.hash_grid]: features in hashed grids and a small network (after instant-ngp).

    Measured, single starts of gpcr that end right: 6 of 9 with these values; none at a learning rate of 0.01, nor at
    spacings of 0.14 and 0.5 (LOG.md).
    """

    learning_rate: Annotated[float, POSITIVE] = 0.04
    spacing: Annotated[float, POSITIVE] = 0.4  # of the finest grid, as frequency times particle radius
    levels: Annotated[int, Range(1, 16)] = 4  # number of grids, each twice as coarse as the one before


@dataclass(frozen=True)
class FourierNetSettings:
    """[decoder.fourier_net]: two networks of sine layers, an envelope and a modulant; the paper's (after cryoAI)."""

    width: Annotated[int, Range(1, 16_384)] = 128  # of the layers; prototype; cryoAI has 256
    modulant_layers: Annotated[int, Range(1, 100)] = 3  # cryoAI
    envelope_layers: Annotated[int, Range(1, 100)] = 2  # cryoAI
    omega_modulant: Annotated[float, POSITIVE] = 40.0  # frequency factor of the sine layers; cryoAI
    omega_envelope: Annotated[float, POSITIVE] = 30.0  # the same of the envelope; cryoAI
    # Coordinates that the networks are given: this times frequency times particle radius. Prototype: 0.08 to 0.11.
    coordinate_scale: Annotated[float, POSITIVE] = 0.09
    # In guided mode; in amortized mode it is [amortized] decoder_learning_rate. Prototype.
    learning_rate: Annotated[float, SHARE] = 5e-4


@dataclass(frozen=True)
class DecoderSettings:
    """[decoder]: the kind of decoder that learns the volume, and a table of settings for each kind."""

    # "auto" is voxels in guided mode and FourierNet (the paper) in amortized mode. Measured, single starts of 2,000
    # particles that end right: gpcr 14 of 14 with voxels, 5 of 6 with FourierNet, 6 of 9 with the hash grid; with 30 %
    # junk 9 of 14, 2 of 6 and 1 of 5. Voxels take half of FourierNet's time.
    kind: Literal["auto", DecoderKind] = "auto"
    # Minibatches between two samplings of the volume that candidates are scored with. Prototype. Measured with voxels,
    # single starts of gpcr that end right: 2 of 8 at 1, 8 of 8 at 6, 7 of 8 at 12, 6 of 8 at 30.
    minibatches_per_sampling: Annotated[int, Range(1, 1e9)] = 6
    voxels: VoxelSettings = field(default_factory=VoxelSettings)
    hash_grid: HashGridSettings = field(default_factory=HashGridSettings)
    fourier_net: FourierNetSettings = field(default_factory=FourierNetSettings)
