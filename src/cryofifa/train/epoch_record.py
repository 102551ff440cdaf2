"""What is known after one pass over the particles."""

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
    """Winners by origin; torch.bincount would make a GPU wait."""
    return (origin[:, None] == torch.arange(len(WINNER_ORIGINS), device=origin.device)).sum(dim=0)


@dataclass(frozen=True)
class EpochRecord:
    """What is known after one epoch.

    winner_shares: share of the winning pose candidates by origin (`WINNER_ORIGINS`), summing to 1.
    pose_change_median_degree, shift_change_median_angstrom: against the epoch before; None in the first one.
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
    """A dict that strict JSON can hold: numbers that are not finite become null."""
    values = asdict(record) | {"winner_shares": dict(record.winner_shares)}
    return {name: _finite_or_none(value) for name, value in values.items()}


def epoch_record_from_json(values: Mapping[str, Any]) -> EpochRecord:
    """The record again; null becomes NaN where a number is required.

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
