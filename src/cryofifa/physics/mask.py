"""Soft masks in real space: discs for images, balls for volumes."""

import torch
from jaxtyping import Float
from torch import Tensor

from cryofifa.physics.fourier import centred_index


def soft_edge(distance: Float[Tensor, "*batch"], radius: float, edge_width: float) -> Float[Tensor, "*batch"]:
    """1 inside `radius`, 0 outside, falling linearly over `edge_width` about it (all in the unit of `distance`)."""
    if edge_width <= 0:
        return (distance <= radius).to(distance.dtype)
    return ((radius - distance) / edge_width + 0.5).clamp(0, 1)


def circular_mask(
    box_size: int,
    radius_pixel: float,
    edge_width_pixel: float,
    centre_xy_pixel: Float[Tensor, "*batch 2"] | None = None,
    device: torch.device | None = None,
) -> Float[Tensor, "*batch y x"]:
    """A soft disc in an image (M_R of the paper), about the box centre N//2.

    centre_xy_pixel: centres (x, y) of discs elsewhere, in pixels from the box centre.
    """
    line = centred_index(box_size, device).float()
    if centre_xy_pixel is None:
        centre_xy_pixel = torch.zeros(2, device=device)
    x = line - centre_xy_pixel[..., 0, None]
    y = line - centre_xy_pixel[..., 1, None]
    distance = (y.square()[..., :, None] + x.square()[..., None, :]).sqrt()
    return soft_edge(distance, radius_pixel, edge_width_pixel)


def spherical_mask(
    box_size: int, radius_pixel: float, edge_width_pixel: float, device: torch.device | None = None
) -> Float[Tensor, "z y x"]:
    """A soft ball about the centre N//2 of a volume."""
    return soft_edge(distance_from_centre(box_size, 3, device), radius_pixel, edge_width_pixel)


def distance_from_centre(box_size: int, dimensions: int, device: torch.device | None = None) -> Tensor:
    """Distance of every sample of an image (dimensions 2) or volume (3) from the origin N//2, in pixels or voxels."""
    line = centred_index(box_size, device).float().square()
    total = line
    for _ in range(dimensions - 1):
        total = total[..., None] + line
    return total.sqrt()
