"""What is observed of a particle: the transform of its image under a mask that lies where the particle does."""

import torch

from cryofifa.particles.observed import ImageMask, observed
from cryofifa.particles.simulated.simulate import simulate_images
from cryofifa.physics.central_slice import FourierGrid
from cryofifa.physics.ctf import contrast_transfer
from cryofifa.physics.fourier import HalfPlane
from cryofifa.physics.image_formation import form_image
from cryofifa_testkit.known_volumes import blob_volume, microscope_ctf, random_rotations

SIZE, PIXEL, COUNT = 32, 4.0, 6
PLANE = HalfPlane.of_box(SIZE, PIXEL, 10.0)


def test_a_slice_with_ctf_and_shift_is_what_is_observed():
    """The mask is so wide that it cuts nothing but noise."""
    volume, rotation, ctf = blob_volume(SIZE), random_rotations(COUNT), microscope_ctf(COUNT)
    shift = torch.tensor([[4.0, -8.0]]).expand(COUNT, 2)
    image = simulate_images(volume, PIXEL, rotation, shift, ctf)
    seen = observed(image, ctf, shift, ImageMask(14.0, 4.0, follows_shift=True), PLANE)
    torch.testing.assert_close(seen.ctf, contrast_transfer(ctf, PLANE.frequency_per_angstrom))
    expected = form_image(FourierGrid.from_volume(volume, 11.0).slices(rotation, PLANE), seen.ctf, shift, PLANE) / SIZE
    left = (seen.measured - expected).abs().square().sum() / expected.abs().square().sum()
    assert float(left) < 0.02


def test_a_neighbour_beyond_the_mask_is_not_seen():
    shift = torch.tensor([[-40.0, 0.0]])  # the particle sits 10 px to the right
    image = torch.zeros(1, SIZE, SIZE)
    image[0, SIZE // 2, SIZE // 2 - 10] = 1.0
    follows, centred = (ImageMask(6.0, 2.0, follows_shift=one) for one in (True, False))
    assert float(observed(image, microscope_ctf(1), shift, follows, PLANE).measured.abs().sum()) == 0
    image[0, SIZE // 2, SIZE // 2 + 10] = 1.0
    assert float(observed(image, microscope_ctf(1), shift, follows, PLANE).measured.abs().sum()) > 0
    assert float(observed(image, microscope_ctf(1), shift, centred, PLANE).measured.abs().sum()) == 0
