"""Normalisation, windows, resampling and filters, each against what it does to a known image."""

import math

import numpy as np
import pytest
import starfile
import torch

from cryofifa.particles.files.star import read_star
from cryofifa.particles.poses import Poses
from cryofifa.particles.preprocess import (
    Frame,
    ParticleImages,
    butterworth_low_pass,
    encoder_channels,
    even_at_least,
    normalise_background,
)
from cryofifa.particles.stacks import ImageStacks
from cryofifa.physics.ctf import contrast_transfer
from cryofifa_testkit.particle_files import particle_images, write_stack
from cryofifa_testkit.pictures import gaussian, noise

SIZE = 48


def test_background_has_mean_zero_and_sd_one_whatever_the_particle_is():
    image = 3 * noise(5, SIZE) + 70 + 500 * gaussian(SIZE, 5.0)
    found = normalise_background(image)
    line = np.arange(SIZE) - SIZE // 2
    ring = torch.from_numpy(np.hypot(line, line[:, None]) > 0.45 * SIZE)
    torch.testing.assert_close(found[:, ring].mean(1), torch.zeros(5), atol=1e-4, rtol=0)
    torch.testing.assert_close(found[:, ring].std(1), torch.ones(5), atol=1e-3, rtol=0)
    torch.testing.assert_close(found[:, SIZE // 2, SIZE // 2], torch.full((5,), 500 / 3), atol=10, rtol=0)
    assert torch.isfinite(normalise_background(torch.ones(2, 16, 16))).all()


def test_frame_windows_and_keeps_the_noise(tmp_path):
    particles = particle_images(tmp_path, noise(20, SIZE).numpy() * 7 + 3, [2.0] * 20)
    frame = Frame(window_pixel=32, box_size=24, input_pixel_size_angstrom=2.0)
    found = particles.in_frame(np.arange(20), frame)
    assert found.shape == (20, 24, 24)
    assert float(found.std()) == pytest.approx(1, abs=0.03)
    assert frame.pixel_size_angstrom == pytest.approx(2.0 * 32 / 24)
    assert frame.extent_angstrom == 64
    uncut = particles.in_frame(np.arange(3), Frame(SIZE, SIZE, 2.0))
    torch.testing.assert_close(uncut, particles.normalised(np.arange(3)))


def test_frame_keeps_the_particle_at_its_centre(tmp_path):
    image = noise(4, SIZE).numpy() * 1e-3 + gaussian(SIZE, 2.0, (6.0, -3.0)).numpy()
    particles = particle_images(tmp_path, image, [2.0] * 4)
    found = particles.in_frame(np.array([2]), Frame(window_pixel=32, box_size=16, input_pixel_size_angstrom=2.0))[0]
    y, x = divmod(int(found.argmax()), 16)
    assert x - 8 == 3
    assert y - 8 in (-1, -2)  # -1.5


def test_groups_come_to_the_pixel_size_of_the_largest(tmp_path):
    sizes = [2.0, 2.0, 2.1, 2.0]
    image = np.stack([noise(1, SIZE, n)[0].numpy() * 1e-3 + gaussian(SIZE, 8 / s).numpy() for n, s in enumerate(sizes)])
    particles = particle_images(tmp_path, image, sizes)
    assert particles.pixel_size_angstrom == 2.0
    found = particles.normalised(np.array([0, 2]))
    for one in found:
        half = one > one.max() / 2  # area of a Gaussian's half maximum: 2 pi ln 2 width^2, width 8 angstrom
        assert float(half.sum()) * 4 == pytest.approx(2 * math.pi * math.log(2) * 64, rel=0.06)


def test_noise_keeps_its_power_when_the_pixel_size_is_brought_to_the_largest_groups(tmp_path):
    """White noise of sd 1 has the power 1 at every frequency below the old Nyquist, whatever the group's pixel size."""
    sizes = [2.0] * 120 + [2.2] * 100
    particles = particle_images(tmp_path, noise(220, SIZE).numpy(), sizes)
    found = particles.normalised(np.arange(220))[120:, 12:-12, 12:-12]  # well inside both fields
    side = found.shape[-1]
    frequency = np.fft.fftfreq(side)
    below = np.hypot(frequency[:, None], frequency) < 0.4  # the old Nyquist is at 0.5 * 2.0 / 2.2
    power = np.abs(np.fft.fft2(found.numpy())) ** 2 / side**2
    assert power[:, below].mean() == pytest.approx(1, abs=0.05)


def test_inverting_flips_the_sign(tmp_path):
    image = noise(2, SIZE).numpy()
    plain = particle_images(tmp_path, image, [2.0, 2.0]).normalised(np.arange(2))
    table = read_star(tmp_path / "set.star").inverted()
    inverted = ParticleImages(table, ImageStacks(table)).normalised(np.arange(2))
    torch.testing.assert_close(inverted, -plain)


@pytest.mark.parametrize("label", ["rlnCtfDataArePhaseFlipped", "rlnCtfDataAreCtfPremultiplied"])
def test_what_images_were_multiplied_by_is_undone_in_the_groups_that_say_so(tmp_path, label):
    """Of two optics groups the first is as recorded and the second multiplied; both read the same."""
    recorded = noise(6, SIZE).numpy() + 10 * gaussian(SIZE, 4.0, (5.0, -3.0)).numpy()
    before = particle_images(tmp_path, recorded, [2.0, 2.0, 2.0, 2.5, 2.5, 2.5])
    expected = before.normalised(np.arange(6))
    frequency = torch.fft.rfftfreq(SIZE, 2.5), torch.fft.fftfreq(SIZE, 2.5)
    points = torch.stack(torch.meshgrid(*frequency, indexing="xy"), dim=-1).flatten(0, 1)
    ctf = contrast_transfer(before.ctf_parameters(np.array([3])), points).reshape(SIZE, -1).numpy()
    gain = np.sign(ctf) if label == "rlnCtfDataArePhaseFlipped" else ctf
    recorded[3:] = np.fft.irfft2(np.fft.rfft2(recorded[3:]) * gain, s=(SIZE, SIZE))
    write_stack(tmp_path / "stack.mrcs", recorded.astype(np.float32))
    path = tmp_path / "set.star"
    blocks = starfile.read(path)
    blocks["optics"][label] = [0, 1]
    starfile.write(blocks, path, overwrite=True)
    found = ParticleImages.of_table(read_star(path), inverted=False).normalised(np.arange(6))
    torch.testing.assert_close(found[:3], expected[:3])
    # where the CTF is small nothing can come back whole; the rest is the image as recorded
    alike = torch.nn.functional.cosine_similarity(found[3:].flatten(1), expected[3:].flatten(1))
    assert float(alike.min()) > 0.97


def test_optics_come_with_the_particles(tmp_path):
    ctf = particle_images(tmp_path, noise(2, 16).numpy(), [2.0, 2.0]).ctf_parameters()
    assert ctf.defocus_u_angstrom.tolist() == [10000.0, 10000.0]
    assert ctf.defocus_angle_radian.tolist() == pytest.approx([math.pi / 4] * 2)
    assert ctf.voltage_kilovolt.tolist() == [300, 300]
    assert ctf.scale.tolist() == [1, 1]


def test_butterworth_gain_at_the_cutoff_is_one_over_root_two():
    line = torch.arange(64) - 32
    for order in (2, 4):
        for share, gain in ((0.25, math.sqrt(0.5)), (0.5, 1 / math.sqrt(1 + 2 ** (2 * order)))):
            wave = torch.cos(2 * torch.pi * line * (share * 32) / 64).expand(64, 64)
            found = butterworth_low_pass(wave, 0.25, order)
            torch.testing.assert_close(found, gain * wave, atol=1e-5, rtol=1e-4)
    torch.testing.assert_close(butterworth_low_pass(torch.ones(16, 16), 0.3, 4), torch.ones(16, 16))


def test_white_noise_is_as_strong_in_the_low_passed_channel():
    """Over all noise, not over each batch: an image looks the same to the encoder whatever images are beside it."""
    image = noise(600, 32)
    found = encoder_channels(image, 0.3, 4)
    assert found.shape == (600, 2, 32, 32)
    assert torch.equal(found[:, 0], image)
    assert float(found[:, 1].std() / found[:, 0].std()) == pytest.approx(1, rel=0.01)
    low = butterworth_low_pass(image, 0.3, 4)
    together = torch.stack([found[:, 1].flatten(), low.flatten()])
    assert float(torch.corrcoef(together)[0, 1]) == pytest.approx(1, abs=1e-4)
    torch.testing.assert_close(encoder_channels(image[:1], 0.3, 4), found[:1])


def test_even_sizes():
    assert [even_at_least(value) for value in (6, 6.1, 7, 8.0)] == [6, 8, 8, 8]


def test_magnification_is_taken_out_of_images_and_put_back_into_shifts(tmp_path):
    """A particle stretched by the optics comes back round; the file's shifts are those of the recorded image."""
    stretch = 1.06  # along x: M00
    line = torch.arange(SIZE) - SIZE // 2
    x, y = line.float(), line[:, None].float()
    # the transform at k is that of the true image at M k, so that the recorded image is wider
    recorded = torch.exp(-((x / stretch - 7).square() + (y + 4).square()) / (2 * 3.0**2)) * 50 + noise(2, SIZE)
    path = particle_images(tmp_path, recorded.numpy(), [2.0, 2.0]).table.source_path
    blocks = starfile.read(path)
    blocks["optics"]["rlnMagMat00"] = [stretch]
    starfile.write(blocks, path, overwrite=True)
    images = ParticleImages.of_table(read_star(path), inverted=False)
    found = images.normalised(np.arange(2))
    assert float((found - 50 * gaussian(SIZE, 3.0, (7.0, -4.0))).std()) == pytest.approx(1, abs=0.15)
    poses = Poses.found(torch.eye(3).repeat(2, 1, 1), torch.tensor([[-14.0, 8.0], [0.0, 1.0]]))
    expected = torch.tensor([[-14.0 * stretch, 8.0], [0.0, 1.0]])
    torch.testing.assert_close(images.poses_of_listed(poses).shift_angstrom, expected)
