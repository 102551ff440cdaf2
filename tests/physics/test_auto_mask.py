"""The mask holds the particle, not the solvent, whatever the noise; where nothing can be seen it is the sphere."""

import numpy as np
import pytest
import torch
from scipy import ndimage

from cryofifa.physics.auto_mask import mask_of_map
from cryofifa.physics.mask import distance_from_centre, spherical_mask
from cryofifa_testkit.known_volumes import blob_volume

SIZE, PIXEL = 64, 4.0
SPHERE = (26.0, 3.0)


def off_centre_ball(radius: float = 9.0) -> torch.Tensor:
    line = torch.arange(SIZE) - SIZE // 2
    z, y, x = torch.meshgrid(line, line, line, indexing="ij")
    return (((x - 8) ** 2 + (y + 5) ** 2 + z**2) < radius**2).float()


@pytest.mark.parametrize("noise_sd", [0.0, 0.3])
@pytest.mark.parametrize("background", [0.0, -2.0])
def test_the_particle_is_inside_and_most_of_the_sphere_is_not(noise_sd, background):
    ball = off_centre_ball()
    noise = noise_sd * torch.randn(ball.shape, generator=torch.Generator().manual_seed(0))
    mask = mask_of_map(ball + noise + background, PIXEL, 8.0, *SPHERE)
    assert float(mask[ball > 0].min()) == 1.0
    assert 1.0 < float(mask.sum() / ball.sum()) < 6
    assert float(mask.min()) == 0.0
    assert float(mask.max()) == 1.0
    assert bool((mask <= spherical_mask(SIZE, *SPHERE)).all())


def test_the_edge_is_soft():
    """No step between neighbouring voxels is large: the edge is as wide as the low-pass's period, 4 px here."""
    mask = mask_of_map(off_centre_ball(), PIXEL, 8.0, *SPHERE).numpy()
    steps = max(np.abs(np.diff(mask, axis=axis)).max() for axis in range(3))
    assert steps < 0.45
    assert ((mask > 0.01) & (mask < 0.99)).sum() > 1000


def test_specks_of_noise_are_left_out():
    ball = off_centre_ball()
    ball[12, 32, 32] = 30.0  # within the sphere, far from the particle
    mask = mask_of_map(ball, PIXEL, 8.0, *SPHERE)
    assert ndimage.label(mask.numpy() > 0.5)[1] <= 2
    assert float(mask[ball == 1].min()) == 1.0


def test_noise_alone_gives_the_sphere():
    noise = torch.randn(SIZE, SIZE, SIZE, generator=torch.Generator().manual_seed(3))
    found = mask_of_map(noise, PIXEL, 20.0, *SPHERE)
    inside = distance_from_centre(SIZE, 3) < SPHERE[0] - 3
    assert float(found[inside].mean()) > 0.9


def test_blobs_apart_from_each_other_are_all_kept():
    blobs = blob_volume(SIZE, 2.5)
    mask = mask_of_map(blobs, PIXEL, 8.0, *SPHERE)
    assert float((blobs * mask).sum() / blobs.sum()) > 0.99
