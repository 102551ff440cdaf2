"""Several processes, on one machine or many, that work as one: who holds which particle, and what they tell each other.

Particle i belongs to process i % count: its image is held there and nowhere else, and its pose is found there. All that
counts for everybody in the training loop (gradients, batch statistics, ranking) is summed over the processes, so each
of them goes through the same steps with the same networks. A process alone gets back what it gives.

One collective does it all: values that are zero wherever a particle is somebody else's are summed. Gradients are summed
once, after backward: torch's DistributedDataParallel hooks into `forward`, but the decoder is called by `slices`, and
the encoder twice per step.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import torch
import torch.distributed as distributed
from jaxtyping import Int, Shaped
from torch import Tensor


@dataclass(frozen=True)
class Processes:
    """Rank of this process among `count`; members and indices are those of all particles."""

    rank: int = 0
    count: int = 1

    @property
    def alone(self) -> bool:
        return self.count == 1

    def own(self, values: Shaped[Tensor, "n ..."], members: Int[Tensor, " n"]) -> Shaped[Tensor, "own ..."]:
        """Those of the members' values whose particles are this process's."""
        return values if self.alone else values[members % self.count == self.rank]

    def gathered(self, values: Shaped[Tensor, "own ..."], members: Int[Tensor, " n"]) -> Shaped[Tensor, "n ..."]:
        """The values of all members, each process having given its own."""
        if self.alone:
            return values
        everyone = values.new_zeros(len(members), *values.shape[1:])
        everyone[members % self.count == self.rank] = values
        return self.summed(everyone)

    def merged(self, values: Shaped[Tensor, "n ..."]) -> Shaped[Tensor, "n ..."]:
        """A table of all particles, every row as its own process has it."""
        everyone = torch.arange(len(values), device=values.device)
        return self.gathered(self.own(values, everyone), everyone)

    def local(self, own_members: Int[Tensor, " own"]) -> Int[Tensor, " own"]:
        """Where this process's particles lie in what it holds."""
        return own_members if self.alone else own_members // self.count

    def dealt(self, order: Int[Tensor, " n"]) -> Int[Tensor, " n"]:
        """The particles in nearly this order, but so that every process gets an equal share of each part of it."""
        if self.alone:
            return order
        owner = order % self.count
        turn = torch.zeros_like(order)
        for rank in range(self.count):
            theirs = owner == rank
            turn[theirs] = torch.arange(int(theirs.sum()), device=order.device)
        return order[(turn * self.count + owner).argsort()]

    def summed(self, values: Shaped[Tensor, ...]) -> Shaped[Tensor, ...]:
        """Sum over the processes; its gradient is summed likewise. True and False are joined by or."""
        if self.alone:
            return values
        return _Sum.apply(values.byte()).bool() if values.dtype == torch.bool else _Sum.apply(values)

    def sum_gradients(self, parameters: Iterable[Tensor]) -> None:
        """Replace every gradient by its sum over the processes; each has taken its share of the mean."""
        if self.alone:
            return
        gradients = [parameter.grad for parameter in parameters if parameter.grad is not None]
        total = torch.cat([gradient.flatten() for gradient in gradients])
        distributed.all_reduce(total)
        parts = total.split([gradient.numel() for gradient in gradients])
        for gradient, part in zip(gradients, parts, strict=True):
            gradient.copy_(part.view_as(gradient))

    def spread(
        self,
        function: Callable[[Shaped[Tensor, "n ..."]], Shaped[Tensor, "n *values"]],  # noqa: UP037
        rows: Shaped[Tensor, "n ..."],
    ) -> Shaped[Tensor, "n *values"]:  # noqa: UP037
        """function(rows), of which every process computes a part."""
        if self.alone:
            return function(rows)
        index = torch.arange(len(rows), device=rows.device)
        return self.gathered(function(self.own(rows, index)), index)


class _Sum(torch.autograd.Function):
    """All processes' values have a part in every process's loss, of which each computes its own share."""

    @staticmethod
    def forward(ctx: Any, values: Tensor) -> Tensor:  # noqa: ARG004
        total = values.contiguous().clone()
        distributed.all_reduce(total)
        return total

    @staticmethod
    def backward(ctx: Any, *grad_outputs: Tensor) -> Tensor:
        return _Sum.forward(ctx, grad_outputs[0])


ALONE = Processes()


@contextmanager
def joined() -> Iterator[Processes]:
    """The processes that torchrun has started beside this one; alone, where nobody has."""
    count = int(os.environ.get("WORLD_SIZE", "1"))
    if count == 1:
        yield ALONE
        return
    backend = "gloo"
    if torch.cuda.is_available():
        torch.cuda.set_device(int(os.environ.get("LOCAL_RANK", "0")) % torch.cuda.device_count())
        backend = "cpu:gloo,cuda:nccl"
    distributed.init_process_group(backend)
    yield Processes(distributed.get_rank(), count)
    # not after an error: it would wait for processes that may wait for this one
    distributed.destroy_process_group()
