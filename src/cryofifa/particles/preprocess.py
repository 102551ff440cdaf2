"""Particle images as the method needs them: background normalised, windowed, resampled and low-passed."""

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
MOST_IN_BLOCK, PIXELS_IN_BLOCK = 512, 2**25  # images read at once; bounds the memory, changes nothing else
BACKGROUND_RING_SHARE = 0.45  # of the box: pixels farther from the centre are background, as in RELION's extraction


@dataclass(frozen=True)
class Frame:
    """A square window about the centre of the images, and the number of pixels it is resampled to.

    window_pixel: side of the window, in pixels of the input.
    box_size: side of the resampled images in pixels.
    """

    window_pixel: int
    box_size: int
    input_pixel_size_angstrom: float

    @property
    def pixel_size_angstrom(self) -> float:
        """Pixel size of the resampled images in angstrom."""
        return self.input_pixel_size_angstrom * self.window_pixel / self.box_size

    @property
    def extent_angstrom(self) -> float:
        """Side of the field of view in angstrom: one Fourier pixel is one cycle over it."""
        return self.input_pixel_size_angstrom * self.window_pixel


def even_at_least(value: float) -> int:
    """The smallest even integer that is not below `value`."""
    return 2 * int(np.ceil(value / 2))


@dataclass(frozen=True)
class ParticleImages:
    """The images of a particle table, normalised and brought to one pixel size.

    device: where images are preprocessed and returned.
    """

    table: ParticleTable
    stacks: ImageStacks
    device: torch.device = CPU

    @classmethod
    def of_table(cls, table: ParticleTable, *, inverted: bool, device: torch.device = CPU) -> ParticleImages:
        """The images of a table, read from its stacks.

        inverted: the images' contrast is the opposite of what the particle file says (`--invert`).

        Raises:
            InputError: if a stack is absent, damaged or does not fit the table.
        """
        meant = table.inverted() if inverted else table
        return cls(meant, ImageStacks(meant), device)

    @property
    def pixel_size_angstrom(self) -> float:
        """The common pixel size in angstrom: that of the optics group with most particles."""
        return self.table.reference_pixel_size_angstrom

    def normalised(self, rows: np.ndarray) -> Float[Tensor, "n y x"]:
        """Images at full size, with beam tilt taken out, background of mean 0 and sd 1, and protein bright.

        rows: 0-based rows of the table.

        Raises:
            InputError: if a background is constant (a masked image), or a stack cannot be read.
        """
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
            # resampling keeps values, which leaves white noise with sd `ratio`
            image[members] = resample_pixel_size(image[members], float(ratio)) / float(ratio)
        return image

    def _take_out_beam_tilt(self, image: Float[Tensor, "n y x"], rows: np.ndarray) -> None:
        """Take beam tilt and odd Zernike aberrations out of these images, in place, with one phase per optics."""
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
        """The normalised images of these rows, windowed and resampled to a frame; white noise keeps the sd 1."""
        image = window_centre(self.normalised(rows), frame.window_pixel, 2)
        if frame.box_size == frame.window_pixel:
            return image
        return rescale_images(image, frame.box_size) * (frame.window_pixel / frame.box_size)

    def blocks(self, rows: np.ndarray) -> Iterator[np.ndarray]:
        """Split rows into blocks small enough for any memory."""
        size = max(1, min(MOST_IN_BLOCK, PIXELS_IN_BLOCK // self.table.box_size**2))
        for start in range(0, len(rows), size):
            yield rows[start : start + size]

    def ctf_parameters(self) -> CtfParameters:
        """The optics of every particle of the table, on the CPU."""
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
    """The background pixels of every image: those farther from the centre than the background ring's radius."""
    size = image.shape[-1]
    return image[:, distance_from_centre(size, 2, image.device) > BACKGROUND_RING_SHARE * size]


def normalise_background(image: Float[Tensor, "n y x"]) -> Float[Tensor, "n y x"]:
    """Subtract from every image the plane that fits its background best, and divide by what that deviates from it.

    Ice that thickens to one side is a ramp over the image; RELION's extraction takes it out in the same way.
    """
    size = image.shape[-1]
    index = centred_index(size, image.device).to(image.dtype) / size
    plane = torch.stack([torch.ones_like(image[0]), index[:, None].expand(size, size), index.expand(size, size)], dim=2)
    is_background = distance_from_centre(size, 2, image.device) > BACKGROUND_RING_SHARE * size
    fit = image[:, is_background] @ torch.linalg.pinv(plane[is_background]).mT  # least squares: height and two slopes
    flat = image - (fit @ plane.flatten(0, 1).mT).unflatten(1, (size, size))
    deviation = background_pixels(flat).std(dim=1).clamp_min(1e-12)
    return flat / deviation[:, None, None]


def resample_pixel_size(image: Float[Tensor, "n y x"], ratio: float) -> Float[Tensor, "n y x"]:
    """The same number of pixels at another pixel size: `ratio` is the old pixel size over the new one.

    The transform is evaluated directly at the new grid's frequencies (a matrix product per axis), so nothing is
    interpolated; frequencies beyond the old Nyquist are zero.
    """
    size = image.shape[-1]
    index = centred_index(size, image.device).double()
    frequency = index / size * ratio  # new grid's frequencies in cycles per old pixel
    angle = -2 * torch.pi * frequency[:, None] * index
    kernel = torch.complex(angle.cos(), angle.sin()) * (frequency.abs() <= 0.5)[:, None]
    # where the new field of view is the smaller one, pixels outside of it must not wrap around to the other side
    kernel = kernel * (index.abs() <= size / (2 * ratio))
    transform = kernel @ image.to(kernel.dtype) @ kernel.mT
    return (inverse_fourier_2d(transform) * ratio**2).to(image.dtype)


def butterworth_gain(
    size: int, cutoff_share: float, order: int, device: torch.device | None = None
) -> Float[Tensor, "y x"]:
    """The gain 1 / sqrt(1 + (k / cutoff)^(2 order)) at every point of a centred 2-D transform of `size` pixels a side.

    cutoff_share: the cutoff as a share of the Nyquist frequency.
    """
    radius = distance_from_centre(size, 2, device) / (size / 2)
    return 1 / (1 + (radius / cutoff_share) ** (2 * order)).sqrt()


def butterworth_low_pass(
    image: Float[Tensor, "*batch y x"], cutoff_share: float, order: int
) -> Float[Tensor, "*batch y x"]:
    """Low-pass images with a Butterworth filter (paper, preprocessing); arguments as in `butterworth_gain`."""
    gain = butterworth_gain(image.shape[-1], cutoff_share, order, image.device)
    return inverse_fourier_2d(fourier_2d(image) * gain)


def encoder_channels(image: Float[Tensor, "n y x"], cutoff_share: float, order: int) -> Float[Tensor, "n 2 y x"]:
    """The encoder's two channels: the particle, and its low-passed copy scaled so that white noise has the same sd.

    cutoff_share, order: of the Butterworth filter, as in `butterworth_gain`.
    """
    gain = butterworth_gain(image.shape[-1], cutoff_share, order, image.device)
    low_passed = inverse_fourier_2d(fourier_2d(image) * gain) / gain.square().mean().sqrt()
    return torch.stack([image, low_passed], dim=1)
