"""Settings of ab initio: how the Fourier mask grows, how poses are searched, and what differs in amortized mode."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated

from cryofifa.settings.ranges import POSITIVE, SHARE, Range


@dataclass(frozen=True)
class CurriculumSettings:
    """[curriculum]: how long ab initio lasts, how its Fourier mask grows, and how many particles count in the end."""

    mask_steps: Annotated[int, Range(1, 1e9)] = 32  # number of different masks; Extended Data Table 2
    # Particles of one update, of all processes together. Prototype; Extended Data Table 2 has 16 to 128 per GPU.
    minibatch: Annotated[int, Range(2, 1e9)] = 64
    # Guided mode: how many particles the networks see after the starts, each counted as often as it is seen. Measured:
    # poses settle by then.
    visits: Annotated[int, Range(1, 1e12)] = 25_000
    fewest_epochs: Annotated[int, Range(1, 1e6)] = 3  # passes at least, however many particles there are
    # Passes over the particles, instead of visits. Extended Data Table 2 has about 100 in all (steps x epochs).
    epochs: Annotated[int | None, Range(1, 1e6)] = None
    # Ab initio works on a random subset of this size; all particles are posed after it.
    most_particles: Annotated[int, Range(1, 1e9)] = 10_000
    # Last mask of ab initio, as frequency times particle radius; half-map refinement goes on from there.
    end_cycles: Annotated[float, POSITIVE] = 4.0
    growth_share: Annotated[float, Range(1e-6, 1)] = 0.9  # share of the run in which masks grow; prototype: 0.7 to 0.95
    # Share of each minibatch that updates the network in the end: the rest is the likeliest to be junk.
    keep_fraction: Annotated[float, Range(1e-6, 1)] = 0.9
    keep_growth_share: Annotated[float, SHARE] = 0.5  # share of the run after which keep_fraction is reached


@dataclass(frozen=True)
class SearchSettings:
    """[search]: how a particle's pose is searched for in guided mode; orientations count in half-map refinement too."""

    orientations: Annotated[int, Range(1, 1e6)] = 2000  # random rotations of the global search; prototype: 1500 to 2500
    best_orientations: Annotated[int, Range(1, 1000)] = 4  # how many of them become candidates; prototype
    # Share of ab initio for which the global search is on. The starts have found the poses before.
    global_search_share: Annotated[float, SHARE] = 0.0
    # Orientations are scored on frequencies up to this over the particle radius (no Fourier point is within 0.5).
    orientation_cycles: Annotated[float, Range(0.5, 1e6)] = 3.0
    wide_perturbations: Annotated[int, Range(0, 1000)] = 8  # wide random turns of the remembered pose; prototype
    narrow_perturbations: Annotated[int, Range(0, 1000)] = 4  # narrow random turns of it; prototype
    # Standard deviation of a wide turn: radians times mask frequency times particle radius. Prototype: 0.28 to 0.4.
    wide_cycles: Annotated[float, Range(0, 1e3)] = 0.33
    narrow_cycles: Annotated[float, Range(0, 1e3)] = 0.1  # the same of a narrow turn
    # Winners are drawn with probability exp(-distance / temperature) at first and taken as the best later. Distances
    # are -log likelihood over the mask's share of the noise, which is about 0.5. Measured: 5 of 5 starts are right
    # within 5 epochs, 4 of 5 at temperature 0.
    temperature: Annotated[float, Range(0, 1e6)] = 0.5
    # Share of ab initio after which the encoder joins; the starts have found the poses before.
    encoder_share: Annotated[float, SHARE] = 0.0
    # Copies of an image from which the encoder predicts candidates; each gives one candidate per head.
    encoder_copies: Annotated[int, Range(1, 64)] = 1
    # Largest shift over the particle radius, where the images do not tell. Our choice.
    shift_range_share: Annotated[float, Range(1e-3, 10)] = 0.4


@dataclass(frozen=True)
class AmortizedSettings:
    """[amortized]: what differs in amortized mode, where the encoder alone gives the poses."""

    # How many particles ab initio sees, each counted as often as it is seen. Measured on ribosome; the paper's runs see
    # some 10 million.
    visits: Annotated[int, Range(1, 1e12)] = 100_000
    # FourierNet's learning rate, cryoAI's. The volume must not change faster than the encoder can follow: measured on
    # ribosome after 10 epochs, 68 degrees at 5e-4 and 20 at 2e-4.
    decoder_learning_rate: Annotated[float, SHARE] = 1e-4
    # First mask, as a resolution. Measured on ribosome, one core: 33 degrees after 125 s, and 44 from 75 A.
    start_resolution_angstrom: Annotated[float, POSITIVE] = 50.0
    # Standard deviation by which predicted poses are disturbed at the start; the paper disturbs them and does not say
    # how much. Measured, 3 seeds: ribosome 52, 68, 52 degrees with 10 and 29, 38, 53 without; gpcr 15, 10, 155 and
    # 14, 12, 138.
    disturbance_degree: Annotated[float, Range(0, 360)] = 0.0
    disturbance_share: Annotated[float, SHARE] = 0.2  # share of the run after which the disturbance has faded
