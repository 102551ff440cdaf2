"""What is observed of particles in one frame: their masked Fourier transforms, and the CTF that goes with them.

    measured = FT( M_R * X ) / box          the image's side of the paper's equation, at the points of a Fourier mask

M_R is a soft circle that moves with the particle's shift (paper).
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from jaxtyping import Complex, Float
from torch import Tensor

from cryofifa.physics.ctf import CtfParameters, contrast_transfer
from cryofifa.physics.fourier import HalfPlane, fourier_2d
from cryofifa.physics.mask import circular_mask


@dataclass(frozen=True)
class ImageMask:
    """The soft circular mask M_R of images.

    Attributes:
        radius_pixel, edge_pixel: radius of the circle and width of its edge, in pixels of the images.
        follows_shift: whether it is centred on the particle instead of the box.
    """

    radius_pixel: float
    edge_pixel: float
    follows_shift: bool

    def at(self, shift_angstrom: Float[Tensor, "n 2"], plane: HalfPlane) -> Float[Tensor, "n y x"]:
        """The mask of every image; a particle lies at minus its shift from the box centre."""
        centre = -shift_angstrom if self.follows_shift else torch.zeros_like(shift_angstrom)
        centre_pixel = centre / plane.pixel_size_angstrom
        return circular_mask(
            plane.box_size, self.radius_pixel, self.edge_pixel, centre_pixel, device=shift_angstrom.device
        )


@dataclass(frozen=True)
class Observed:
    """Images as the physics wants them.

    Attributes:
        measured: FT(M_R * X) / box at the points of a Fourier mask; noise of variance 1 per pixel has in it the
            variance of the share of the image that M_R leaves.
        ctf: contrast transfer function at the same points.
        mask: M_R.
    """

    measured: Complex[Tensor, "n points"]
    ctf: Float[Tensor, "n points"]
    mask: Float[Tensor, "n y x"]


def observed(
    image: Float[Tensor, "n y x"],
    ctf_parameters: CtfParameters,
    shift_angstrom: Float[Tensor, "n 2"],
    mask: ImageMask,
    plane: HalfPlane,
) -> Observed:
    """Mask images where their particles lie, transform them, and keep the points of `plane`."""
    masks = mask.at(shift_angstrom, plane)
    measured = plane.gather(fourier_2d(image * masks)) / plane.box_size
    return Observed(measured, contrast_transfer(ctf_parameters, plane.frequency_per_angstrom), masks)
