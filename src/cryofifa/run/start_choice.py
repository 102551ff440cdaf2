"""How the independent starts of a run look for a map: by which method, how many, and through which Fourier masks."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import Literal

from cryofifa.errors import InputError
from cryofifa.particles.signal_spectrum import SignalSpectrum
from cryofifa.physics.point_group_names import is_cubic, member_count
from cryofifa.run.plan import StartJudge
from cryofifa.settings.config import Config
from cryofifa.stochastic_em.schedule import StartSchedule
from cryofifa.train.curriculum import Curriculum
from cryofifa.train.search_start import SearchSchedule

# The Fourier mask grows at least by this factor, where particles are so large that the usual start is near the end; our
# choice.
LEAST_GROWTH = 1.5
FEWEST_START_EPOCHS = 2  # of a start, however many particles there are; our choice


@dataclass(frozen=True)
class StartChoice:
    """How many independent starts there may be, where their masks begin, and what they are compared by.

    Attributes:
        least, most: number of independent starts; they end as soon as two agree.
        cycles: the first Fourier mask reaches at least this frequency times the particle radius.
        judge: what they are compared by.
        method: by which they look for a map.
    """

    least: int
    most: int
    cycles: float
    judge: StartJudge
    method: Literal["stochastic expectation maximisation", "search"]


USUAL_STARTS = StartChoice(
    least=2, most=8, cycles=2.0, judge="explained power", method="stochastic expectation maximisation"
)
# Particles of T, O and I are nearly spheres, whose views differ in fine detail only: starts look for poses by search
# (`train/search_start.py`). The power that they explain hardly tells right ones from wrong ones; the agreement of their
# half maps does. Measured on apoferritin, single starts right at 26 A: from 45 A 1 of 12, from 36 A (1.5 cycles) 4 of
# 14, from 30 A 0 of 8 (LOG.md).
CUBIC_STARTS = StartChoice(least=2, most=16, cycles=1.5, judge="half maps", method="search")

# A start by search: particles that its whole curriculum would see, over `[starts] most_visits`; the shares of it after
# which the start ends, and after which poses are no more looked for in the orientation set. Measured on apoferritin
# (LOG.md).
SEARCH_VISITS_SHARE, SEARCH_END, ORIENTATION_SET_SHARE = 1.25, 0.85, 0.75
SEARCH_GROWTH = 2.0  # of its Fourier mask; what halves share beyond an octave is fitted noise (LOG.md)

# Information per image (particles/signal_spectrum.py) that the first mask of a start lets through, and that is enough
# at its last. Measured with true maps (LOG.md): at 8 no pose is known, at 40 nearly all are.
FIRST_INFORMATION, ENOUGH_INFORMATION = 8.0, 45.0
# Where there is less, the last mask lets through this share of what there is up to `FINEST_CYCLES` over the radius, for
# random orientations lie too far apart to resolve more. With a point group they lie closer together, and that limit is
# finer, but not beyond `FINEST_CYCLES_OF_ALL`, where a start would take too long.
SHARE_OF_INFORMATION, FINEST_CYCLES, FINEST_CYCLES_OF_ALL = 0.97, 4.0, 6.0


def start_choice(config: Config) -> StartChoice:
    """The starts as the settings say, and where they leave it open, as the point group calls for."""
    asked, usual = config.starts, CUBIC_STARTS if is_cubic(config.symmetry) else USUAL_STARTS
    if asked.first_cycles is not None:
        usual = replace(usual, cycles=asked.first_cycles)
    if config.pose_mode != "guided" or asked.count == 1:
        # there is nothing to compare a single start with
        return replace(usual, least=1, most=1, judge=USUAL_STARTS.judge)
    if asked.count is not None:
        return replace(usual, least=asked.count, most=asked.count)
    most = usual.most if asked.most is None else asked.most
    return replace(usual, least=min(asked.least, most), most=most)


def mask_resolutions(
    config: Config, starts: StartChoice, signal: SignalSpectrum, radius_angstrom: float, pixel_size_angstrom: float
) -> tuple[float, float]:
    """Resolutions in angstrom of the first Fourier mask and of the last one, at which ab initio ends.

    Args:
        config: settings of the run.
        starts: how starts look for a map.
        signal: the images' spectra.
        radius_angstrom: the particle's radius.
        pixel_size_angstrom: of the input's images.

    Raises:
        InputError: if the settings ask for a first mask that is not coarser than the last one.
    """
    guided, by_search = config.pose_mode == "guided", starts.method == "search"
    first, last = config.start_resolution_angstrom, config.end_resolution_angstrom
    if first is None:
        enough = None if by_search else signal.resolution_of(FIRST_INFORMATION)
        first = config.amortized.start_resolution_angstrom
        if guided:
            first = min(radius_angstrom / starts.cycles, enough or math.inf)
    if last is None:
        last = radius_angstrom / config.curriculum.end_cycles
        if guided:
            last = max(last, config.half_map_refinement.split_resolution_angstrom)
            told = resolution_with_enough_information(signal, radius_angstrom, member_count(config.symmetry))
            last = min(last, first / SEARCH_GROWTH if by_search else told)
    last = max(last, 2 * pixel_size_angstrom)
    if config.start_resolution_angstrom is None:
        first = max(first, LEAST_GROWTH * last)
    if first <= last:
        raise InputError(
            f"start resolution {first:.1f} A is not coarser than the end resolution {last:.1f} A; "
            "change --start-resolution or --end-resolution"
        )
    return first, last


def start_schedule(
    config: Config, starts: StartChoice, after: Curriculum, first_radius: float, particles: int
) -> StartSchedule | SearchSchedule | None:
    """The schedule of every start; None in amortized mode, which has none.

    Args:
        config: settings of the run.
        starts: how starts look for a map.
        after: the curriculum of ab initio, which goes on from the best start with the mask that starts end with.
        first_radius: of a start's first Fourier mask, in Fourier pixels of the working box.
        particles: how many take part.
    """
    if config.pose_mode != "guided":
        return None
    if starts.method == "search":
        epochs = max(FEWEST_START_EPOCHS, math.ceil(SEARCH_VISITS_SHARE * config.starts.most_visits / particles))
        curriculum = replace(
            after,
            epochs=epochs,
            start_radius=first_radius,
            global_search_share=ORIENTATION_SET_SHARE,
            encoder_share=1.0,
        )
        return SearchSchedule(curriculum, max(1, round(SEARCH_END * epochs)))
    return StartSchedule(
        first_radius=first_radius,
        last_radius=after.end_radius,
        growth_epochs=config.starts.growth_visits / particles,
        most_epochs=max(FEWEST_START_EPOCHS, math.ceil(config.starts.most_visits / particles)),
        memory_particles=config.starts.memory_particles,
    )


def resolution_with_enough_information(signal: SignalSpectrum, radius_angstrom: float, members: int) -> float:
    """The coarsest resolution in angstrom at which images tell enough of their poses, or nearly all that they can.

    Args:
        signal: the images' spectra.
        radius_angstrom: the particle's radius.
        members: of the point group.
    """
    finest = radius_angstrom / min(FINEST_CYCLES * members ** (1 / 3), FINEST_CYCLES_OF_ALL)
    enough = signal.resolution_of(min(ENOUGH_INFORMATION, SHARE_OF_INFORMATION * signal.information_to(finest)))
    return math.inf if enough is None else max(enough, finest)
