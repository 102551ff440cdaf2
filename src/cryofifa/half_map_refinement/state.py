"""What half-map refinement knows of every particle, and where one of its iterations stands when interrupted."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

from cryofifa.particles.files.poses import PoseTable
from cryofifa.system.processes import Processes


@dataclass
class HalfMapPoses:
    """Poses of all particles; score as in `particle_score`, NaN where unknown."""

    rotation: Float[Tensor, "n 3 3"]
    shift_angstrom: Float[Tensor, "n 2"]
    posed: Bool[Tensor, " n"]
    half: Int[Tensor, " n"]
    score: Float[Tensor, " n"]

    @classmethod
    def unposed(cls, half: Int[Tensor, " n"]) -> HalfMapPoses:
        """No pose known yet."""
        count, device = len(half), half.device
        return cls(
            torch.eye(3, device=device).repeat(count, 1, 1),
            torch.zeros(count, 2, device=device),
            torch.zeros(count, dtype=torch.bool, device=device),
            half,
            torch.full((count,), float("nan"), device=device),
        )

    def merge(self, processes: Processes) -> None:
        """Take every particle's row from its own process."""
        for name, value in vars(self).items():
            setattr(self, name, processes.all_gather_rows(value))

    def copy(self) -> HalfMapPoses:
        return HalfMapPoses(*(value.clone() for value in vars(self).values()))

    def pose_table(self) -> PoseTable:
        """The poses as the writers take them."""
        return PoseTable(
            self.rotation.cpu().double().numpy(),
            self.shift_angstrom.cpu().double().numpy(),
            self.score.cpu().double().numpy(),
            self.half.cpu().numpy(),
        )


@dataclass
class IterationSoFar:
    """Where an iteration stands between two of its blocks: the state it began with, particles done, their winners.

    origins: of this process's particles.
    particles: of all processes.
    """

    before: HalfMapPoses
    origins: Float[Tensor, " origins"]
    particles: int = 0

    def state(self, processes: Processes) -> dict[str, Tensor]:
        return {
            **vars(self.before),
            "origins": processes.all_reduce(self.origins),
            "processes": torch.tensor(processes.count),
            "particles": torch.tensor(self.particles),
        }

    @classmethod
    def from_state(cls, tensors: dict[str, Tensor], processes: Processes) -> IterationSoFar:
        processes.check_count(tensors, "iteration")
        before = {name: tensors[name] for name in HalfMapPoses.__dataclass_fields__}
        return cls(HalfMapPoses(**before), processes.share_of_sum(tensors["origins"]), int(tensors["particles"]))
