"""Soft masks in real space."""

import torch
from jaxtyping import Float
from torch import Tensor

from cryofifa.physics.fourier import centred_index


def soft_edge(distance: Float[Tensor, "*batch"], radius: float, edge_width: float) -> Float[Tensor, "*batch"]:
    """1 inside, 0 outside, falling linearly over `edge_width` centred on `radius` (same unit as distance)."""
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
    """M_R of the paper: a disc about the centre, or about `centre_xy_pixel` (measured from the centre)."""
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
    """A soft ball about the centre of a volume."""
    return soft_edge(distance_from_centre(box_size, 3, device), radius_pixel, edge_width_pixel)


def distance_from_centre(box_size: int, dimensions: int, device: torch.device | None = None) -> Tensor:
    """Distance of every pixel or voxel from the origin N//2, in samples."""
    line = centred_index(box_size, device).float().square()
    total = line
    for _ in range(dimensions - 1):
        total = total[..., None] + line
    return total.sqrt()
