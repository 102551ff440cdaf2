"""Training steps recorded as CUDA graphs: the many small operations of a step become a single launch on a GPU.

A step of training is a thousand operations or more, which a GPU computes faster than its host can launch them one by
one. Measured on an H100 whose host is slow, 128 px: a step takes 23 ms before the encoder learns and 72 after, in which
the GPU works for 1.4 and 5.4. So a step is recorded once and replayed with other numbers in the same places.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable, Hashable, Iterator, Sequence
from contextlib import contextmanager

import torch
from torch import Tensor

from cryofifa.physics.central_slice import FourierGrid
from cryofifa.system.processes import Processes
from cryofifa.train.curriculum import Stage

Step = Callable[..., Tensor]
# (members, their images, sampled volumes, stage, epoch, number of the step) -> sums
EpochStep = Callable[[Tensor, Tensor, list[FourierGrid], Stage, int, "int | Tensor"], Tensor]


class StepGraph:
    """Runs steps that are alike: the first is computed as it is, the second is recorded, all that follow replay it."""

    def __init__(self) -> None:
        self._alike: Hashable = None
        self._recorded = False
        self._graph: torch.cuda.CUDAGraph | None = None  # the last graph, whose memory the next one takes over
        self._given: tuple[Tensor, ...] = ()
        self._found = torch.empty(0)
        self._works = True

    def forget(self) -> None:
        """Drop the recorded step; needed where tensors that a step uses without being given them were replaced."""
        self._alike, self._recorded = None, False

    def __call__(self, alike: Hashable, step: Step, *given: Tensor) -> Tensor:
        """The result of step(*given), which must be used before the next call overwrites it.

        Args:
            alike: equal for steps that take the same operations on tensors of the same shapes.
            step: after its first call it must neither make the host wait nor copy from the host's memory.
            given: the tensors that change from step to step.
        """
        if not self._works:
            return step(*given)
        if alike != self._alike:
            self._alike, self._recorded = alike, False
            return step(*given)
        if not self._recorded:
            try:
                self._record(step, given)
            except RuntimeError as error:
                warnings.warn(f"steps are not recorded on this GPU, and take longer ({error})", stacklevel=2)
                self._works = False
                return step(*given)
        assert self._graph is not None
        for held, value in zip(self._given, given, strict=True):
            held.copy_(value)
        self._graph.replay()
        return self._found

    def _record(self, step: Step, given: tuple[Tensor, ...]) -> None:
        """Record the step's operations; none is computed yet."""
        self._given = tuple(value.clone() for value in given)
        graph = torch.cuda.CUDAGraph()
        # torch.cuda.graph would collect garbage and empty the memory's cache first, which takes longer than many steps
        graph.capture_begin(None if self._graph is None else self._graph.pool(), capture_error_mode="thread_local")
        try:
            self._found = step(*self._given)
        finally:
            graph.capture_end()
        self._graph, self._recorded = graph, True


class RecordedSteps:
    """Runs the steps of one epoch after another; where there is a graph, steps are recorded and replayed."""

    def __init__(self, graph: StepGraph | None) -> None:
        self.graph = graph
        self._run: Callable[[Tensor, Tensor, list[FourierGrid], int], Tensor] | None = None

    @classmethod
    def on(cls, device: torch.device, processes: Processes) -> RecordedSteps:
        """Steps for a device: recorded on a GPU, unless several processes exchange sums within every step."""
        return cls(StepGraph() if device.type == "cuda" and processes.alone else None)

    @contextmanager
    def of_epoch(self, epoch: int, stages: Sequence[Stage], step: EpochStep) -> Iterator[None]:
        """Within this context, calls run the steps of this epoch.

        Args:
            epoch: number of the epoch, from 0.
            stages: the stage of each of its steps.
            step: computes one step.
        """
        self._run = self._plain(epoch, stages, step) if self.graph is None else self._replayed(epoch, stages, step)
        try:
            yield
        finally:
            self._run = None  # it holds the training, which must go when an epoch fails for want of memory

    def __call__(self, members: Tensor, image: Tensor, sampled: list[FourierGrid], number: int) -> Tensor:
        """Run the step with this number, counted from 0 within the epoch, and return its sums."""
        assert self._run is not None, "steps belong to an epoch"
        return self._run(members, image, sampled, number)

    @staticmethod
    def _plain(
        epoch: int, stages: Sequence[Stage], step: EpochStep
    ) -> Callable[[Tensor, Tensor, list[FourierGrid], int], Tensor]:
        def run(members: Tensor, image: Tensor, sampled: list[FourierGrid], number: int) -> Tensor:
            return step(members, image, sampled, stages[number], epoch, number)

        return run

    def _replayed(
        self, epoch: int, stages: Sequence[Stage], step: EpochStep
    ) -> Callable[[Tensor, Tensor, list[FourierGrid], int], Tensor]:
        graph = self.graph
        assert graph is not None
        graph.forget()
        numbers, count = torch.empty(0), torch.empty(0)

        def run(members: Tensor, image: Tensor, sampled: list[FourierGrid], number: int) -> Tensor:
            nonlocal numbers, count
            if not len(count):  # all are sent at once, as each transfer would make the GPU wait
                numbers = torch.tensor([stage.numbers for stage in stages], device=members.device)
                count = torch.arange(len(stages), device=members.device)
            stage, radius = stages[number], sampled[0].radius

            def again(members: Tensor, image: Tensor, numbers: Tensor, number: Tensor, *values: Tensor) -> Tensor:
                grids = [FourierGrid(one, radius) for one in values]
                return step(members, image, grids, stage.with_numbers(numbers), epoch, number)

            alike = (stage.lasting, radius, len(members))
            values = [grid.real_imaginary for grid in sampled]
            return graph(alike, again, members, image, numbers[number], count[number], *values)

        return run


@contextmanager
def recordable_stream(device: torch.device) -> Iterator[None]:
    """Within this context, steps can be recorded: on a GPU that takes a stream other than the default one."""
    if device.type != "cuda":
        yield
        return
    usual, stream = torch.cuda.current_stream(device), torch.cuda.Stream(device)
    stream.wait_stream(usual)
    try:
        with torch.cuda.stream(stream):
            yield
    finally:
        usual.wait_stream(stream)
