"""One pass over the particles that can stop between two of its steps and go on from there, in another process too."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

import torch
from jaxtyping import Float
from torch import Tensor

from cryofifa.errors import InputError
from cryofifa.particles.poses import Poses
from cryofifa.physics.central_slice import FourierGrid
from cryofifa.system.processes import Processes


@dataclass
class ParticlePass:
    """How far a pass has come: an epoch of training, or an iteration of half-map refinement.

    Attributes:
        before: the poses that it began with.
        sums: what its steps have summed up so far, over this process's particles.
        particles: how many particles are done, counted over all processes.
        sampled: the volumes that its next step needs, one per class; empty where steps need none.
    """

    before: Poses
    sums: Float[Tensor, " sums"]
    particles: int = 0
    sampled: list[FourierGrid] = field(default_factory=list)

    def over(
        self,
        batches: Sequence[Tensor],
        step: Callable[[int, Tensor], Tensor],
        on_step: Callable[[int], None] | None = None,
        earlier: int = 0,
    ) -> None:
        """Take the steps over what is left of these batches; a batch that was only begun goes on where it was left.

        Args:
            batches: the particles of each batch.
            step: takes a batch's number and its particles; what it returns is added to `sums`.
            on_step: called after every step with the number of its particles; `state` may be taken there.
            earlier: particles that the pass went over before the first of these batches.
        """
        done = self.particles - earlier
        for number, batch in enumerate(batches):
            members, done = batch[max(0, done) :], done - len(batch)
            if not len(members):
                continue
            self.sums += step(number, members)
            self.particles += len(members)
            if on_step is not None:
                on_step(len(members))

    def state(self, processes: Processes) -> dict[str, Tensor]:
        """The whole pass as tensors by name, for a checkpoint; all processes must call it at the same time."""
        tensors = {f"before.{name}": column for name, column in self.before.columns().items()}
        for index, grid in enumerate(self.sampled):
            tensors[f"sampled.{index}"] = grid.real_imaginary
        return tensors | {
            "sums": processes.all_reduce(self.sums),
            "processes": torch.tensor(processes.count),
            "particles": torch.tensor(self.particles),
            "sampled_radius": torch.tensor([grid.radius for grid in self.sampled], dtype=torch.float64),
        }

    @classmethod
    def from_state(cls, tensors: dict[str, Tensor], processes: Processes, what: str) -> ParticlePass:
        """The pass of which `state` gave these tensors, in as many processes as there were then.

        Args:
            tensors: what `state` gave.
            processes: this process and the others.
            what: the pass in words, as the user knows it, for the error message.

        Raises:
            InputError: if the state was taken by another number of processes.
        """
        kept = int(tensors["processes"])
        if kept != processes.count:  # the particles would be divided differently
            raise InputError(
                f"the run was stopped in the middle of an {what} with --devices {kept}; go on with as many, "
                f"not {processes.count}"
            )
        radii = tensors["sampled_radius"].tolist()
        return cls(
            before=Poses.from_columns(tensors_under(tensors, "before.")),
            sums=processes.share_of_sum(tensors["sums"]),
            particles=int(tensors["particles"]),
            sampled=[FourierGrid(tensors[f"sampled.{index}"], radius) for index, radius in enumerate(radii)],
        )


def tensors_under(tensors: dict[str, Tensor], prefix: str) -> dict[str, Tensor]:
    """The tensors whose names begin with the prefix, under what follows it in their names."""
    return {name.removeprefix(prefix): tensor for name, tensor in tensors.items() if name.startswith(prefix)}
