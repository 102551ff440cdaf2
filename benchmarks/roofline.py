"""Where a step's time goes, and what the machine could do: arithmetic and memory traffic of every part, per stage.

    python benchmarks/roofline.py                       # gpcr and ribosome, the processors of this machine
    python benchmarks/roofline.py --sets gpcr --device cuda --threads 16

Single steps of a default run at three moments: the first mask with the orientation set, with it and the encoder, the
last mask without. Poses are those of the start, which changes nothing in what is computed. Arithmetic is counted from
the shapes that go in; "possible" is what the slower of two limits allows: the machine's own speed in a large matrix
product, and in copying a large array, both measured in the same call.
"""

import argparse
import os
import sys
import time
from collections import defaultdict
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from unittest.mock import patch

import cryofifa.system.threads  # isort: skip  # before torch  # noqa: F401
import torch
from particle_sets import DATA, REPOSITORY
from result_page import made_by, table, title, versions, write_page
from timed_process import processor
from torch import Tensor
from torch.utils.flop_counter import FlopCounterMode
from working_set import working_set

from cryofifa import Config
from cryofifa.model.pose_encoder import PoseEncoder
from cryofifa.physics.central_slice import FourierGrid
from cryofifa.train import pose_search
from cryofifa.train.ab_initio import AbInitio
from cryofifa.train.curriculum import stage_at
from cryofifa.train.orientation_set import OrientationSet

STEPS = 30
MOMENTS = {"orientation_set, first mask": 0.02, "orientation_set, encoder": 0.6, "last mask": 0.95}
NUMBER = 4  # bytes


@dataclass
class Part:
    """What one part of the step took in all steps of a moment."""

    seconds: float = 0.0
    operations: float = 0.0
    bytes: float = 0.0


@dataclass(frozen=True)
class Machine:
    """Measured: operations and bytes per second."""

    operations: float
    bytes: float

    def least_seconds(self, part: Part) -> float:
        return max(part.operations / self.operations, part.bytes / self.bytes)


def main() -> None:
    options = _options()
    torch.set_num_threads(options.threads)
    device = torch.device(options.device)
    machine = measured_machine(device)
    lines = [
        title("Roofline"),
        "",
        f"Hardware: {name_of(device)}, {options.threads} thread(s): {machine.operations / 1e9:.0f} Gflop/s in a matrix "
        f"product of 32 bits, {machine.bytes / 1e9:.1f} GB/s copied.",
        versions("cryofifa", "torch"),
        made_by("roofline.py"),
        "",
        *table(HEAD, (cells for name in options.sets for cells in rows_of(name, options, device, machine))),
    ]
    write_page(options.results, "roofline", lines)


HEAD = ("set", "moment", "part", "ms per step", "share", "Mflop", "MB", "Gflop/s", "possible / taken")


def rows_of(name: str, options: argparse.Namespace, device: torch.device, machine: Machine) -> Iterator[list[str]]:
    loop = new_loop(options.data / name / f"{name}.star", device)
    members = torch.arange(loop.config.curriculum.minibatch, device=device)
    for moment, progress in MOMENTS.items():
        stage = stage_at(loop.curriculum, progress)
        sampled = loop.sampled_volumes(stage)
        image = loop.images_of(members)
        loop._step(members, image, sampled, stage, 0, 0)  # first calls plan and allocate
        parts: dict[str, Part] = defaultdict(Part)
        started = now(device)
        with counted(parts, device):
            for step in range(STEPS):
                if step % loop.minibatches_per_sampling == 0:
                    sampled = loop.sampled_volumes(stage)
                loop._step(members, image, sampled, stage, 0, step)
        whole = now(device) - started
        parts["all else"] = Part(whole - sum(one.seconds for one in parts.values()))
        for label, part in parts.items():
            known = part.operations > 0 or part.bytes > 0
            yield [
                name,
                moment,
                label,
                f"{part.seconds / STEPS * 1e3:.1f}",
                f"{part.seconds / whole:.0%}",
                f"{part.operations / STEPS / 1e6:.0f}" if known else "",
                f"{part.bytes / STEPS / 1e6:.0f}" if known else "",
                f"{part.operations / part.seconds / 1e9:.1f}" if known else "",
                f"{machine.least_seconds(part) / part.seconds:.0%}" if known else "",
            ]


def new_loop(particles: Path, device: torch.device) -> AbInitio:
    """Ab initio as a default run begins it."""
    config = Config(device="cuda" if device.type == "cuda" else "cpu")
    prepared, known = working_set(particles, config, most=2000)
    plan = prepared.plan
    return AbInitio(config, plan.curriculum, known, plan.particle_radius_angstrom, plan.shift_range_angstrom)


@contextmanager
def counted(parts: dict[str, Part], device: torch.device) -> Iterator[None]:
    """Count and time what the step calls while this is open; a part that another one calls is timed as its own."""
    running: list[list[float]] = []  # seconds of the parts inside those that run

    def watched(label: str, function: Callable[..., Any], cost: Callable[..., tuple[float, float]]) -> Any:
        def called(*values: Any, **named: Any) -> Any:
            running.append([])
            started = now(device)
            with FlopCounterMode(display=False) as counter:
                found = function(*values, **named)
            taken = now(device) - started
            inside = sum(running.pop())
            if running:
                running[-1].append(taken)
            part, (operations, read) = parts[label], cost(found, *values)
            part.seconds += taken - inside
            part.operations += operations or counter.get_total_flops()
            part.bytes += read
            return found

        return called

    with ExitStack() as stack:
        for label, owner, name, cost in WATCHED:
            stack.enter_context(patch.object(owner, name, watched(label, getattr(owner, name), cost)))
        yield


def orientation_set_cost(
    least: Tensor,
    orientation_set: OrientationSet,
    image: Tensor,
    ctf: Tensor,  # noqa: ARG001
    penalty: Tensor,
) -> tuple[float, float]:
    points, rows = image.shape[1], penalty.numel()
    distances = rows * len(orientation_set.rotation)
    # the power's product is of real numbers
    operations = 4.0 * distances * points + 2.0 * least.numel() * points
    return operations, NUMBER * (2 * rows * points + 3 * orientation_set.power.numel() + 2 * distances)


def shift_cost(distance: Tensor, centred: Tensor, model: Tensor, phase: Tensor) -> tuple[float, float]:
    moved = len(centred) * phase.numel()
    cross = 4.0 * model.numel() * len(phase)
    return cross + 6 * moved + 4 * model.numel(), NUMBER * (4 * model.numel() + 4 * moved + 3 * distance.numel())


def slice_cost(found: Tensor, *_: object) -> tuple[float, float]:
    """Trilinear reading: eight neighbours of two numbers, and what places them."""
    return found.numel() * (8 * 2 * 2 + 40.0), NUMBER * found.numel() * (8 * 2 + 3 + 2)


def unknown(*_: object) -> tuple[float, float]:
    """Arithmetic as torch counts it; no traffic."""
    return 0.0, 0.0


WATCHED: tuple[tuple[str, Any, str, Callable[..., tuple[float, float]]], ...] = (
    ("orientation_set: distances", OrientationSet, "least_distance", orientation_set_cost),
    ("candidates: distances over shifts", pose_search, "squared_distance_over_shifts", shift_cost),
    ("slices read from the sampled volume", FourierGrid, "slices", slice_cost),
    ("encoder, forwards", PoseEncoder, "forward", unknown),
    ("sampled volumes of the decoders", AbInitio, "sampled_volumes", unknown),
    ("minibatch: mask, transform, CTF", AbInitio, "minibatch_of", unknown),
    ("gradients", Tensor, "backward", unknown),
)


def now(device: torch.device) -> float:
    if device.type == "cuda":
        torch.cuda.synchronize()
    return time.perf_counter()


def name_of(device: torch.device) -> str:
    return processor() if device.type == "cpu" else torch.cuda.get_device_name()


def measured_machine(device: torch.device) -> Machine:
    side, count = 1024, 1 << 25
    one, line = torch.randn(side, side, device=device), torch.randn(count, device=device)
    other = torch.empty_like(line)

    def best(work: Callable[[], object]) -> float:
        seconds = []
        for _ in range(7):
            started = now(device)
            work()
            seconds.append(now(device) - started)
        return min(seconds)

    return Machine(2 * side**3 / best(lambda: one @ one), 2 * NUMBER * count / best(lambda: other.copy_(line)))


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--sets", nargs="+", choices=("gpcr", "ribosome"), default=["gpcr", "ribosome"])
    parser.add_argument("--device", choices=("cpu", "cuda"), default="cpu")
    parser.add_argument("--threads", type=int, default=min(2, len(os.sched_getaffinity(0))))
    parser.add_argument("--data", type=Path, default=DATA, help="folder of the particle sets (CRYOFIFA_DATA)")
    parser.add_argument("--results", type=Path, default=REPOSITORY / "benchmarks" / "results", help="of the table")
    return parser.parse_args()


if __name__ == "__main__":
    sys.exit(main())
