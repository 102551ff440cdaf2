"""Centred discrete Fourier transforms and the half plane of Fourier points.

The origin of an image, a volume and of their transforms is the 0-based index N//2 on every axis
(RELION's convention). Transforms carry no factor forwards and 1/N per axis backwards.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import torch
from jaxtyping import Complex, Float, Int
from torch import Tensor

_PLANE = (-2, -1)
_SPACE = (-3, -2, -1)


def fourier_2d(image: Float[Tensor, "*batch y x"]) -> Complex[Tensor, "*batch ky kx"]:
    """The centred 2-D Fourier transform of real images, origins at N//2."""
    return torch.fft.fftshift(torch.fft.fft2(torch.fft.ifftshift(image, dim=_PLANE)), dim=_PLANE)


def inverse_fourier_2d(transform: Complex[Tensor, "*batch ky kx"]) -> Float[Tensor, "*batch y x"]:
    """The inverse of `fourier_2d`; the imaginary part (zero for a Hermitian transform) is dropped."""
    return torch.fft.fftshift(torch.fft.ifft2(torch.fft.ifftshift(transform, dim=_PLANE)), dim=_PLANE).real


def fourier_3d(volume: Float[Tensor, "*batch z y x"]) -> Complex[Tensor, "*batch kz ky kx"]:
    """The centred 3-D Fourier transform of real volumes, origins at N//2."""
    return torch.fft.fftshift(torch.fft.fftn(torch.fft.ifftshift(volume, dim=_SPACE), dim=_SPACE), dim=_SPACE)


def inverse_fourier_3d(transform: Complex[Tensor, "*batch kz ky kx"]) -> Float[Tensor, "*batch z y x"]:
    """The inverse of `fourier_3d`; the imaginary part (zero for a Hermitian transform) is dropped."""
    return torch.fft.fftshift(torch.fft.ifftn(torch.fft.ifftshift(transform, dim=_SPACE), dim=_SPACE), dim=_SPACE).real


def centred_index(size: int, device: torch.device | None = None) -> Int[Tensor, " size"]:
    """The signed distance of every sample along an axis from the origin N//2, in samples."""
    return torch.arange(size, device=device) - size // 2


def window_centre(array: Tensor, size: int, dimensions: int) -> Tensor:
    """Crop or zero-pad the last `dimensions` axes to `size` samples, keeping the origin at N//2."""
    for axis in range(-dimensions, 0):
        length = array.shape[axis]
        offset = length // 2 - size // 2
        if length >= size:
            array = array.narrow(axis, offset, size)
        else:
            padding = [0, 0] * (-axis - 1) + [-offset, size - length + offset]
            array = torch.nn.functional.pad(array, padding)
    return array


def rescale_images(image: Float[Tensor, "*batch y x"], size: int) -> Float[Tensor, "*batch size size"]:
    """Resample images to `size` pixels a side over the same field of view, by Fourier cropping or padding.

    Pixel values keep their scale (a constant image stays that constant).
    """
    scale = (size / image.shape[-1]) ** 2
    return inverse_fourier_2d(window_centre(fourier_2d(image), size, 2)) * scale


def rescale_volume(volume: Float[Tensor, "*batch z y x"], size: int) -> Float[Tensor, "*batch size size size"]:
    """Resample volumes to `size` voxels a side over the same field of view, by Fourier cropping or padding.

    Voxel values keep their scale.
    """
    scale = (size / volume.shape[-1]) ** 3
    return inverse_fourier_3d(window_centre(fourier_3d(volume), size, 3)) * scale


@dataclass(frozen=True)
class HalfPlane:
    """Points of one half of an image's Fourier plane, sorted by their distance from the origin.

    A real image's transform is Hermitian, so the half plane x > 0, or x = 0 and y > 0, holds all of it but the origin.
    The origin is left out unless asked for: the CTF is near zero there, and the background's mean was taken out. Thanks
    to the sorting, a circular mask (M_F of the paper) is always a prefix of the list.

    index_xy: integer coordinates (x, y) from the origin, in Fourier pixels.
    """

    index_xy: Int[Tensor, "points 2"]
    box_size: int
    pixel_size_angstrom: float

    @classmethod
    def of_box(
        cls,
        box_size: int,
        pixel_size_angstrom: float,
        radius: float | None = None,
        *,
        with_origin: bool = False,
        device: torch.device | None = None,
    ) -> HalfPlane:
        """The points of a box up to `radius` Fourier pixels, by default up to Nyquist (N//2).

        The row and the column at N//2 itself are left out: there a frequency and its Hermitian mate are one sample.
        """
        limit = box_size // 2 if radius is None else min(radius, box_size // 2)
        reach = min(int(limit), box_size // 2 - 1)
        y, x = torch.meshgrid(torch.arange(-reach, reach + 1), torch.arange(0, reach + 1), indexing="ij")
        keep = (x.square() + y.square() <= limit * limit) & ((x > 0) | (y > 0))
        if with_origin:
            keep |= (x == 0) & (y == 0)
        points = torch.stack([x[keep], y[keep]], dim=-1)
        order = points.square().sum(-1).argsort(stable=True)
        return cls(points[order].to(device), box_size, pixel_size_angstrom)

    def __len__(self) -> int:
        """The number of points."""
        return self.index_xy.shape[0]

    @property
    def extent_angstrom(self) -> float:
        """Side of the field of view in angstrom: one Fourier pixel is one cycle over it."""
        return self.box_size * self.pixel_size_angstrom

    @cached_property
    def radius(self) -> Float[Tensor, " points"]:
        """Distance of every point from the origin, in Fourier pixels."""
        return self.index_xy.float().square().sum(-1).sqrt()

    @cached_property
    def ring(self) -> Int[Tensor, " points"]:
        """The ring of every point: its distance from the origin, to the nearest Fourier pixel."""
        return self.radius.round().long()

    @cached_property
    def largest_radius(self) -> float:
        """Distance of the outermost point from the origin, in Fourier pixels."""
        return float(self._square_radius[-1].float().sqrt())

    @cached_property
    def _square_radius(self) -> Int[Tensor, " points"]:
        """Kept on the CPU: reading a number from a GPU waits for all work queued there."""
        return self.index_xy.square().sum(-1).cpu()

    @cached_property
    def frequency_per_angstrom(self) -> Float[Tensor, "points 2"]:
        """Spatial frequency (x, y) of every point, in cycles per angstrom."""
        return self.index_xy.float() / self.extent_angstrom

    def within(self, radius: float) -> HalfPlane:
        """The points inside a smaller circular mask, of `radius` Fourier pixels: always the first ones of this list."""
        if radius not in self._within:
            count = int((self._square_radius <= radius * radius).sum())
            inner = HalfPlane(self.index_xy[:count], self.box_size, self.pixel_size_angstrom)
            vars(inner)["_square_radius"] = self._square_radius[:count]
            self._within[radius] = inner
        return self._within[radius]

    @cached_property
    def _within(self) -> dict[float, HalfPlane]:
        """Smaller half planes made so far: the same masks come back step after step."""
        return {}

    def gather(self, transform: Complex[Tensor, "*batch ky kx"]) -> Complex[Tensor, "*batch points"]:
        """Values of centred transforms (of `fourier_2d`) at these points."""
        origin = self.box_size // 2
        return transform[..., self.index_xy[:, 1] + origin, self.index_xy[:, 0] + origin]

    def fill(self, values: Complex[Tensor, "*batch points"]) -> Complex[Tensor, "*batch ky kx"]:
        """The Hermitian transforms with these values here and their conjugates at the mates, zero elsewhere."""
        size, origin = self.box_size, self.box_size // 2
        plane = values.new_zeros(*values.shape[:-1], size, size)
        x, y = self.index_xy.unbind(-1)
        at_origin = (x == 0) & (y == 0)
        plane[..., origin - y, origin - x] = values.conj()
        plane[..., y + origin, x + origin] = torch.where(at_origin, values.real.to(values.dtype), values)
        return plane
