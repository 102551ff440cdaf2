"""Particle images as the method wants them: normalised by the background, windowed, resampled, low-passed."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from cryofifa.errors import InputError
from cryofifa.particles.files.table import ParticleTable
from cryofifa.particles.stacks import ImageStacks
from cryofifa.physics.antisymmetric_phase import antisymmetric_phase, half_transform_frequencies, without_phase
from cryofifa.physics.ctf import CtfParameters
from cryofifa.physics.fourier import centred_index, fourier_2d, inverse_fourier_2d, rescale_images, window_centre
from cryofifa.physics.mask import distance_from_centre

CPU = torch.device("cpu")
MOST_IN_BLOCK, PIXELS_IN_BLOCK = 512, 2**25  # of images read at once; bounds the memory, changes nothing else
BACKGROUND_RING_SHARE = 0.45  # of the box: pixels farther out are background (RELION's extraction leaves about that)


@dataclass(frozen=True)
class Frame:
    """The part of the field of view that is worked on, and its sampling.

    window_pixel: pixels cut about the centre of the input images; box_size: pixels they are resampled to.
    """

    window_pixel: int
    box_size: int
    input_pixel_size_angstrom: float

    @property
    def pixel_size_angstrom(self) -> float:
        return self.input_pixel_size_angstrom * self.window_pixel / self.box_size

    @property
    def extent_angstrom(self) -> float:
        """Side of the field of view: one Fourier pixel is one cycle over it."""
        return self.input_pixel_size_angstrom * self.window_pixel


def even_at_least(value: float) -> int:
    """The smallest even integer that is not below `value`."""
    return 2 * int(np.ceil(value / 2))


@dataclass(frozen=True)
class ParticleImages:
    """The images of a table, normalised and on one common pixel size.

    device: that computes them, and where they are given.
    """

    table: ParticleTable
    stacks: ImageStacks
    device: torch.device = CPU

    @classmethod
    def of_table(cls, table: ParticleTable, *, inverted: bool, device: torch.device = CPU) -> ParticleImages:
        """inverted: the images' contrast is the other one than the particle file says (`--invert`)."""
        meant = table.inverted() if inverted else table
        return cls(meant, ImageStacks(meant), device)

    @property
    def pixel_size_angstrom(self) -> float:
        return self.table.reference_pixel_size_angstrom

    def normalised(self, rows: np.ndarray) -> Float[Tensor, "n y x"]:
        """Full-size images without beam tilt: background ring of mean 0 and sd 1, protein bright."""
        image = torch.from_numpy(self.stacks.read(rows)).to(self.device)
        flat = background_pixels(image).std(dim=1) < 1e-6 * image.flatten(1).std(dim=1)
        if flat.any():
            row = rows[int(flat.nonzero()[0])]
            raise InputError(
                f"{self.table.source_path}: particle {self.table.row[row] + 1} has a constant background, as masked "
                "images have; extract the particles without a mask"
            )
        self._take_out_beam_tilt(image, rows)
        image = normalise_background(image)
        ratios = self.table.pixel_size_angstrom[rows] / self.pixel_size_angstrom
        for ratio in np.unique(ratios[np.abs(ratios - 1) > 1e-4]):
            members = torch.from_numpy(ratios == ratio).to(self.device)
            # values are kept, so white noise comes out with sd `ratio`: brought back to 1
            image[members] = resample_pixel_size(image[members], float(ratio)) / float(ratio)
        return image

    def _take_out_beam_tilt(self, image: Float[Tensor, "n y x"], rows: np.ndarray) -> None:
        """Take beam tilt and odd Zernike terms out of these images in place, one phase plate per optics."""
        t = self.table
        columns = (t.beam_tilt_x_milliradian, t.beam_tilt_y_milliradian, *t.odd_zernike.T)
        odd = np.stack([column[rows] for column in columns], axis=1)
        if not odd.any():
            return
        optics = (t.voltage_kilovolt, t.spherical_aberration_millimetre, t.pixel_size_angstrom)
        distinct, member = np.unique(
            np.column_stack([*(column[rows] for column in optics), odd]), axis=0, return_inverse=True
        )
        for number, (voltage, aberration, pixel_size, *coefficients) in enumerate(torch.from_numpy(distinct)):
            if any(coefficients):
                frequency = half_transform_frequencies(image.shape[-1], float(pixel_size))
                tilt, zernike = torch.stack(coefficients).split([2, len(coefficients) - 2])
                members = torch.from_numpy(member.reshape(-1) == number).to(self.device)
                phase = antisymmetric_phase(tilt, zernike, voltage, aberration, frequency)
                image[members] = without_phase(image[members], phase.to(self.device))

    def in_frame(self, rows: np.ndarray, frame: Frame) -> Float[Tensor, "n y x"]:
        """Images windowed and resampled to a frame, scaled so that white noise keeps the sd 1."""
        image = window_centre(self.normalised(rows), frame.window_pixel, 2)
        if frame.box_size == frame.window_pixel:
            return image
        return rescale_images(image, frame.box_size) * (frame.window_pixel / frame.box_size)

    def blocks(self, rows: np.ndarray) -> Iterator[np.ndarray]:
        """The rows in blocks that fit any memory."""
        size = max(1, min(MOST_IN_BLOCK, PIXELS_IN_BLOCK // self.table.box_size**2))
        for start in range(0, len(rows), size):
            yield rows[start : start + size]

    def ctf_parameters(self) -> CtfParameters:
        """Optics of every particle."""
        t = self.table

        def column(values: np.ndarray) -> Tensor:
            return torch.from_numpy(np.array(values, dtype=np.float32))

        return CtfParameters(
            defocus_u_angstrom=column(t.defocus_u_angstrom),
            defocus_v_angstrom=column(t.defocus_v_angstrom),
            defocus_angle_radian=column(t.defocus_angle_radian),
            phase_shift_radian=column(t.phase_shift_radian),
            voltage_kilovolt=column(t.voltage_kilovolt),
            spherical_aberration_millimetre=column(t.spherical_aberration_millimetre),
            amplitude_contrast=column(t.amplitude_contrast),
            b_factor_square_angstrom=column(t.b_factor_square_angstrom),
            scale=column(t.ctf_scale),
        )


def background_pixels(image: Float[Tensor, "n y x"]) -> Float[Tensor, "n pixels"]:
    """The pixels outside the background ring."""
    size = image.shape[-1]
    return image[:, distance_from_centre(size, 2, image.device) > BACKGROUND_RING_SHARE * size]


def normalise_background(image: Float[Tensor, "n y x"]) -> Float[Tensor, "n y x"]:
    """Subtract the mean and divide by the sd of the pixels outside the background ring, per image."""
    background = background_pixels(image)
    deviation = background.std(dim=1).clamp_min(1e-12)
    return (image - background.mean(dim=1)[:, None, None]) / deviation[:, None, None]


def resample_pixel_size(image: Float[Tensor, "n y x"], ratio: float) -> Float[Tensor, "n y x"]:
    """The same box at another pixel size: `ratio` is the old one over the new one.

    The transform is evaluated at the new grid's frequencies directly (a matrix product per axis), so nothing is
    interpolated; frequencies beyond the old Nyquist are zero.
    """
    size = image.shape[-1]
    index = centred_index(size, image.device).double()
    frequency = index / size * ratio  # new grid's frequencies in cycles per old pixel
    angle = -2 * torch.pi * frequency[:, None] * index
    kernel = torch.complex(angle.cos(), angle.sin()) * (frequency.abs() <= 0.5)[:, None]
    # where the new field of view is the smaller one, what lies outside must not come in from the other side
    kernel = kernel * (index.abs() <= size / (2 * ratio))
    transform = kernel @ image.to(kernel.dtype) @ kernel.mT
    return (inverse_fourier_2d(transform) * ratio**2).to(image.dtype)


def butterworth_gain(
    size: int, cutoff_share: float, order: int, device: torch.device | None = None
) -> Float[Tensor, "y x"]:
    """1 / sqrt(1 + (k / cutoff)^(2 order)) on the centred transform; cutoff as a share of Nyquist."""
    radius = distance_from_centre(size, 2, device) / (size / 2)
    return 1 / (1 + (radius / cutoff_share) ** (2 * order)).sqrt()


def butterworth_low_pass(
    image: Float[Tensor, "*batch y x"], cutoff_share: float, order: int
) -> Float[Tensor, "*batch y x"]:
    """Low-passed images (paper, preprocessing)."""
    gain = butterworth_gain(image.shape[-1], cutoff_share, order, image.device)
    return inverse_fourier_2d(fourier_2d(image) * gain)


def encoder_channels(image: Float[Tensor, "n y x"], cutoff_share: float, order: int) -> Float[Tensor, "n 2 y x"]:
    """The encoder's two channels: the particle and its low-passed copy, in which white noise keeps its sd."""
    gain = butterworth_gain(image.shape[-1], cutoff_share, order, image.device)
    low_passed = inverse_fourier_2d(fourier_2d(image) * gain) / gain.square().mean().sqrt()
    return torch.stack([image, low_passed], dim=1)
