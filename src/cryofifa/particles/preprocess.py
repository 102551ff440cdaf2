"""Particle images as the method needs them: background normalised, windowed, resampled and low-passed."""

from __future__ import annotations

import warnings
from collections.abc import Iterator
from dataclasses import dataclass, replace

import numpy as np
import torch
from jaxtyping import Float, Int64
from torch import Tensor

from cryofifa.particles.files.table import PREMULTIPLIED, ParticleTable
from cryofifa.particles.one_grid import SAME_PIXEL_SIZE, brought_to_one_box, common_box_size, resample_pixel_size
from cryofifa.particles.poses import Poses
from cryofifa.particles.stacks import ImageStacks
from cryofifa.physics.antisymmetric_phase import antisymmetric_phase, half_transform_frequencies, without_phase
from cryofifa.physics.applied_ctf import without_flipped_phases, without_premultiplication
from cryofifa.physics.ctf import CtfParameters
from cryofifa.physics.fourier import fourier_2d, inverse_fourier_2d, rescale_images, window_centre
from cryofifa.physics.magnification import shift_in_recorded_image, without_magnification
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
    """The images of a particle table, normalised and brought to one box and pixel size.

    table: the particles that are used.
    stacks: the images of all particles that the input lists (`listed`).
    device: where images are preprocessed and returned.
    position: row of `listed` of every particle of `table`; None where all that are listed are used.
    """

    table: ParticleTable
    stacks: ImageStacks
    device: torch.device = CPU
    position: Int64[np.ndarray, " n"] | None = None

    @classmethod
    def of_table(cls, table: ParticleTable, *, inverted: bool, device: torch.device = CPU) -> ParticleImages:
        """The images of a table, read from its stacks; warnings tell of odd and mixed boxes, and of doubtful headers.

        inverted: the images' contrast is the opposite of what the particle file says (`--invert`).

        Raises:
            InputError: if a stack is absent, damaged or does not fit the table.
        """
        stacks = ImageStacks(table.inverted() if inverted else table)
        for line in stacks.what_headers_contradict():
            warnings.warn(line, stacklevel=2)
        boxes = stacks.box_sizes(np.arange(len(table)))
        box_size = common_box_size(stacks.table, boxes)
        if (boxes != box_size).any():
            warnings.warn(f"{table.source_path}: {brought_to_one_box(table, boxes, box_size)}", stacklevel=2)
        return cls(replace(stacks.table, box_size=box_size), stacks, device)

    def using(self, rows: Int64[np.ndarray, " m"]) -> ParticleImages:
        """The images of these 0-based rows of the table alone."""
        return replace(self, table=self.table.select(rows), position=self.places(rows))

    def leaving_out(self, rows: Int64[np.ndarray, " m"]) -> ParticleImages:
        """The images without those of these 0-based rows of the table."""
        return self.using(np.delete(np.arange(len(self.table)), rows))

    @property
    def listed(self) -> ParticleTable:
        """All particles that the input lists, also those that were left out."""
        return self.stacks.table

    def places(self, rows: Int64[np.ndarray, " m"]) -> Int64[np.ndarray, " m"]:
        """The 0-based rows of `listed` of these rows of the table."""
        return rows if self.position is None else self.position[rows]

    def poses_of_listed(self, poses: Poses) -> Poses:
        """Poses of all particles that the input lists, in their images as recorded; those left out are unposed."""
        poses = poses.copy()
        if self.table.magnification is not None:
            matrix = torch.from_numpy(np.array(self.table.magnification)).to(poses.shift_angstrom)
            poses.shift_angstrom = shift_in_recorded_image(poses.shift_angstrom, matrix)
        places = self.places(np.arange(len(self.table)))
        return poses if self.position is None else poses.among(len(self.listed), torch.from_numpy(places))

    @property
    def pixel_size_angstrom(self) -> float:
        """The common pixel size in angstrom: that of the optics group with most particles."""
        return self.table.reference_pixel_size_angstrom

    def normalised(self, rows: Int64[np.ndarray, " m"]) -> Float[Tensor, "n y x"]:
        """Images at full size, with aberrations taken out, background of mean 0 and sd 1, and protein bright.

        rows: 0-based rows of the table.

        Raises:
            InputError: if a stack cannot be read.
        """
        boxes = self.stacks.box_sizes(self.places(rows))
        if len(np.unique(boxes)) <= 1:
            return self._of_one_box(rows)
        image = torch.empty(len(rows), self.table.box_size, self.table.box_size, device=self.device)
        for box in np.unique(boxes):
            image[torch.from_numpy(boxes == box).to(self.device)] = self._of_one_box(rows[boxes == box])
        return image

    def _of_one_box(self, rows: Int64[np.ndarray, " m"]) -> Float[Tensor, "n y x"]:
        """The normalised images of rows whose stacks have one box."""
        image = torch.from_numpy(self.stacks.read(self.places(rows))).to(self.device)
        self._take_out_magnification(image, rows)
        self._undo_applied_ctf(image, rows)
        self._take_out_beam_tilt(image, rows)
        image = normalise_background(image)
        ratios = self.table.pixel_size_angstrom[rows] / self.pixel_size_angstrom
        found = window_centre(image, self.table.box_size, 2)
        for ratio in np.unique(ratios[np.abs(ratios - 1) > SAME_PIXEL_SIZE]):
            members = torch.from_numpy(ratios == ratio).to(self.device)
            # resampling keeps values, which leaves white noise with sd `ratio`
            found[members] = resample_pixel_size(image[members], float(ratio), self.table.box_size) / float(ratio)
        return found

    def _take_out_magnification(self, image: Float[Tensor, "n y x"], rows: Int64[np.ndarray, " n"]) -> None:
        """Take anisotropic magnification out of these images, in place, with one matrix per optics."""
        if self.table.magnification is None:
            return
        matrices, member = np.unique(self.table.magnification[rows], axis=0, return_inverse=True)
        for number, matrix in enumerate(matrices):
            if (matrix != np.eye(2)).any():
                members = torch.from_numpy(member.reshape(-1) == number).to(self.device)
                image[members] = without_magnification(image[members], torch.from_numpy(matrix))

    def _undo_applied_ctf(self, image: Float[Tensor, "n y x"], rows: Int64[np.ndarray, " n"]) -> None:
        """Undo, in place, that images were multiplied by their CTF or its sign before they came into their stack."""
        if self.table.applied_ctf is None:
            return
        kinds = np.column_stack([self.table.applied_ctf[rows], self.table.pixel_size_angstrom[rows]])
        for kind, pixel_size in np.unique(kinds[kinds[:, 0] > 0], axis=0):
            some = np.flatnonzero((kinds == [kind, pixel_size]).all(axis=1))
            frequency = half_transform_frequencies(image.shape[-1], pixel_size).to(image)
            members, optics = torch.from_numpy(some).to(self.device), self.ctf_parameters(rows[some]).to(self.device)
            undone = without_premultiplication if kind == PREMULTIPLIED else without_flipped_phases
            image[members] = undone(image[members], optics, frequency)

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

    def ctf_parameters(self, rows: Int64[np.ndarray, " n"] | None = None) -> CtfParameters:
        """The optics of these 0-based rows of the table, by default of all, on the CPU."""
        t = self.table

        def column(values: np.ndarray) -> Tensor:
            return torch.from_numpy(np.array(values if rows is None else values[rows], dtype=np.float32))

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
            even_zernike=None if t.even_zernike is None else column(t.even_zernike),
        )


def background_pixels(image: Float[Tensor, "n y x"]) -> Float[Tensor, "n pixels"]:
    """The background pixels of every image: those farther from the centre than the background ring's radius."""
    size = image.shape[-1]
    return image[:, distance_from_centre(size, 2, image.device) > BACKGROUND_RING_SHARE * size]


def normalise_background(image: Float[Tensor, "n y x"]) -> Float[Tensor, "n y x"]:
    """Subtract from every image the mean of its background pixels, and divide by their standard deviation.

    Ramps stay in: a plane that fits the ring is small there and large in the corners, and what is left of the ring is
    no floor for the particle's radius any more. Measured (LOG.md): 94 A instead of 53 in a set that has ramps.
    """
    background = background_pixels(image)
    deviation = background.std(dim=1).clamp_min(1e-12)
    return (image - background.mean(dim=1)[:, None, None]) / deviation[:, None, None]


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
