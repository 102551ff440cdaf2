"""Anisotropic magnification, which stretches images along one direction and can be taken out of them.

transform of the image at k  =  what it would be without, at M k          (RELION's rlnMagMat00 to 11)

so that the image without it is f(M^T r), r from the box centre, and a shift t (x, y) in the image is one of M^-T t
without it.  Slices and the CTF are sampled at M k, as relion_reconstruct was seen to do (LOG.md).
"""

from __future__ import annotations

import torch
from jaxtyping import Float
from torch import Tensor

from cryofifa.physics.fourier import centred_index


def without_magnification(image: Float[Tensor, "n y x"], matrix: Float[Tensor, "2 2"]) -> Float[Tensor, "n y x"]:
    """Take anisotropic magnification out of images, without interpolation: first along x, then along y.

    f(M^T (x, y)) = h(x, M01 x + M11 y)  with  h(x, Y) = f((M00 - M10 M01 / M11) x + M10 / M11 Y, Y)

    matrix: M, near the identity.
    """
    (m00, m01), (m10, m11) = matrix.tolist()
    along_x = _resampled_rows(image, m00 - m10 * m01 / m11, m10 / m11)
    return _resampled_rows(along_x.mT, m11, m01).mT


def shift_in_recorded_image(
    shift_angstrom: Float[Tensor, "n 2"], matrix: Float[Tensor, "n 2 2"]
) -> Float[Tensor, "n 2"]:
    """M^T t: shifts (x, y) in images as recorded, of shifts t in the same without their magnification."""
    return (matrix.mT @ shift_angstrom[..., None])[..., 0]


def _resampled_rows(image: Float[Tensor, "n y x"], scale: float, shear: float) -> Float[Tensor, "n y x"]:
    """Rows sampled at scale * x + shear * y, by their Fourier series."""
    size = image.shape[-1]
    index = centred_index(size, image.device).to(image.dtype)
    step = 2 * torch.pi / size
    to_frequency = _wave(-step * index[:, None] * index)
    # frequencies that the new samples lie too far apart for are left out
    to_place = _wave(step * scale * index[:, None] * index) * (index.abs() * abs(scale) < size / 2)[:, None]
    sheared = image.to(to_frequency.dtype) @ to_frequency * _wave(step * shear * index[:, None] * index)
    return (sheared @ to_place).real / size


def _wave(angle: Float[Tensor, "a b"]) -> Tensor:
    return torch.polar(torch.ones_like(angle), angle)
