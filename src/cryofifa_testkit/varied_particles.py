"""Particles of several states with known poses, and what images say of coordinates that are known."""

import numpy as np
import torch

from cryofifa.half_map_refinement.particle_frame import ParticleFrame
from cryofifa.particles.noise_spectrum import WHITE
from cryofifa.particles.particle_size import ParticleSize
from cryofifa.particles.poses import Poses
from cryofifa.particles.simulated.simulate import simulate_images
from cryofifa.physics.fourier import HalfPlane
from cryofifa.settings.images import ImageSettings
from cryofifa.variability.fixed_poses import FixedPoses
from cryofifa.variability.latent import LatentTerms
from cryofifa_testkit.known_volumes import CENTRES, WEIGHTS, density_of_blobs, microscope_ctf, random_rotations

SIZE, PIXEL, RADIUS, WIDTH = 20, 6.0, 7.0, 1.5


def state_volume(absent: tuple[int, ...]) -> torch.Tensor:
    """The blobs without those of these numbers, in a box of `SIZE`."""
    present = [number for number in range(len(WEIGHTS)) if number not in absent]
    return density_of_blobs(SIZE, CENTRES[present], WEIGHTS[present], WIDTH)


def varied_particles(states: list[tuple[int, ...]], count: int, noise_sd: float, seed: int = 0) -> FixedPoses:
    """Particles that are in these states in turn, in white noise; images have noise of sd 1.

    states: for each state, which blobs are absent.
    noise_sd: over the standard deviation of all clean images.
    """
    rotation, ctf = random_rotations(count, seed), microscope_ctf(count, seed)
    shift = torch.from_numpy(np.random.default_rng(seed).normal(0, 4.0, (count, 2))).float()
    image = torch.empty(count, SIZE, SIZE)
    for number, absent in enumerate(states):
        mine = torch.arange(number, count, len(states))
        image[mine] = simulate_images(state_volume(absent), PIXEL, rotation[mine], shift[mine], ctf[mine])
    scaled = image / (noise_sd * float(image.std()))
    image = scaled + torch.randn(image.shape, generator=torch.Generator().manual_seed(seed))
    half = torch.arange(count) // len(states) % 2 + 1
    frame = ParticleFrame(
        lambda rows: image[torch.from_numpy(rows)],
        ctf,
        HalfPlane.of_box(SIZE, PIXEL, RADIUS),
        ParticleSize(8.0 * PIXEL, True, ImageSettings(mask_margin=1.0)),
        torch.eye(3)[None],
    )
    return FixedPoses(frame, Poses.found(rotation, shift, half=half), WHITE)


def drawn_terms(coordinate: torch.Tensor, strength: float, seed: int = 0) -> LatentTerms:
    """What images say that see these coordinates (n, q), each along its own directions: h is normal about G z."""
    generator = torch.Generator().manual_seed(seed)
    n, q = coordinate.shape
    columns = strength**0.5 * torch.randn(n, 2 * q, q, generator=generator, dtype=torch.float64) / (2 * q) ** 0.5
    noise = torch.randn(n, 2 * q, generator=generator, dtype=torch.float64)
    curvature = columns.mT @ columns
    slope = torch.einsum("nab,nb->na", curvature, coordinate) + torch.einsum("npa,np->na", columns, noise)
    return LatentTerms(curvature, slope)
