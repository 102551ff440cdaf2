"""Settings of the independent starts, which find a map and poses from nothing (guided mode)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated

from cryofifa.settings.ranges import POSITIVE, Range


@dataclass(frozen=True)
class StartSettings:
    """[starts]: how many independent starts there are, and how each looks for a map (`stochastic_em/start.py`)."""

    # Independent starts; None is as many as it takes until two agree, `least` to `most` of them.
    count: Annotated[int | None, Range(1, 1000)] = None
    least: Annotated[int, Range(1, 1000)] = 2  # two can agree
    most: Annotated[int | None, Range(1, 1000)] = None  # None is 8, or what run/planning.py has for cubic point groups
    # Particles of one update. Measured on hard/mic_coloured: 64 and 128 find the same, 128 in two thirds of the time.
    minibatch: Annotated[int, Range(2, 1e9)] = 128
    # How many particles the map remembers while it looks for its shape, the last ones seen. Measured (LOG.md): with a
    # few hundred a start leaves wrong maps again; with half of 3,000 it stays in the first that it finds.
    memory_particles: Annotated[float, Range(1, 1e9)] = 300.0
    # Random orientations that every image is compared with, new ones for each minibatch. Measured on
    # hard/mic_coloured: with 1,000 starts are slower to find the map.
    orientations: Annotated[int, Range(16, 1e6)] = 2000
    # How many particles a start sees while its Fourier mask grows, and at most before it comes to its end, each counted
    # as often as it is seen. Measured: gpcr and ribosome rest after 15,000, hard/mic_coloured after 36,000.
    growth_visits: Annotated[int, Range(1, 1e12)] = 25_000
    most_visits: Annotated[int, Range(1, 1e12)] = 40_000
    # A start comes to its end once the median particle turns by less than this from one epoch to the next; orientations
    # lie 14 degrees apart. Measured: 16 degrees where the map is found, 30 to 120 where it is not.
    settled_degree: Annotated[float, Range(0, 180)] = 20.0
    # The first mask reaches at least this frequency times the particle radius; None is 2, or what run/planning.py has
    # for cubic point groups.
    first_cycles: Annotated[float | None, POSITIVE] = None
