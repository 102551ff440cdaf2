"""Several processes, on one machine or many, that work on one run: who holds which particle, and how they communicate.

Particle i belongs to process i % count: only that process holds its image and searches its pose. Everything in the
training loop that concerns all particles (gradients, batch statistics, ranking) is summed over the processes, so that
all of them take the same steps with the same networks. A single process gets back what it puts in. Starts of ab initio
are not shared: each is computed by one process, as if it were alone (`run/starts.py`).

Tensors are exchanged by one collective, all_reduce: those that are zero wherever a particle belongs to another process
are summed. Gradients are summed once, after backward: torch's DistributedDataParallel cannot be used, for it hooks into
`forward`, but the decoder is called by `slices`, and the encoder twice per step.
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
from cryofifa.system.meeting import place_among_processes, store_of_all

TIMEOUT = timedelta(hours=2)  # others wait while the first process surveys the particles or writes the report alone
QUIET_SECONDS = 3.0  # see `joined`
LAUNCHER = "CRYOFIFA_LAUNCHER"  # environment variable: id of the process whose `--devices` started this one


@dataclass(frozen=True)
class Processes:
    """This process among all processes of a run, with their collectives, named as in torch.distributed.

    rank: number of this process, from 0.
    count: number of processes (torch's world size).

    "Members" are indices of particles in the whole set, the same list on every process; "own" are those of them that
    belong to this process. All processes must call a collective (all_gather, all_reduce, broadcast, barrier, any,
    map_sharded) in the same order.
    """

    rank: int = 0
    count: int = 1

    @property
    def is_first(self) -> bool:
        """Whether this is process 0, which writes files, log and progress."""
        return self.rank == 0

    @property
    def alone(self) -> bool:
        """Whether there is no other process."""
        return self.count == 1

    def shard(self, values: Shaped[Tensor, "n ..."], members: Int[Tensor, " n"]) -> Shaped[Tensor, "own ..."]:
        """The rows of `values`, one per member, that belong to the particles of this process, in the same order."""
        return values if self.alone else values[members % self.count == self.rank]

    def all_gather(self, values: Shaped[Tensor, "own ..."], members: Int[Tensor, " n"]) -> Shaped[Tensor, "n ..."]:
        """The inverse of `shard`: one row per member, from rows that each process has for its own particles only.

        values: (own, ...), one row per own particle, in the order of `members`.
        """
        if self.alone:
            return values
        everyone = values.new_zeros(len(members), *values.shape[1:])
        everyone[members % self.count == self.rank] = values
        return self.all_reduce(everyone)

    def all_gather_rows(self, values: Shaped[Tensor, "n ..."]) -> Shaped[Tensor, "n ..."]:
        """Complete a table of all particles, of which each process knows the rows of its own particles only.

        values: (n, ...), one row per particle of the whole set; rows of other processes' particles are ignored.
        """
        everyone = torch.arange(len(values), device=values.device)
        return self.all_gather(self.shard(values, everyone), everyone)

    def local_index(self, own_members: Int[Tensor, " own"]) -> Int[Tensor, " own"]:
        """Positions of own particles in arrays that hold this process's particles only.

        own_members: indices of particles in the whole set, all belonging to this process.
        """
        return own_members if self.alone else own_members // self.count

    def balanced(self, order: Int[Tensor, " n"]) -> Int[Tensor, " n"]:
        """Reorder particles as little as possible so that every process has an equal share of each part of the order.

        order: indices of particles in the whole set.
        """
        if self.alone:
            return order
        owner = order % self.count
        turn = torch.zeros_like(order)
        for rank in range(self.count):
            theirs = owner == rank
            turn[theirs] = torch.arange(int(theirs.sum()), device=order.device)
        return order[(turn * self.count + owner).argsort()]

    def all_reduce(self, values: Shaped[Tensor, ...]) -> Shaped[Tensor, ...]:
        """Sum of `values`, of the same shape on every process; for bool tensors the logical or.

        Differentiable: the gradient is summed over the processes likewise.
        """
        if self.alone:
            return values
        return _Sum.apply(values.byte()).bool() if values.dtype == torch.bool else _Sum.apply(values)

    def all_reduce_gradients(self, parameters: Iterable[Tensor]) -> None:
        """Replace the gradient of every parameter by its sum over the processes.

        The sum is right if each process has divided its own part of the loss by the number of particles of all
        processes.
        """
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
        """function(rows), of which every process computes its shard of the rows; all get the whole result.

        function: must compute every row independently of the others.
        """
        if self.alone:
            return function(rows)
        index = torch.arange(len(rows), device=rows.device)
        return self.all_gather(function(self.shard(rows, index)), index)

    def share_of_sum(self, total: Tensor) -> Tensor:
        """What this process restores of a saved sum over the processes: the first takes all of it, the others zero."""
        return total if self.is_first else torch.zeros_like(total)

    def any(self, flag: bool) -> bool:
        """Whether the flag is set on any process."""
        return flag if self.alone else bool(self.all_reduce(torch.tensor(flag)))

    def barrier(self) -> None:
        """Wait until all processes have come to this call."""
        self.any(False)

    def broadcast(self, values: Shaped[Tensor, ...]) -> Shaped[Tensor, ...]:
        """The values of process 0, on every process. All pass a tensor of the same shape."""
        return self.all_reduce(self.share_of_sum(values))

    def all_gather_stack(self, values: Shaped[Tensor, ...]) -> Shaped[Tensor, ...]:
        """The values of every process, stacked along a new first axis in the order of ranks: (count, ...).

        All pass a tensor of the same shape.
        """
        return self.all_gather(values[None], torch.arange(self.count, device=values.device))

    def all_gather_text(self, text: str) -> list[str]:
        """The texts of all processes, in the order of ranks."""
        return [self._text_of(rank, text) for rank in range(self.count)]

    def broadcast_text(self, text: str) -> str:
        """The text of process 0, on every process."""
        return self._text_of(0, text)

    def _text_of(self, rank: int, text: str) -> str:
        if self.alone:
            return text
        words = torch.frombuffer(bytearray(text.encode() or b"\0"), dtype=torch.uint8)
        length = torch.tensor([len(words)])
        distributed.broadcast(length, rank)
        words = words if self.rank == rank else torch.empty(int(length), dtype=torch.uint8)
        distributed.broadcast(words, rank)
        return words.numpy().tobytes().decode().rstrip("\0")


class _Sum(torch.autograd.Function):
    """Sum over the processes. Each computes its own part of the loss, and every part depends on the values of all."""

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
    """Join the processes that torchrun or `--devices` has started along with this one; `ALONE` if there are none.

    When a process ends with an error, the communication of all others breaks too. They then stay silent for some
    seconds, in which whoever started them ends them, so that only the process that knows the cause reports an error.

    Raises:
        InputError: if the environment is not as torchrun leaves it, or the others do not come.
    """
    place = place_among_processes()
    if place is None:
        yield ALONE
        return
    rank, count = place
    if launcher := os.environ.get(LAUNCHER):
        threading.Thread(target=_end_with, args=(int(launcher),), daemon=True).start()
    backend = "gloo"
    if torch.cuda.is_available():
        torch.cuda.set_device(int(os.environ.get("LOCAL_RANK", "0")) % torch.cuda.device_count())
        backend = "cpu:gloo,cuda:nccl"
    distributed.init_process_group(
        backend, store=store_of_all(rank, count, TIMEOUT), rank=rank, world_size=count, timeout=TIMEOUT
    )
    try:
        yield Processes(distributed.get_rank(), count)
    except RuntimeError:
        if threading.current_thread() is threading.main_thread():
            signal.signal(signal.SIGTERM, signal.SIG_DFL)  # from here on it ends the process at once
        time.sleep(QUIET_SECONDS)
        raise
    except (InputError, Stopped):
        # if left to the end of the process, its threads abort it now and then
        distributed.destroy_process_group()
        raise
    # not after any other error: it would wait for processes that may be waiting for this one
    distributed.destroy_process_group()


def _end_with(launcher: int) -> None:
    """End this process as soon as the one that started it is gone, as after a kill."""
    while os.getppid() == launcher:
        time.sleep(1)
    os._exit(1)
