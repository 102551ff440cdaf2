"""Particles of two structures: each is explained by its own, in the pose it has there."""

from dataclasses import replace

import numpy as np
import torch

from cryofifa.particles.observed import ImageMask, observed
from cryofifa.particles.poses import known
from cryofifa.particles.simulated.simulate import simulate_images
from cryofifa.physics.central_slice import FourierGrid
from cryofifa.physics.fourier import HalfPlane
from cryofifa.settings.ab_initio import SearchSettings
from cryofifa.train.curriculum import Stage
from cryofifa.train.minibatch import Minibatch
from cryofifa.train.pose_search import PoseSearch
from cryofifa_testkit.known_volumes import angles_degree, density_of_blobs, microscope_ctf, random_rotations

SIZE, PIXEL, COUNT = 32, 5.0, 60
PLANE = HalfPlane.of_box(SIZE, PIXEL, 10.0)
STAGE = Stage(
    mask_radius=10.0,
    searches_globally=True,
    use_encoder=False,
    keep_fraction=1.0,
    temperature=0.0,
    disturbance_degree=0.0,
    encoder_rate=1.0,
)


def test_each_particle_is_found_in_its_own_class():
    generator = np.random.default_rng(2)
    volumes = [density_of_blobs(SIZE, generator.uniform(-7, 7, (12, 3)), np.ones(12), 1.3) for _ in range(2)]
    rotation, ctf, which = random_rotations(COUNT), microscope_ctf(COUNT), torch.arange(COUNT) % 2
    still = torch.zeros(COUNT, 2)
    every = torch.stack([simulate_images(volume, PIXEL, rotation, still, ctf) for volume in volumes])
    image = every[which, torch.arange(COUNT)]
    scale = float(image.std())
    seen = observed(image / scale, ctf, still, ImageMask(13.0, 3.0, follows_shift=True), PLANE)
    batch = Minibatch(
        particle=torch.arange(COUNT),
        image=image / scale,
        mask=seen.mask,
        measured=seen.measured,
        ctf=seen.ctf,
        plane=PLANE,
        rotation=random_rotations(COUNT, seed=5),
        shift_angstrom=still,
        shift_sd_angstrom=5.0,
        particle_radius_angstrom=55.0,
    )
    sampled = [FourierGrid.from_volume(volume / scale / SIZE, 11.0) for volume in volumes]
    search = PoseSearch(replace(SearchSettings(), orientations=2000), 0, 20.0)
    found = search.best(batch, None, sampled, STAGE, 0, 0)
    assert (known(found.class_index) == which).float().mean() > 0.95
    assert np.median(angles_degree(found.rotation, rotation)) < 16  # 2,000 rotations: the nearest is 11 degrees off
    assert search.best(batch, None, sampled[:1], STAGE, 0, 0).class_index is None
