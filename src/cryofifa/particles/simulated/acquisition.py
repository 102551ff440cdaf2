"""How a simulated set is taken: how many images of which size, at which noise and defocus."""

from __future__ import annotations

import math
from dataclasses import dataclass

from cryofifa.errors import InputError

LARGEST_SNR = 1e12  # beyond it, images with noise of variance 1 cannot be told from clean ones in 32-bit numbers
LARGEST_DEFOCUS_ANGSTROM = 1e6
LARGEST_SEED = 2**63


@dataclass(frozen=True)
class Acquisition:
    """The arguments of `simulate` that say how its images are taken; their meaning is told there.

    Raises:
        InputError: if one makes no sense.
    """

    structure: str
    select: str | None
    particles: int
    box: int
    pixel_size_angstrom: float
    snr: float
    shift_sd_pixel: float
    defocus_angstrom: tuple[float, float]
    junk: float
    views: str
    dtype: str
    seed: int

    def __post_init__(self) -> None:
        """Check every value, whatever its type says: callers in Python are not checked."""
        low, high = self.defocus_angstrom
        largest = LARGEST_DEFOCUS_ANGSTROM
        right = {
            f"{self.particles} particles: give at least one": self.particles >= 1,
            f"a box of {self.box} pixels: give an even number, 16 or more": self.box >= 16 and self.box % 2 == 0,
            f"a pixel size of {self.pixel_size_angstrom} angstrom: it must be positive": (
                0 < self.pixel_size_angstrom < math.inf
            ),
            f"an SNR of {self.snr}: it must be positive, {LARGEST_SNR:g} at most": 0 < self.snr <= LARGEST_SNR,
            f"shifts with a standard deviation of {self.shift_sd_pixel} pixels: give 0 to half the box": (
                0 <= self.shift_sd_pixel <= self.box / 2
            ),
            f"defocus ({low}, {high}) angstrom: the first must not exceed the second": low <= high,
            f"defocus ({low}, {high}) angstrom: give {largest:g} at most": max(abs(low), abs(high)) <= largest,
            f"a junk share of {self.junk}: it must be between 0 and 1": 0 <= self.junk < 1,
            f"views '{self.views}': give uniform or preferred": self.views in ("uniform", "preferred"),
            f"dtype '{self.dtype}': give float32 or float16": self.dtype in ("float32", "float16"),
            f"a seed of {self.seed}: give a whole number from 0 to 2^63": 0 <= self.seed <= LARGEST_SEED,
        }
        for message, holds in right.items():
            if not holds:
                raise InputError(f"cannot simulate {message}")
