"""Distances against the plain squared difference; the mask against real space."""

import torch

from cryofifa.physics.fourier import HalfPlane, fourier_2d, inverse_fourier_2d
from cryofifa.physics.image_formation import (
    form_image,
    mask_transform,
    squared_distance_over_shifts,
)
from cryofifa.physics.mask import circular_mask
from cryofifa.physics.shift import displacement_phase

PLANE = HalfPlane.of_box(16, 3.0, 6.0)
SHIFTS = torch.tensor([[0.0, 0.0], [4.0, -1.0], [-2.5, 6.0]])
PHASE = displacement_phase(SHIFTS, PLANE.frequency_per_angstrom)


def values(*shape: int, seed: int = 0) -> torch.Tensor:
    generator = torch.Generator().manual_seed(seed)
    return torch.complex(torch.randn(*shape, generator=generator), torch.randn(*shape, generator=generator))


def test_image_is_slice_times_ctf_times_phase():
    slices, ctf = values(3, len(PLANE)), values(3, len(PLANE), seed=1).real
    expected = slices * ctf * torch.exp(2j * torch.pi * (SHIFTS @ PLANE.frequency_per_angstrom.T))
    torch.testing.assert_close(form_image(slices, ctf, SHIFTS, PLANE), expected)


def test_distance_over_shifts_is_the_squared_difference_less_the_images_power():
    """Candidate m displaced by a shift against the image itself: |y - m phase|^2 - |y|^2."""
    image, model = values(4, len(PLANE)), values(4, 5, len(PLANE), seed=1)
    found = squared_distance_over_shifts(image, model, PHASE)
    assert found.shape == (4, 5, 3)
    for n in range(4):
        for c in range(5):
            for s in range(3):
                naive = (image[n] - model[n, c] * PHASE[s]).abs().square().sum() - image[n].abs().square().sum()
                torch.testing.assert_close(found[n, c, s], naive, atol=1e-3, rtol=1e-4)


def test_mask_is_linear_and_acts_in_real_space():
    first, second = values(2, len(PLANE)), values(2, len(PLANE), seed=1)
    mask = circular_mask(16, 4.0, 2.0, torch.tensor([[1.0, 0.0], [-2.0, 3.0]]))
    together = mask_transform(2 * first - 3 * second, mask, PLANE)
    parts = 2 * mask_transform(first, mask, PLANE) - 3 * mask_transform(second, mask, PLANE)
    torch.testing.assert_close(together, parts, atol=1e-4, rtol=1e-4)
    image = inverse_fourier_2d(PLANE.fill(first))
    torch.testing.assert_close(mask_transform(first, mask, PLANE), PLANE.gather(fourier_2d(image * mask)))
    torch.testing.assert_close(mask_transform(first, torch.ones(2, 16, 16), PLANE), first, atol=1e-5, rtol=1e-5)


def test_masking_twice_with_a_hard_mask_inside_all_frequencies_is_masking_once():
    plane = HalfPlane.of_box(16, 3.0, with_origin=True)
    disc = circular_mask(16, 5.0, 0.0)[None]
    image = disc * 3.0
    once = fourier_2d(image)
    torch.testing.assert_close(plane.gather(fourier_2d(image * disc)), plane.gather(once))
