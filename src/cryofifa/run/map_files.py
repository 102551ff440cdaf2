"""The files of one map of a run. Their names are fixed, because other programs read them."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class MapFiles:
    """Where the files of one map lie: the map, what it was made from, and what it was judged by.

    Attributes:
        folder: the run's folder for its first map; further classes have folders of their own within it.
    """

    folder: Path

    @property
    def combined(self) -> Path:
        """The map of all particles, Wiener filtered by the FSC of its halves, not sharpened."""
        return self.folder / "map.mrc"

    @property
    def halves(self) -> tuple[Path, Path]:
        """The two half maps, without any filter."""
        return self.folder / "half1.mrc", self.folder / "half2.mrc"

    @property
    def mask(self) -> Path:
        """The mask, from 0 to 1, inside which the half maps were compared."""
        return self.folder / "mask.mrc"

    @property
    def local_resolution(self) -> Path:
        """The local resolution in angstrom at every voxel."""
        return self.folder / "local_resolution.mrc"

    @property
    def decoder(self) -> Path:
        """The decoder's own volume, on the map's grid."""
        return self.folder / "decoder.mrc"

    @property
    def fsc(self) -> Path:
        """The FSC curves of the half maps (CSV)."""
        return self.folder / "fsc.csv"

    @property
    def volumes(self) -> tuple[Path, ...]:
        """The files above that are volumes (MRC)."""
        return self.combined, *self.halves, self.mask, self.local_resolution, self.decoder
