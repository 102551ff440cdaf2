"""Settings of what follows ab initio: local refinement by the second encoder, half-map refinement, and junk."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated

from cryofifa.settings.ranges import POSITIVE, SHARE, Range


@dataclass(frozen=True)
class EncoderRefinementSettings:
    """[encoder_refinement]: local refinement by the second encoder, on full-size particles, after ab initio."""

    # Passes over the particles. There are none by default, as half-map refinement alone is as good (measured);
    # `cryofifa refine-encoder` adds them to a finished run.
    epochs: Annotated[int, Range(0, 1e9)] = 0
    mask_steps: Annotated[int, Range(1, 1e9)] = 57  # number of different masks; Extended Data Table 2, gpcr
    start_resolution_angstrom: Annotated[float, POSITIVE] = 30.0  # first mask; Extended Data Table 2, gpcr
    end_resolution_angstrom: Annotated[float | None, POSITIVE] = None  # last mask; None is Nyquist of the input
    # Share of the epochs in which the decoder is frozen. The paper has a few epochs of 114.
    fade_in_share: Annotated[float, Range(0, 0.99)] = 0.1
    # Minibatches between two samplings of the volume: at full size one costs as much as several minibatches.
    minibatches_per_sampling: Annotated[int, Range(1, 1e9)] = 20


@dataclass(frozen=True)
class HalfMapRefinementSettings:
    """[half_map_refinement]: projection matching of each half against its own map, after ab initio."""

    # Iterations at most, not counting repeated searches. Measured on gpcr: 2.99 degrees before, then 1.64, 1.50, 1.48,
    # 1.48.
    iterations: Annotated[int, Range(0, 1e9)] = 3
    newton_steps: Annotated[int, Range(0, 100)] = 2  # Gauss-Newton steps, each time that a pose is improved
    # How many of an orientation set are improved for every particle whose pose is looked for anew, the best of the set.
    # Measured, new particles of 32 px, SNR 0.5, within 10 degrees after one search and after two: 76 and 95 % with 4,
    # 83 and 96 % with 8, 88 and 98 % with 16, in 2.9, 3.2 and 4.7 ms each.
    candidates: Annotated[int, Range(1, 1000)] = 8
    # The first iteration looks for all poses anew in an orientation set, and so do the next ones while that set gives
    # more than this share of the poses. Measured on hard/pref (LOG.md), whose rare views are found late: 93 % of the
    # particles within 10 degrees after two searches, 96, 97 and 98 % after further ones, 8 seconds each.
    search_again_share: Annotated[float, SHARE] = 0.01
    most_searches: Annotated[int, Range(1, 1000)] = 6  # iterations that look for all poses anew, at most; our choice
    # An iteration that only improves poses is the last one if it moved the particle's edge by less than this, in
    # periods of the highest frequency that counts. Measured after the first such iteration: gpcr 0.08, ribosome 0.02,
    # 3SN6 0.12 and then 0.02. Without the last one gpcr is 1.40 degrees off instead of 1.39, ribosome 1.08 instead of
    # 1.07, at the same resolution.
    settled_cycles: Annotated[float, Range(0, 1000)] = 0.1
    # Ab initio ends at this resolution; at finer ones each half has a map of its own. Poses of gpcr have settled by
    # 20 A: measured, 1.51 degrees in the end, and 1.48 when both halves share the network down to 15 A.
    split_resolution_angstrom: Annotated[float, Range(0, 1e9)] = 20.0
    # Frequencies count up to where the half maps' FSC falls under this; the usual limit of gold-standard FSC.
    fsc_limit: Annotated[float, SHARE] = 0.143


@dataclass(frozen=True)
class JunkSettings:
    """[junk]: whether particles that the run's own map does not explain are left out of the final map.

    Junk is never in kept.star; particles that only look like the others, which no search can pose, are.
    """

    # Whether the final map is made of the kept particles only, or of all in particles.star. Measured with 30 % junk,
    # FSC 0.5: 6.81 instead of 7.14 A (5,000 particles of 64 px), 12.5 instead of 13.1 and 10.12 instead of 10.27 A
    # (32 px, SNR 0.2 and 0.6). Without junk 99.6 % and more are kept (gpcr, ribosome), and of the demonstration 99 %,
    # where 98 % are well posed.
    map_of_kept: bool = True
