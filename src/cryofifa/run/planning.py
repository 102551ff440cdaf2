"""Planning: sizes, stages and starts of a run, from its settings and a first look at the images."""

from __future__ import annotations

import math
from dataclasses import dataclass

from cryofifa.errors import InputError
from cryofifa.particles.files.table import ParticleTable
from cryofifa.particles.particle_radius import ImageSurvey
from cryofifa.particles.preprocess import Frame, even_at_least
from cryofifa.physics.fourier import HalfPlane
from cryofifa.physics.point_group_names import is_cubic
from cryofifa.run.plan import RunPlan, StartJudge
from cryofifa.settings.config import Config
from cryofifa.train.curriculum import Curriculum
from cryofifa.train.decoder_choice import last_decoder_rate
from cryofifa.train.map_filter_choice import map_filter_of

SMALLEST_BOX = 16
# The Fourier mask grows at least by this factor, where particles are so large that the usual start is near the end; our
# choice.
LEAST_GROWTH = 1.5


@dataclass(frozen=True)
class StartChoice:
    """How many starts of ab initio there are, where they begin, and when and by what they are compared.

    Attributes:
        starts: number of independent starts.
        cycles: the first Fourier mask reaches at least this frequency times the particle radius.
        share: share of ab initio after which the starts are compared.
        judge: what they are compared by.
    """

    starts: int
    cycles: float
    share: float
    judge: StartJudge


USUAL_STARTS = StartChoice(starts=4, cycles=0.8, share=0.5, judge="explained power")
# Particles of T, O and I are nearly spheres, whose views differ in fine detail only. Measured on apoferritin, single
# starts right at 26 A: from 45 A 1 of 12, from 36 A (1.5 cycles) 4 of 14, from 30 A 0 of 8. The power that they explain
# hardly tells them apart (0.175 and 0.176 of right ones, 0.179 of the best of 14 wrong ones); the agreement of their
# half maps does (LOG.md).
CUBIC_STARTS = StartChoice(starts=16, cycles=1.5, share=0.85, judge="half maps")


def plan_run(config: Config, table: ParticleTable, survey: ImageSurvey) -> RunPlan:
    """The plan of a run: every size, stage and number of epochs that the settings leave to the data is chosen here.

    Args:
        config: settings of the run.
        table: the particles.
        survey: what a first look at the images tells.

    Raises:
        InputError: if a setting does not fit the particles.
    """
    pixel_size, box_size = table.reference_pixel_size_angstrom, table.box_size
    if box_size % 2 or box_size < SMALLEST_BOX:
        raise InputError(
            f"{table.source_path}: images of {box_size} px cannot be used; "
            f"extract or crop them to an even box of at least {SMALLEST_BOX} px"
        )
    if len(table) < 2:
        raise InputError(f"{table.source_path}: one particle alone cannot be reconstructed; give more of them")
    longest_radius = 0.5 * box_size * pixel_size
    radius = survey.particle_radius_angstrom if config.diameter_angstrom is None else config.diameter_angstrom / 2
    if not 0 < radius <= longest_radius:
        raise InputError(
            f"--diameter {2 * radius:g} A does not fit a box of {box_size} px of {pixel_size:g} A "
            f"({2 * longest_radius:.0f} A); give the particle's diameter in angstrom"
        )
    margin = config.image.mask_margin + config.image.shift_margin_share
    window = min(box_size, max(SMALLEST_BOX, even_at_least(2 * radius * margin / pixel_size)))
    extent = window * pixel_size
    starts, guided = start_choice(config), config.pose_mode == "guided"
    start = config.start_resolution_angstrom
    if start is None:
        mode = config.curriculum if guided else config.amortized
        start = min(mode.start_resolution_angstrom, radius / starts.cycles)
    end = config.end_resolution_angstrom
    if end is None:
        end = radius / config.curriculum.end_cycles
        if guided:
            # a small particle needs a mask that grows by at least an octave
            end = max(end, min(config.half_map_refinement.split_resolution_angstrom, start / 2))
    end = max(end, 2 * pixel_size)
    if config.start_resolution_angstrom is None:
        start = max(start, LEAST_GROWTH * end)
    if start <= end:
        raise InputError(
            f"start resolution {start:.1f} A is not coarser than the end resolution {end:.1f} A; "
            "change --start-resolution or --end-resolution"
        )
    box = config.box
    if box is None:
        box = min(window, max(SMALLEST_BOX, even_at_least(2 * (extent / end + 1))))
    if box % 2 or not SMALLEST_BOX <= box <= window:
        raise InputError(f"--box {box}: give an even number of pixels from {SMALLEST_BOX} to {window}")
    half_map_iterations = config.half_map_refinement.iterations if guided else 0
    # half-map refinement poses all particles; without it every particle takes part from the start
    subset = min(len(table), config.curriculum.most_particles) if half_map_iterations else len(table)
    visits = config.curriculum.visits if guided else config.amortized.visits
    epochs = config.curriculum.epochs
    if epochs is None:
        epochs = max(config.curriculum.fewest_epochs, math.ceil(visits / subset))
    curriculum = Curriculum(
        epochs=epochs,
        mask_steps=config.curriculum.mask_steps,
        start_radius=extent / start,
        end_radius=min(extent / end, box / 2 - 1),
        growth_share=config.curriculum.growth_share,
        global_search_share=config.search.global_search_share,
        # what an encoder learns before the starts are compared is lost unless its start wins
        encoder_share=max(config.search.encoder_share, starts.share) if guided else 0.0,
        keep_fraction_start=1.0,
        keep_fraction_end=config.curriculum.keep_fraction,
        keep_growth_share=config.curriculum.keep_growth_share,
        temperature_start=config.search.temperature,
        disturbance_start_degree=0.0 if guided else config.amortized.disturbance_degree,
        disturbance_share=config.amortized.disturbance_share,
        decoder_rate_end=last_decoder_rate(config),
    )
    if curriculum.start_radius >= curriculum.end_radius:
        raise InputError(f"--box {box} is too small for a start resolution of {start:.0f} A; give a larger one")
    full_size_frame = Frame(window, window, pixel_size)
    plan = RunPlan(
        pose_mode=config.pose_mode,
        particles=len(table),
        box_size=box_size,
        pixel_size_angstrom=pixel_size,
        particle_radius_angstrom=radius,
        shift_range_angstrom=config.search.shift_range_share * radius,
        noise=survey.noise,
        ab_initio_particles=subset,
        ab_initio_frame=Frame(window, box, pixel_size),
        full_size_frame=full_size_frame,
        half_map_iterations=half_map_iterations,
        curriculum=curriculum,
        starts=starts.starts,
        # a single start has no other to be compared with
        start_epochs=max(1, round(starts.share * epochs)) if starts.starts > 1 else 0,
        start_judge=starts.judge,
        shared_by_filter_angstrom=map_filter_of(config).shared_resolution_angstrom,
        encoder_refinement=plan_refinement(config, full_size_frame),
    )
    first_points = len(HalfPlane.of_box(box, plan.ab_initio_frame.pixel_size_angstrom, curriculum.start_radius))
    if first_points < 2:
        least = 2 * extent / 3
        raise InputError(f"start resolution {start:.0f} A is coarser than the window allows; at most {least:.0f} A")
    return plan


def start_choice(config: Config) -> StartChoice:
    """The starts as the settings say, and where they leave it open, as the point group calls for."""
    asked, usual = config.curriculum, CUBIC_STARTS if is_cubic(config.symmetry) else USUAL_STARTS
    starts = usual.starts if asked.starts is None else asked.starts
    cycles = usual.cycles if asked.start_cycles is None else asked.start_cycles
    share = usual.share if asked.start_share is None else asked.start_share
    if starts == 1 or config.pose_mode != "guided":  # there is nothing to compare
        return StartChoice(1, cycles, 0.0, USUAL_STARTS.judge)
    return StartChoice(starts, cycles, share, usual.judge)


def plan_refinement(config: Config, frame: Frame) -> Curriculum | None:
    """The curriculum of local refinement by the second encoder, or None if the settings give it no epochs.

    Args:
        config: settings of the run.
        frame: of the full-size images.

    Raises:
        InputError: if its resolutions do not fit the particles.
    """
    settings = config.encoder_refinement
    if settings.epochs == 0:
        return None
    nyquist = 2 * frame.pixel_size_angstrom
    end = max(settings.end_resolution_angstrom or nyquist, nyquist)
    if settings.start_resolution_angstrom <= end:
        raise InputError(
            f"[encoder_refinement] start resolution {settings.start_resolution_angstrom:.1f} A is not coarser than the "
            f"end resolution {end:.1f} A; change them in the settings"
        )
    return Curriculum(
        epochs=settings.epochs,
        mask_steps=settings.mask_steps,
        start_radius=frame.extent_angstrom / settings.start_resolution_angstrom,
        end_radius=min(frame.extent_angstrom / end, frame.box_size / 2 - 1),
        growth_share=1.0,
        global_search_share=0.0,
        encoder_share=0.0,
        keep_fraction_start=config.curriculum.keep_fraction,
        keep_fraction_end=config.curriculum.keep_fraction,
        keep_growth_share=0.0,
        temperature_start=0.0,
        disturbance_start_degree=0.0,
        disturbance_share=0.0,
        fade_in_share=settings.fade_in_share,
        decoder_rate_start=last_decoder_rate(config),
        decoder_rate_end=last_decoder_rate(config),
    )
