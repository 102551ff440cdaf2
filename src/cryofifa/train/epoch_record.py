"""The record of one epoch: how far it saw, how well it explained the particles, how much their poses changed."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

import torch
from jaxtyping import Int
from torch import Tensor

WINNER_ORIGINS = ("encoder", "memory", "perturbation", "orientation set")


def count_of_origins(origin: Int[Tensor, " n"]) -> Int[Tensor, " origins"]:
    """How many winning candidates came from each of `WINNER_ORIGINS`; torch.bincount would make a GPU wait."""
    return (origin[:, None] == torch.arange(len(WINNER_ORIGINS), device=origin.device)).sum(dim=0)


@dataclass(frozen=True)
class EpochRecord:
    """What is known after one epoch of training, or after one iteration of half-map refinement.

    Attributes:
        epoch: number of the epoch, from 0.
        particles: how many particles the epoch went over.
        mask_radius_pixel: radius of the Fourier mask at the end of the epoch, in Fourier pixels.
        resolution_angstrom: the same radius as a resolution.
        loss: mean of the decoder's loss over the particles; NaN in half-map refinement.
        encoder_loss: mean of what the encoder learns besides; NaN in half-map refinement.
        pose_change_median_degree, shift_change_median_angstrom: against the epoch before; None in the first one.
        winner_shares: share of the winning pose candidates by origin (`WINNER_ORIGINS`), summing to 1.
        particle_radius_angstrom: the particle's radius as known at the end of the epoch.
        seconds: wall-clock time of the epoch.
        phase: the phase that the epoch belongs to, by its name in `names.py`.
    """

    epoch: int
    particles: int
    mask_radius_pixel: float
    resolution_angstrom: float
    loss: float
    encoder_loss: float
    pose_change_median_degree: float | None
    shift_change_median_angstrom: float | None
    winner_shares: Mapping[str, float]
    particle_radius_angstrom: float
    seconds: float
    phase: str


def epoch_record_to_json(record: EpochRecord) -> dict[str, Any]:
    """The record as a dictionary that strict JSON can hold: numbers that are not finite become None (null)."""
    values = asdict(record) | {"winner_shares": dict(record.winner_shares)}
    return {name: _finite_or_none(value) for name, value in values.items()}


def epoch_record_from_json(values: Mapping[str, Any]) -> EpochRecord:
    """The record of which `epoch_record_to_json` gave these values; None becomes NaN where a number is required.

    Raises:
        TypeError: if a field is missing or unknown.
    """
    required = (
        "mask_radius_pixel",
        "resolution_angstrom",
        "loss",
        "encoder_loss",
        "particle_radius_angstrom",
        "seconds",
    )
    restored = dict(values)
    for name in required:
        if name in restored and restored[name] is None:
            restored[name] = math.nan
    shares = restored.get("winner_shares")
    if shares is not None:
        restored["winner_shares"] = {origin: math.nan if share is None else share for origin, share in shares.items()}
    return EpochRecord(**restored)


def _finite_or_none(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {name: _finite_or_none(inner) for name, inner in value.items()}
    if isinstance(value, float) and not math.isfinite(value):
        return None
    return value
