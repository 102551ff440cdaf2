"""Shifts as Fourier phases.

The shift of a pose is RELION's origin: the displacement, in angstrom, that *brings the particle to the centre*; the
particle itself sits at minus that from the centre. Forward model: F_image = CTF * slice * exp(+2 pi i k.t).
"""

import torch
from jaxtyping import Complex, Float
from torch import Tensor


def displacement_phase(
    shift_angstrom: Float[Tensor, "*batch 2"], frequency_per_angstrom: Float[Tensor, "points 2"]
) -> Complex[Tensor, "*batch points"]:
    """exp(+2 pi i k.t): moves a centred projection to where the particle lies; its conjugate brings it back.

    shift_angstrom: t (x, y), RELION's rlnOriginX/YAngst.
    frequency_per_angstrom: k (x, y) in cycles per angstrom.
    """
    angle = 2 * torch.pi * (shift_angstrom @ frequency_per_angstrom.mT)
    return torch.complex(angle.cos(), angle.sin())


def shift_grid(step_angstrom: float, steps: int, device: torch.device | None = None) -> Float[Tensor, "shifts 2"]:
    """A square grid of (2 steps + 1)^2 shifts (x, y) in angstrom about zero, sorted by length, the zero shift first."""
    line = torch.arange(-steps, steps + 1, device=device) * step_angstrom
    y, x = torch.meshgrid(line, line, indexing="ij")
    grid = torch.stack([x, y], dim=-1).reshape(-1, 2)
    return grid[grid.square().sum(-1).argsort(stable=True)]


def shift_phase(
    points: Float[Tensor, "*batch 3"], shift_voxel: Float[Tensor, " 3"], size: int
) -> Complex[Tensor, "*batch"]:
    """exp(2 pi i k.d) for a shift d (x, y, z) in voxels, at points k (x, y, z) in Fourier pixels of a box of `size`."""
    angle = points @ (shift_voxel * (2 * torch.pi / size))
    return torch.polar(torch.ones_like(angle), angle)
