"""The files of the states and components of a finished run. Their names are fixed, because other programs read them."""

from __future__ import annotations

import re
import shutil
from dataclasses import dataclass
from pathlib import Path

from cryofifa.run.map_files import MapFiles

MADE_HERE = re.compile(r"(state|component)_\d+|(component|difference)_.*\.mrc|mean\.mrc|particles\.star|report\.html")


@dataclass(frozen=True)
class StateFiles:
    """Where the files of one analysis of a run's states lie.

    Attributes:
        folder: the folder of all of them, within the run's.
    """

    folder: Path

    @property
    def summary(self) -> Path:
        """The results as JSON for other programs; written last, so its presence says that the analysis is finished."""
        return self.folder / "states.json"

    @property
    def report(self) -> Path:
        """The report for the user, a single HTML page."""
        return self.folder / "report.html"

    @property
    def log(self) -> Path:
        """The log."""
        return self.folder / "log.txt"

    @property
    def particles(self) -> Path:
        """All particles with their poses, states, probabilities and coordinates."""
        return self.folder / "particles.star"

    @property
    def mean(self) -> Path:
        """The mean volume, from which components differ."""
        return self.folder / "mean.mrc"

    def component(self, number: int) -> Path:
        """The volume of one component, counted from 1, added where a coordinate is 1."""
        return self.folder / f"component_{number}.mrc"

    def along(self, number: int, place: int) -> Path:
        """The map at one place along a component; both are counted from 1."""
        return self.folder / f"component_{number}" / f"map_{place:02d}.mrc"

    def state(self, number: int) -> MapFiles:
        """The files of the map of one state, counted from 1."""
        return MapFiles(self.folder / f"state_{number}")

    def particles_of(self, number: int) -> Path:
        """The particles of one state, counted from 1."""
        return self.folder / f"state_{number}" / "particles.star"

    def difference(self, first: int, second: int) -> Path:
        """The map of one state less that of another."""
        return self.folder / f"difference_{first}_minus_{second}.mrc"

    def deviations(self, first: int, second: int) -> Path:
        """The same over the standard deviation of its noise."""
        return self.folder / f"difference_{first}_minus_{second}_in_sd.mrc"

    def clear(self) -> None:
        """Remove what an earlier analysis has left, and nothing else; the summary goes first."""
        self.summary.unlink(missing_ok=True)
        if not self.folder.is_dir():
            return
        for path in self.folder.iterdir():
            if MADE_HERE.fullmatch(path.name):
                if path.is_dir() and not path.is_symlink():
                    shutil.rmtree(path)
                else:
                    path.unlink()
