"""What is drawn for a simulated set, row by row: poses, optics, junk, and which structure a particle has."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from typing import Literal

import numpy as np

from cryofifa.conventions import rotations_from_relion_euler_degrees
from cryofifa.particles.simulated.imaging import spread_in_imaging
from cryofifa.particles.simulated.random_streams import Stream, generator_of
from cryofifa.particles.simulated.shares import in_turn
from cryofifa.particles.simulated.simulated_set import JUNK_KINDS, SimulatedParameters
from cryofifa.particles.simulated.views import preferring_an_axis
from cryofifa.settings.sample import PLAIN, SampleSettings

PARTICLES_PER_MICROGRAPH = 100
LARGEST_ASTIGMATISM_ANGSTROM = 600.0

Views = Literal["uniform", "preferred"]


def draw_parameters(
    particles: int,
    pixel_size_angstrom: float,
    shift_sd_pixel: float,
    defocus_angstrom: tuple[float, float],
    junk: float,
    views: Views,
    generator: np.random.Generator,
    weights: Mapping[str, float] = PLAIN.junk.weights,
) -> SimulatedParameters:
    """Draw pose, micrograph, CTF and kind of junk (or none) for every row of a set; arguments as in `simulate`.

    weights: of the kinds of junk, by their names.
    """
    rot, psi = generator.uniform(-180, 180, (2, particles))
    cosine = generator.uniform(-1, 1, particles)
    if views == "preferred":
        # von Mises-Fisher about +z with concentration 10 for four of five particles.
        uniform, favoured = generator.uniform(1e-12, 1, particles), generator.uniform(size=particles) < 0.8
        cosine = np.where(favoured, 1 + np.log(uniform + (1 - uniform) * np.exp(-20.0)) / 10.0, cosine)
    euler = np.stack([rot, np.degrees(np.arccos(np.clip(cosine, -1, 1))), psi], axis=1)
    shift = generator.normal(0, shift_sd_pixel * pixel_size_angstrom, (particles, 2))
    micrographs = -(-particles // PARTICLES_PER_MICROGRAPH)
    mean = generator.uniform(*defocus_angstrom, micrographs)
    half_astigmatism = generator.uniform(0, LARGEST_ASTIGMATISM_ANGSTROM / 2, micrographs)
    angle = generator.uniform(-90, 90, micrographs)
    micrograph = np.arange(particles) // PARTICLES_PER_MICROGRAPH
    junk_kind = np.full(particles, -1, dtype=np.int64)
    junk_rows = generator.permutation(particles)[: round(junk * particles)]
    junk_kind[junk_rows] = in_turn(len(junk_rows), [weights[kind] for kind in JUNK_KINDS])
    return SimulatedParameters(
        rotation_volume_to_image=rotations_from_relion_euler_degrees(euler),
        shift_angstrom=shift,
        micrograph=micrograph.astype(np.int64),
        defocus_u_angstrom=(mean + half_astigmatism)[micrograph],
        defocus_v_angstrom=(mean - half_astigmatism)[micrograph],
        defocus_angle_degree=angle[micrograph],
        junk_kind=junk_kind,
        model=np.zeros(particles, dtype=np.int64),
        b_factor_square_angstrom=np.zeros(particles),
        contrast=np.ones(particles),
        defocus_u_error_angstrom=np.zeros(particles),
        defocus_v_error_angstrom=np.zeros(particles),
    )


def draw_of_sample(drawn: SimulatedParameters, sample: SampleSettings, seed: int) -> SimulatedParameters:
    """The same set with preferred views, spreads in imaging and several structures, as far as the sample has them."""
    n = len(drawn.junk_kind)
    others = [model.share for model in sample.model]
    models = in_turn(n, [max(0.0, 1 - sum(others)), *others])
    drawn = dataclasses.replace(
        drawn,
        rotation_volume_to_image=preferring_an_axis(
            drawn.rotation_volume_to_image, sample.views, generator_of(seed, Stream.VIEWS)
        ),
        model=generator_of(seed, Stream.MODELS).permutation(models),
    )
    return spread_in_imaging(drawn, sample.imaging, generator_of(seed, Stream.IMAGING))
