"""One independent start of ab initio by search: a decoder from nothing learns every image in its best pose so far.

This is for particles of cubic point groups. They are nearly spheres: most of the power of their images tells nothing of
a pose, and what does lies in fine detail. Stochastic expectation maximisation leaves even the true poses there
(measured on apoferritin: 1 % of them are left after two epochs, LOG.md), while of searches one in four comes out right,
and half maps tell which.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from cryofifa.names import STARTS
from cryofifa.settings.config import Config
from cryofifa.system.processes import ALONE
from cryofifa.train.ab_initio import AbInitio
from cryofifa.train.curriculum import Curriculum
from cryofifa.train.working_set import WorkingSet


@dataclass(frozen=True)
class SearchSchedule:
    """The schedule of a start by search.

    Attributes:
        curriculum: how the Fourier mask grows, and until when poses are looked for in an orientation set.
        usual_epochs: passes over the particles, less than the curriculum has: the start ends before its last masks.
    """

    curriculum: Curriculum
    usual_epochs: int

    @property
    def first_radius(self) -> float:
        """Radius of the first Fourier mask, in Fourier pixels of the working box."""
        return self.curriculum.start_radius

    @property
    def last_radius(self) -> float:
        """Radius that the Fourier mask grows towards."""
        return self.curriculum.end_radius


class SearchStart(AbInitio):
    """One start by search, whose encoder takes no part.

    Args:
        config: settings of the run, with the seed of this start.
        schedule: how the start goes on.
        particles: images and optics at the working box, all of them in this process.
        particle_radius_angstrom: the particle's radius.
        shift_range_angstrom: the largest shift that a particle may be given.
    """

    phase: ClassVar[str] = STARTS

    def __init__(
        self,
        config: Config,
        schedule: SearchSchedule,
        particles: WorkingSet,
        particle_radius_angstrom: float,
        shift_range_angstrom: float,
    ) -> None:
        super().__init__(config, schedule.curriculum, particles, particle_radius_angstrom, shift_range_angstrom, ALONE)
        self.epochs_in_all = schedule.usual_epochs

    def is_finished(self, epochs: int) -> bool:
        """Whether the start is at its end after so many epochs."""
        return epochs >= self.epochs_in_all
