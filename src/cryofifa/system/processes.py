"""Several processes, on one machine or many, that work as one: who holds which particle, and what they tell each other.

Particle i belongs to process i % count: its image is held there and nowhere else, and its pose is found there. All that
counts for everybody in the training loop (gradients, batch statistics, ranking) is summed over the processes, so each
of them goes through the same steps with the same networks. A process alone gets back what it gives. Starts of ab
initio are not shared: each is one process's, as if it were alone (`starts.py`).

One collective does it all: values that are zero wherever a particle is somebody else's are summed. Gradients are summed
once, after backward: torch's DistributedDataParallel hooks into `forward`, but the decoder is called by `slices`, and
the encoder twice per step.
"""

from __future__ import annotations

import os
import signal
import threading
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

import torch
import torch.distributed as distributed
from jaxtyping import Int, Shaped
from torch import Tensor

from cryofifa.errors import InputError, Stopped

PATIENCE = timedelta(hours=2)  # for the first process, which looks at the particles and writes the report by itself
QUIET_SECONDS = 3.0  # see `joined`
LAUNCHER = "CRYOFIFA_LAUNCHER"  # environment variable: the process whose `--devices` has started this one


@dataclass(frozen=True)
class Processes:
    """Rank of this process among `count`; members and indices are those of all particles."""

    rank: int = 0
    count: int = 1

    @property
    def is_first(self) -> bool:
        """The one that writes files, logs and progress."""
        return self.rank == 0

    @property
    def alone(self) -> bool:
        return self.count == 1

    def shard(self, values: Shaped[Tensor, "n ..."], members: Int[Tensor, " n"]) -> Shaped[Tensor, "own ..."]:
        """Those of the members' values whose particles are this process's."""
        return values if self.alone else values[members % self.count == self.rank]

    def all_gather(self, values: Shaped[Tensor, "own ..."], members: Int[Tensor, " n"]) -> Shaped[Tensor, "n ..."]:
        """The values of all members, each process having given its own."""
        if self.alone:
            return values
        everyone = values.new_zeros(len(members), *values.shape[1:])
        everyone[members % self.count == self.rank] = values
        return self.all_reduce(everyone)

    def all_gather_rows(self, values: Shaped[Tensor, "n ..."]) -> Shaped[Tensor, "n ..."]:
        """A table of all particles, every row as its own process has it."""
        everyone = torch.arange(len(values), device=values.device)
        return self.all_gather(self.shard(values, everyone), everyone)

    def local_index(self, own_members: Int[Tensor, " own"]) -> Int[Tensor, " own"]:
        """Where this process's particles lie in what it holds."""
        return own_members if self.alone else own_members // self.count

    def balanced(self, order: Int[Tensor, " n"]) -> Int[Tensor, " n"]:
        """The particles in nearly this order, but so that every process gets an equal share of each part of it."""
        if self.alone:
            return order
        owner = order % self.count
        turn = torch.zeros_like(order)
        for rank in range(self.count):
            theirs = owner == rank
            turn[theirs] = torch.arange(int(theirs.sum()), device=order.device)
        return order[(turn * self.count + owner).argsort()]

    def all_reduce(self, values: Shaped[Tensor, ...]) -> Shaped[Tensor, ...]:
        """Sum over the processes; its gradient is summed likewise. True and False are joined by or."""
        if self.alone:
            return values
        return _Sum.apply(values.byte()).bool() if values.dtype == torch.bool else _Sum.apply(values)

    def all_reduce_gradients(self, parameters: Iterable[Tensor]) -> None:
        """Replace every gradient by its sum over the processes; each has taken its share of the mean."""
        if self.alone:
            return
        gradients = [parameter.grad for parameter in parameters if parameter.grad is not None]
        total = torch.cat([gradient.flatten() for gradient in gradients])
        distributed.all_reduce(total)
        parts = total.split([gradient.numel() for gradient in gradients])
        for gradient, part in zip(gradients, parts, strict=True):
            gradient.copy_(part.view_as(gradient))

    def map_sharded(
        self,
        function: Callable[[Shaped[Tensor, "n ..."]], Shaped[Tensor, "n *values"]],  # noqa: UP037
        rows: Shaped[Tensor, "n ..."],
    ) -> Shaped[Tensor, "n *values"]:  # noqa: UP037
        """function(rows), of which every process computes a part."""
        if self.alone:
            return function(rows)
        index = torch.arange(len(rows), device=rows.device)
        return self.all_gather(function(self.shard(rows, index)), index)

    def share_of_sum(self, total: Tensor) -> Tensor:
        """What this process may put in place of its part of a sum that was kept: the first takes it all."""
        return total if self.is_first else torch.zeros_like(total)

    def check_count(self, tensors: dict[str, Tensor], what: str) -> None:
        """What was kept in the middle of an epoch is of use to as many processes only: others part it otherwise.

        Raises:
            InputError: if it was kept by another number of processes.
        """
        kept = int(tensors.get("processes", torch.tensor(1)))
        if kept != self.count:
            raise InputError(
                f"the run was stopped in the middle of an {what} with --devices {kept}; go on with as many, "
                f"not {self.count}"
            )

    def any(self, flag: bool) -> bool:
        """Whether any process says so."""
        return flag if self.alone else bool(self.all_reduce(torch.tensor(flag)))

    def barrier(self) -> None:
        """Until all processes are here."""
        self.any(False)

    def broadcast(self, values: Shaped[Tensor, ...]) -> Shaped[Tensor, ...]:
        """What the first process has of the same shape."""
        return self.all_reduce(self.share_of_sum(values))

    def all_gather_stack(self, values: Shaped[Tensor, ...]) -> Shaped[Tensor, ...]:
        """What each process has of the same shape, in the order of their ranks."""
        return self.all_gather(values[None], torch.arange(self.count, device=values.device))

    def all_gather_text(self, text: str) -> list[str]:
        """The texts of all processes, in the order of their ranks."""
        return [self._said_by(rank, text) for rank in range(self.count)]

    def broadcast_text(self, text: str) -> str:
        """The text of the first process."""
        return self._said_by(0, text)

    def _said_by(self, rank: int, text: str) -> str:
        if self.alone:
            return text
        words = torch.frombuffer(bytearray(text.encode() or b"\0"), dtype=torch.uint8)
        length = torch.tensor([len(words)])
        distributed.broadcast(length, rank)
        words = words if self.rank == rank else torch.empty(int(length), dtype=torch.uint8)
        distributed.broadcast(words, rank)
        return words.numpy().tobytes().decode().rstrip("\0")


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
    """The processes that torchrun (or `--devices`) has started beside this one; alone, where nobody has.

    When a process ends with an error, what it shared with the others breaks too. They keep quiet for some seconds, in
    which whoever started them ends them: only the process that knows the reason is heard.
    """
    count = int(os.environ.get("WORLD_SIZE", "1"))
    if count == 1:
        yield ALONE
        return
    if launcher := os.environ.get(LAUNCHER):
        threading.Thread(target=_end_with, args=(int(launcher),), daemon=True).start()
    backend = "gloo"
    if torch.cuda.is_available():
        torch.cuda.set_device(int(os.environ.get("LOCAL_RANK", "0")) % torch.cuda.device_count())
        backend = "cpu:gloo,cuda:nccl"
    distributed.init_process_group(backend, timeout=PATIENCE)
    try:
        yield Processes(distributed.get_rank(), count)
    except RuntimeError:
        if threading.current_thread() is threading.main_thread():
            signal.signal(signal.SIGTERM, signal.SIG_DFL)  # it no longer asks for a checkpoint, but to end
        time.sleep(QUIET_SECONDS)
        raise
    except (InputError, Stopped):
        # left to the end of the process, its threads would abort it now and then
        distributed.destroy_process_group()
        raise
    # not after another error: it would wait for processes that may wait for this one
    distributed.destroy_process_group()


def _end_with(launcher: int) -> None:
    """End this process when the one that has started it was killed."""
    while os.getppid() == launcher:
        time.sleep(1)
    os._exit(1)
