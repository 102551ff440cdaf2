"""Rotations to be tried around a known one, and what shifts cost."""

from __future__ import annotations

import torch
from jaxtyping import Float, Int
from torch import Tensor

from cryofifa.physics.rotations import perturb_rotation
from cryofifa.physics.shift import shift_grid
from cryofifa.settings.ab_initio import SearchSettings
from cryofifa.train.random_draws import RandomDraws

SHIFT_STEP_CYCLES = 0.125  # step of the fine shift grid times the mask's frequency; prototype


def rotations_around(
    rotation: Float[Tensor, "n 3 3"],
    particle: Int[Tensor, " n"],
    draws: RandomDraws,
    settings: SearchSettings,
    cycles: float,
) -> Float[Tensor, "n candidates 3 3"]:
    """Random turns of each rotation, some wide and some narrow.

    cycles: frequency times particle radius; a turn by one over it moves the particle's edge by one period.
    """
    count = settings.wide_perturbations + settings.narrow_perturbations
    if count == 0:
        return rotation[:, None][:, :0]
    turn = draws.normal(particle, 3 * count).reshape(-1, count, 3)
    wide = torch.arange(count, device=turn.device)[:, None] < settings.wide_perturbations
    turn = turn * torch.where(wide, settings.wide_cycles / cycles, settings.narrow_cycles / cycles)
    return perturb_rotation(rotation[:, None].expand(-1, count, -1, -1), turn)


def fine_shifts(extent_angstrom: float, radius: float, device: torch.device) -> Float[Tensor, "shifts 2"]:
    """Around a shift that is about right; radius: of the highest frequency that counts, in Fourier pixels."""
    return shift_grid(SHIFT_STEP_CYCLES * extent_angstrom / radius, 2, device)


def wide_shifts(range_angstrom: float, device: torch.device) -> Float[Tensor, "shifts 2"]:
    """Over most of what shifts may be, where none is known."""
    return shift_grid(range_angstrom / 3, 2, device)


def shift_penalty(
    shift_angstrom: Float[Tensor, "n 2"], offsets_angstrom: Float[Tensor, "shifts 2"], sd_angstrom: float
) -> Float[Tensor, "n shifts"]:
    """-log of a normal prior on shifts about zero (RELION's sigma of origin offsets), in the distance's unit."""
    return (shift_angstrom[:, None] + offsets_angstrom).square().sum(-1) / (2 * sd_angstrom**2)


def clamp_length(shift: Float[Tensor, "n 2"], longest: float) -> Float[Tensor, "n 2"]:
    """Shifts no longer than `longest`, direction kept."""
    length = shift.norm(dim=-1, keepdim=True).clamp_min(1e-9)
    return shift * (longest / length).clamp_max(1.0)
