"""Planning: sizes, stages and starts of a run, from its settings and a first look at the images."""

from __future__ import annotations

import math

from cryofifa.errors import InputError
from cryofifa.particles.files.table import ParticleTable
from cryofifa.particles.particle_radius import ImageSurvey
from cryofifa.particles.preprocess import Frame, even_at_least
from cryofifa.physics.fourier import HalfPlane
from cryofifa.run.plan import RunPlan
from cryofifa.run.start_choice import mask_resolutions, start_choice, start_schedule
from cryofifa.settings.config import Config
from cryofifa.train.curriculum import Curriculum
from cryofifa.train.decoder_choice import last_decoder_rate
from cryofifa.train.map_filter_choice import map_filter_of

SMALLEST_BOX = 16


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
    start, end = mask_resolutions(config, starts, survey.signal, radius, pixel_size)
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
        start_schedule=start_schedule(config, starts, curriculum, first_radius, subset),
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
