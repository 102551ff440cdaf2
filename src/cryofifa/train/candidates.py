"""Candidates for a particle's pose: rotations around a known one, grids of shifts, and the prior that shifts pay."""

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

    Args:
        rotation: the rotations to turn, one per particle.
        particle: rows of these particles, by which the random numbers are drawn.
        draws: the source of random numbers.
        settings: how many turns there are, and how wide they are.
        cycles: frequency times particle radius; a turn by 1 / cycles radians moves the particle's edge by one period.
    """
    count = settings.wide_perturbations + settings.narrow_perturbations
    if count == 0:
        return rotation[:, None][:, :0]
    turn = draws.normal(particle, 3 * count).reshape(-1, count, 3)
    wide = torch.arange(count, device=turn.device)[:, None] < settings.wide_perturbations
    turn = turn * torch.where(wide, settings.wide_cycles / cycles, settings.narrow_cycles / cycles)
    return perturb_rotation(rotation[:, None].expand(-1, count, -1, -1), turn)


def fine_shifts(extent_angstrom: float, radius: float, device: torch.device) -> Float[Tensor, "shifts 2"]:
    """Offsets in angstrom, as (x, y), to be tried around a shift that is about right.

    Args:
        extent_angstrom: width of the image.
        radius: the highest frequency that counts, in Fourier pixels.
        device: where the offsets are made.
    """
    return shift_grid(SHIFT_STEP_CYCLES * extent_angstrom / radius, 2, device)


def wide_shifts(range_angstrom: float, device: torch.device) -> Float[Tensor, "shifts 2"]:
    """Offsets in angstrom, as (x, y), over most of the range that shifts may have, for where no shift is known."""
    return shift_grid(range_angstrom / 3, 2, device)


def shift_penalty(
    shift_angstrom: Float[Tensor, "n 2"], offsets_angstrom: Float[Tensor, "shifts 2"], sd_angstrom: float
) -> Float[Tensor, "n shifts"]:
    """-log of a normal prior on shifts about zero (RELION's sigma of origin offsets), to be added to a distance.

    Args:
        shift_angstrom: the shift of each particle.
        offsets_angstrom: what is tried in addition to it.
        sd_angstrom: standard deviation of the prior along an axis.
    """
    return (shift_angstrom[:, None] + offsets_angstrom).square().sum(-1) / (2 * sd_angstrom**2)


def clamp_length(shift: Float[Tensor, "n 2"], longest: float) -> Float[Tensor, "n 2"]:
    """Shorten shifts that are longer than `longest` to that length; their directions stay."""
    length = shift.norm(dim=-1, keepdim=True).clamp_min(1e-9)
    return shift * (longest / length).clamp_max(1.0)
