"""The three heaviest kernels of a run on a GPU, beside what the machine can do.

    python benchmarks/gpu_kernels.py
    python benchmarks/gpu_kernels.py --device cpu --particles 8 --box 32        # to try it

Back-projection adds 24 numbers per Fourier point to a grid, trilinear reading fetches 16 of one, and the normal
equations of a Gauss-Newton step are products of 5 rows with 5. Operations and bytes are those that must be: every
number read or written once, however often a kernel does so.
"""

import argparse
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import cryofifa.system.threads  # isort: skip  # before torch  # noqa: F401
import torch
from particle_sets import REPOSITORY
from result_page import made_by, table, title, versions, write_page
from roofline import NUMBER, Machine, Part, measured_machine, name_of, now

from cryofifa.physics.back_projection import BackProjector
from cryofifa.physics.central_slice import FourierGrid, slice_coordinates
from cryofifa.physics.fourier import HalfPlane
from cryofifa.physics.rotations import rotation_from_uniform

REPEATS = 5
HEAD = ("kernel", "Fourier points", "ms", "Gflop/s", "GB/s", "possible / taken")


def main() -> None:
    options = _options()
    device = torch.device(options.device)
    machine = measured_machine(device)
    lines = [
        title("Kernels on a GPU"),
        "",
        f"Hardware: {name_of(device)}: {machine.operations / 1e9:.0f} Gflop/s in a matrix product of 32 bits, "
        f"{machine.bytes / 1e9:.0f} GB/s copied.",
        f"{options.particles} particles of {options.box} px, the best of {REPEATS}.",
        versions("cryofifa", "torch"),
        made_by("gpu_kernels.py"),
        "",
        *table(HEAD, rows(options.particles, options.box, device, machine)),
    ]
    write_page(options.results, "gpu-kernels", lines)


def rows(particles: int, box: int, device: torch.device, machine: Machine) -> Iterator[list[str]]:
    plane = HalfPlane.of_box(box, 1.0, device=device)
    rotation = rotation_from_uniform(torch.rand(particles, 3, device=device))
    points = particles * len(plane)
    image = torch.randn(particles, len(plane), dtype=torch.complex64, device=device)
    ctf = torch.rand(particles, len(plane), device=device)
    sums = BackProjector.empty(box, device)
    grid = FourierGrid.from_volume(torch.randn(box, box, box, device=device), box // 2)
    coordinate = slice_coordinates(rotation, plane)
    derivatives = torch.randn(particles, 5, len(plane), dtype=torch.complex64, device=device)
    transposed = derivatives.mT
    works: dict[str, tuple[Callable[[], object], float, float]] = {
        # eight weights of three factors; of each corner three products and sums, read and written
        "back-projection: add": (lambda: sums.add(image, ctf, rotation, plane), 8 * 9, (3 + 8 * 3 * 2) * NUMBER),
        # seven interpolations of two numbers, of 3 operations each
        "trilinear reading of slices": (lambda: grid.at(coordinate), 7 * 2 * 3, (3 + 8 * 2 + 2) * NUMBER),
        "normal equations": (lambda: derivatives.conj() @ transposed, 8 * 25, 5 * 2 * NUMBER),
    }
    for label, (work, operations, numbers) in works.items():
        work()
        part = Part(least_seconds(work, device), operations * points, numbers * points)
        yield [
            label,
            f"{points / 1e6:.1f} M",
            f"{part.seconds * 1e3:.2f}",
            f"{part.operations / part.seconds / 1e9:.0f}",
            f"{part.bytes / part.seconds / 1e9:.0f}",
            f"{machine.least_seconds(part) / part.seconds:.0%}",
        ]


def least_seconds(work: Callable[[], object], device: torch.device) -> float:
    taken = []
    for _ in range(REPEATS):
        started = now(device)
        work()
        taken.append(now(device) - started)
    return min(taken)


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--particles", type=int, default=1024, help="dealt with at once")
    parser.add_argument("--box", type=int, default=128)
    parser.add_argument("--device", choices=("cpu", "cuda"), default="cuda")
    parser.add_argument("--results", type=Path, default=REPOSITORY / "benchmarks" / "results", help="of the table")
    return parser.parse_args()


if __name__ == "__main__":
    sys.exit(main())
