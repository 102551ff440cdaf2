"""Rotations to be tried: small random turns about a known one, and the best of a bank of random ones."""

from __future__ import annotations

import torch
from jaxtyping import Complex, Float, Int
from torch import Tensor

from cryofifa.config import SearchSettings
from cryofifa.physics.central_slice import FourierGrid
from cryofifa.physics.fourier import HalfPlane
from cryofifa.physics.image_formation import squared_distance_to_bank
from cryofifa.physics.rotations import perturb_rotation, rotation_from_uniform
from cryofifa.physics.shift import displacement_phase, shift_grid
from cryofifa.train.random_draws import RandomDraws

SHIFT_STEP_CYCLES = 0.125  # step of the fine shift grid times the mask's frequency; prototype
BANK_SHIFT_STEP_CYCLES = 0.2  # likewise for the bank; prototype


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


def best_of_bank(
    centred: Complex[Tensor, "n points"],
    ctf: Float[Tensor, "n points"],
    grid: FourierGrid,
    plane: HalfPlane,
    draws: RandomDraws,
    bank_index: int,
    settings: SearchSettings,
    particle_radius_angstrom: float,
    shift_angstrom: Float[Tensor, "n 2"],
    shift_sd_angstrom: float,
) -> Float[Tensor, "n best 3 3"]:
    """The few best of a bank of fresh random rotations, shared by all images, each tried over a grid of shifts.

    centred: images brought to the centre by `shift_angstrom`; only low frequencies are compared.
    bank_index: which bank of these draws.
    """
    device = centred.device
    uniform = draws.uniform(torch.tensor([bank_index], device=device), 3 * settings.bank_rotations)
    bank_rotation = rotation_from_uniform(uniform.reshape(-1, 3))
    low = plane.within(settings.bank_cycles * plane.extent_angstrom / particle_radius_angstrom)
    finest_period = plane.extent_angstrom / float(low.radius[-1])
    offsets = shift_grid(BANK_SHIFT_STEP_CYCLES * finest_period, 2, device)
    distance = squared_distance_to_bank(
        centred[:, : len(low)],
        ctf[:, : len(low)],
        grid.slices(bank_rotation, low),
        displacement_phase(offsets, low.frequency_per_angstrom),
    )
    distance = distance + shift_penalty(shift_angstrom, offsets, shift_sd_angstrom)[:, :, None]
    best = distance.amin(dim=1).topk(settings.bank_best, dim=1, largest=False).indices
    return bank_rotation[best]


def shift_penalty(
    shift_angstrom: Float[Tensor, "n 2"], offsets_angstrom: Float[Tensor, "shifts 2"], sd_angstrom: float
) -> Float[Tensor, "n shifts"]:
    """-log of a normal prior on shifts about zero (RELION's sigma of origin offsets), in the distance's unit."""
    return (shift_angstrom[:, None] + offsets_angstrom).square().sum(-1) / (2 * sd_angstrom**2)


def clamp_length(shift: Float[Tensor, "n 2"], longest: float) -> Float[Tensor, "n 2"]:
    """Shifts no longer than `longest`, direction kept."""
    length = shift.norm(dim=-1, keepdim=True).clamp_min(1e-9)
    return shift * (longest / length).clamp_max(1.0)
