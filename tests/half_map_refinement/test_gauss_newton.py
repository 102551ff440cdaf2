"""Gauss-Newton steps: derivatives of a closed form, convergence, and the error that information theory allows."""

import numpy as np
import pytest
import torch
from scipy.spatial.transform import Rotation

from cryofifa.half_map_refinement.gauss_newton import fit_at, newton_step, pose_derivatives
from cryofifa.particles.poses import Poses
from cryofifa.physics.central_slice import FourierGrid
from cryofifa.physics.ctf import contrast_transfer
from cryofifa.physics.fourier import HalfPlane
from cryofifa_testkit.known_volumes import (
    blob_transform,
    blob_volume,
    microscope_ctf,
    random_rotations,
    turned_by_degrees,
)

SIZE, COUNT, LIMIT, PIXEL = 32, 60, 9.0, 2.0
PLANE = HalfPlane.of_box(SIZE, PIXEL, LIMIT)
GRID = FourierGrid.from_volume(blob_volume(SIZE), LIMIT + 1)
CTF = contrast_transfer(microscope_ctf(COUNT), PLANE.frequency_per_angstrom)
ROTATION = random_rotations(COUNT, seed=3)
SHIFT = torch.from_numpy(np.random.default_rng(0).normal(0, 3.0, (COUNT, 2))).float()
RADIUS = 8 * PIXEL


def exact_model(rotation: np.ndarray, shift_angstrom: np.ndarray) -> np.ndarray:
    """CTF exp(2 pi i k.t) FT(A^T k) from the blobs' closed form, in double precision."""
    k = np.concatenate([PLANE.index_xy.numpy() / SIZE, np.zeros((len(PLANE), 1))], axis=1)
    phase = np.exp(2j * np.pi * shift_angstrom @ PLANE.frequency_per_angstrom.double().numpy().T)
    return CTF.double().numpy() * phase * blob_transform(k @ rotation)


@pytest.mark.parametrize("parameter", range(5))
def test_derivatives_are_those_of_the_closed_form(parameter):
    """Turns about the image's axes and shifts, by small differences of the exact transform."""
    found = pose_derivatives(fit_at(Poses.found(ROTATION, SHIFT), CTF, GRID, PLANE), CTF, GRID, PLANE)[
        :, parameter
    ].numpy()
    step, rotation, shift = 1e-5, ROTATION.double().numpy(), SHIFT.double().numpy()
    by_sign = []
    for sign in (step, -step):
        change = np.zeros(5)
        change[parameter] = sign
        turned = Rotation.from_rotvec(change[:3]).as_matrix() @ rotation
        by_sign.append(exact_model(turned, shift + change[3:]))
    expected = (by_sign[0] - by_sign[1]) / (2 * step)
    assert np.linalg.norm(found - expected) < 0.06 * np.linalg.norm(expected)


def stepped(measured, rotation, shift, steps):
    fit = fit_at(Poses.found(rotation, shift), CTF, GRID, PLANE)
    for _ in range(steps):
        fit = newton_step(fit, measured, CTF, GRID, PLANE, RADIUS)
    return fit


def error_degree(rotation: torch.Tensor) -> np.ndarray:
    return np.degrees(Rotation.from_matrix((rotation @ ROTATION.mT).double().numpy()).magnitude())


def test_poses_a_few_degrees_and_angstrom_off_converge_on_the_truth():
    measured = torch.from_numpy(exact_model(ROTATION.double().numpy(), SHIFT.double().numpy())).to(torch.complex64)
    found = stepped(measured, turned_by_degrees(ROTATION, 6.0), SHIFT + 1.5, 4)
    assert np.median(error_degree(found.poses.rotation)) < 0.3
    assert float((found.poses.shift_angstrom - SHIFT).norm(dim=1).median()) < 0.05


def test_low_frequencies_take_a_pose_from_afar_though_the_grid_knows_higher_ones():
    """A step may be as long as the frequencies allow by which it is made."""
    low = PLANE.within(3.0)
    measured = torch.from_numpy(exact_model(ROTATION.double().numpy(), SHIFT.double().numpy())).to(torch.complex64)
    finer = FourierGrid.from_volume(blob_volume(SIZE), SIZE / 2 - 1)
    seen, ctf = measured[:, : len(low)], CTF[:, : len(low)]
    fit = fit_at(Poses.found(turned_by_degrees(ROTATION, 25.0), SHIFT), ctf, finer, low)
    for _ in range(2):
        fit = newton_step(fit, seen, ctf, finer, low, RADIUS)
    assert np.median(error_degree(fit.poses.rotation)) < 5


def test_a_step_never_makes_a_fit_worse():
    generator = torch.Generator().manual_seed(0)
    measured = torch.randn(COUNT, len(PLANE), dtype=torch.complex64, generator=generator)
    before = fit_at(Poses.found(random_rotations(COUNT, seed=9), SHIFT), CTF, GRID, PLANE)
    for _ in range(3):
        after = newton_step(before, measured, CTF, GRID, PLANE, RADIUS)
        distance = [(measured - fit.model).abs().square().sum(dim=1) for fit in (before, after)]
        assert bool((distance[1] <= distance[0]).all())
        assert bool((distance[1] < distance[0]).any())
        before = after


def test_without_any_signal_poses_stay_and_nothing_is_divided_by_zero():
    empty = FourierGrid.from_volume(torch.zeros(SIZE, SIZE, SIZE), LIMIT + 1)
    measured = torch.randn(COUNT, len(PLANE), dtype=torch.complex64)
    after = newton_step(fit_at(Poses.found(ROTATION, SHIFT), CTF, empty, PLANE), measured, CTF, empty, PLANE, RADIUS)
    torch.testing.assert_close(after.poses.rotation, ROTATION)
    torch.testing.assert_close(after.poses.shift_angstrom, SHIFT)


def test_errors_under_noise_are_those_of_the_cramer_rao_bound():
    """No unbiased estimate is better than the inverse of Fisher's information, and this one comes close to it."""
    rotation, shift = ROTATION.double().numpy(), SHIFT.double().numpy()
    exact = exact_model(rotation, shift)
    step, columns = 1e-5, []
    for parameter in range(5):
        change = np.zeros(5)
        change[parameter] = step
        columns.append(
            (exact_model(Rotation.from_rotvec(change[:3]).as_matrix() @ rotation, shift + change[3:]) - exact) / step
        )
    derivatives = np.stack(columns, axis=1)
    information = 2 * (derivatives.conj() @ derivatives.transpose(0, 2, 1)).real  # noise power 1 per complex value
    # signal raised until the bound is two degrees
    bound = np.linalg.inv(information)
    scale = np.median(np.sqrt(np.trace(bound[:, :3, :3], axis1=1, axis2=2))) / np.radians(2.0)
    bound /= scale**2
    grid, found = FourierGrid.from_volume(scale * blob_volume(SIZE), LIMIT + 1), []
    generator = torch.Generator().manual_seed(1)
    for _ in range(10):
        noise = torch.randn(COUNT, len(PLANE), dtype=torch.complex64, generator=generator)
        fit = fit_at(Poses.found(ROTATION, SHIFT), CTF, grid, PLANE)
        for _ in range(4):
            fit = newton_step(
                fit, torch.from_numpy(scale * exact).to(torch.complex64) + noise, CTF, grid, PLANE, RADIUS
            )
        found.append(error_degree(fit.poses.rotation))
    variance = np.radians(np.array(found)) ** 2
    ratio = variance.mean(axis=0) / np.trace(bound[:, :3, :3], axis1=1, axis2=2)
    # ten draws of each of 60 particles; some have a second minimum, so the median
    assert 0.85 < np.median(ratio) < 1.2
