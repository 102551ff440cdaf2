"""Poses from one epoch to the next."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from jaxtyping import Bool, Float
from torch import Tensor

from cryofifa.physics.central_slice import FourierGrid
from cryofifa.physics.rotations import rotation_from_uniform
from cryofifa.system.processes import Processes
from cryofifa.train.random_draws import RandomDraws


@dataclass
class PoseMemory:
    """What is remembered of every particle of the working set from one epoch to the next.

    While an epoch runs, a particle's row is up to date in its own process only.
    """

    rotation: Float[Tensor, "n 3 3"]
    shift_angstrom: Float[Tensor, "n 2"]
    posed: Bool[Tensor, " n"]

    def merged(self, processes: Processes) -> PoseMemory:
        """Every particle's row as its own process has it."""
        return PoseMemory(*(processes.all_gather_rows(value) for value in vars(self).values()))

    def copy(self) -> PoseMemory:
        return PoseMemory(*(value.clone() for value in vars(self).values()))

    @classmethod
    def random(cls, count: int, seed: int, device: torch.device) -> PoseMemory:
        uniform = RandomDraws(seed, "first pose").uniform(torch.arange(count, device=device), 3)
        return cls(
            rotation_from_uniform(uniform),
            torch.zeros(count, 2, device=device),
            torch.zeros(count, dtype=torch.bool, device=device),
        )


@dataclass
class EpochSoFar:
    """Where an epoch stands between two of its steps: what it began with, and what its next step needs.

    sums: of this process's particles.
    """

    before: PoseMemory
    sums: Float[Tensor, " sums"]
    steps: int = 0
    grid: FourierGrid | None = None

    def state(self, processes: Processes) -> dict[str, Tensor]:
        assert self.grid is not None, "there is nothing to keep before the first step"
        return {
            **{f"before.{name}": value for name, value in vars(self.before).items()},
            "sums": processes.all_reduce(self.sums),
            "processes": torch.tensor(processes.count),
            "steps": torch.tensor(self.steps),
            "grid": self.grid.real_imaginary,
            "radius": torch.tensor(self.grid.radius, dtype=torch.float64),
        }

    @classmethod
    def from_state(cls, tensors: dict[str, Tensor], processes: Processes) -> EpochSoFar:
        processes.check_count(tensors, "epoch")
        before = PoseMemory(**tensors_under(tensors, "before."))
        grid = FourierGrid(tensors["grid"], float(tensors["radius"]))
        return cls(before, processes.share_of_sum(tensors["sums"]), int(tensors["steps"]), grid)


def tensors_under(tensors: dict[str, Tensor], prefix: str) -> dict[str, Tensor]:
    """The tensors whose names begin with the prefix, without it."""
    return {name.removeprefix(prefix): tensor for name, tensor in tensors.items() if name.startswith(prefix)}
