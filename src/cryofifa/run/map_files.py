"""The files of one map of a run. The names are fixed: other programs read them."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class MapFiles:
    """Where one map lies, with what it was made from and judged by.

    Attributes:
        folder: of the run for its first map; further classes have folders of their own within it.
    """

    folder: Path

    @property
    def combined(self) -> Path:
        """The map of both halves, Wiener filtered by their FSC, unsharpened."""
        return self.folder / "map.mrc"

    @property
    def halves(self) -> tuple[Path, Path]:
        """The two half maps, unfiltered."""
        return self.folder / "half1.mrc", self.folder / "half2.mrc"

    @property
    def mask(self) -> Path:
        """Where the halves were compared."""
        return self.folder / "mask.mrc"

    @property
    def local_resolution(self) -> Path:
        """Resolution at every voxel, in angstrom."""
        return self.folder / "local_resolution.mrc"

    @property
    def decoder(self) -> Path:
        """What the decoder itself believes."""
        return self.folder / "decoder.mrc"

    @property
    def fsc(self) -> Path:
        """The curves."""
        return self.folder / "fsc.csv"

    @property
    def volumes(self) -> tuple[Path, ...]:
        """Every volume among them."""
        return self.combined, *self.halves, self.mask, self.local_resolution, self.decoder
