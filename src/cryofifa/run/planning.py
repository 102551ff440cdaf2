"""Planning: sizes, stages and starts of a run, from its settings and a first look at the images."""

from __future__ import annotations

import math
from dataclasses import dataclass

from cryofifa.errors import InputError
from cryofifa.particles.files.table import ParticleTable
from cryofifa.particles.particle_radius import ImageSurvey
from cryofifa.particles.preprocess import Frame, even_at_least
from cryofifa.particles.signal_spectrum import SignalSpectrum
from cryofifa.physics.fourier import HalfPlane
from cryofifa.physics.point_group_names import is_cubic, member_count
from cryofifa.run.plan import RunPlan, StartJudge
from cryofifa.settings.config import Config
from cryofifa.stochastic_em.schedule import StartSchedule
from cryofifa.train.curriculum import Curriculum
from cryofifa.train.decoder_choice import last_decoder_rate
from cryofifa.train.map_filter_choice import map_filter_of

SMALLEST_BOX = 16
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
    """

    least: int
    most: int
    cycles: float
    judge: StartJudge


USUAL_STARTS = StartChoice(least=2, most=8, cycles=2.0, judge="explained power")
# Particles of T, O and I are nearly spheres, whose views differ in fine detail only. The power that they explain hardly
# tells right starts from wrong ones; the agreement of their half maps does (LOG.md).
CUBIC_STARTS = StartChoice(least=2, most=16, cycles=1.5, judge="half maps")

# Information per image (particles/signal_spectrum.py) that the first mask of a start lets through, and that is enough
# at its last. Measured with true maps (LOG.md): at 8 no pose is known, at 40 nearly all are.
FIRST_INFORMATION, ENOUGH_INFORMATION = 8.0, 45.0
# Where there is less, the last mask lets through this share of what there is up to `FINEST_CYCLES` over the radius, for
# random orientations lie too far apart to resolve more. With a point group they lie closer together, and that limit is
# finer, but not beyond `FINEST_CYCLES_OF_ALL`, where a start would take too long.
SHARE_OF_INFORMATION, FINEST_CYCLES, FINEST_CYCLES_OF_ALL = 0.97, 4.0, 6.0


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
        enough = survey.signal.resolution_of(FIRST_INFORMATION) or math.inf
        start = min(radius / starts.cycles, enough) if guided else config.amortized.start_resolution_angstrom
    end = config.end_resolution_angstrom
    if end is None:
        end = radius / config.curriculum.end_cycles
        if guided:
            end = max(end, config.half_map_refinement.split_resolution_angstrom)
            end = min(end, resolution_with_enough_information(survey.signal, radius, member_count(config.symmetry)))
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
    first_radius, last_radius = extent / start, min(extent / end, box / 2 - 1)
    schedule = StartSchedule(
        first_radius=first_radius,
        last_radius=last_radius,
        growth_epochs=config.starts.growth_visits / subset,
        most_epochs=max(FEWEST_START_EPOCHS, math.ceil(config.starts.most_visits / subset)),
        memory_particles=config.starts.memory_particles,
    )
    epochs = config.curriculum.epochs
    if epochs is None:
        epochs = max(config.curriculum.fewest_epochs, math.ceil(visits / subset))
    curriculum = Curriculum(
        epochs=epochs,
        mask_steps=config.curriculum.mask_steps,
        # after the starts the mask stays where they ended
        start_radius=last_radius if guided else first_radius,
        end_radius=last_radius,
        growth_share=config.curriculum.growth_share,
        global_search_share=config.search.global_search_share,
        encoder_share=config.search.encoder_share if guided else 0.0,
        keep_fraction_start=1.0,
        keep_fraction_end=config.curriculum.keep_fraction,
        keep_growth_share=config.curriculum.keep_growth_share,
        temperature_start=config.search.temperature,
        disturbance_start_degree=0.0 if guided else config.amortized.disturbance_degree,
        disturbance_share=config.amortized.disturbance_share,
        decoder_rate_end=last_decoder_rate(config),
    )
    if first_radius >= last_radius:
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
        start_schedule=schedule if guided else None,
        least_starts=starts.least,
        most_starts=starts.most,
        start_judge=starts.judge,
        signal=survey.signal,
        shared_by_filter_angstrom=map_filter_of(config).shared_resolution_angstrom,
        encoder_refinement=plan_refinement(config, full_size_frame),
    )
    first_points = len(HalfPlane.of_box(box, plan.ab_initio_frame.pixel_size_angstrom, first_radius))
    if first_points < 2:
        least = 2 * extent / 3
        raise InputError(f"start resolution {start:.0f} A is coarser than the window allows; at most {least:.0f} A")
    return plan


def start_choice(config: Config) -> StartChoice:
    """The starts as the settings say, and where they leave it open, as the point group calls for."""
    asked, usual = config.starts, CUBIC_STARTS if is_cubic(config.symmetry) else USUAL_STARTS
    cycles = usual.cycles if asked.first_cycles is None else asked.first_cycles
    if config.pose_mode != "guided":
        return StartChoice(1, 1, cycles, USUAL_STARTS.judge)
    if asked.count is not None:
        # there is nothing to compare a single start with
        return StartChoice(asked.count, asked.count, cycles, usual.judge if asked.count > 1 else USUAL_STARTS.judge)
    most = usual.most if asked.most is None else asked.most
    return StartChoice(min(asked.least, most), most, cycles, usual.judge)


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
