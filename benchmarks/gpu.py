"""A large simulated set on a GPU: time per phase, particles per second, resolution, pose error, peak memory.

    python benchmarks/gpu.py --structure 3SN6.cif --select '*/1-1000' --work /tmp/gpu
    python benchmarks/gpu.py --structure 3SN6.cif --device cpu --particles 300 --box 32 --pixel-size 7 --work /tmp/tiny

The images are made on the device, block by block, and kept as float16: 100,000 of 128 px take seconds and 3.3 GB. The
folder given with --work is used again: a complete set is not made twice, and a stopped run goes on.
"""

import argparse
import json
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch

from cryofifa import evaluate
from cryofifa.mrc_map import write_map
from cryofifa.particles.simulated.draws import draw_parameters
from cryofifa.particles.simulated.scene import SIGNAL_DISC_SHARE
from cryofifa.particles.simulated.simulated_set import (
    SimulatedParameters,
    write_stack,
    write_star,
)
from cryofifa.particles.simulated.structure import structure_volume
from cryofifa.physics.central_slice import FourierGrid
from cryofifa.physics.ctf import contrast_transfer
from cryofifa.physics.fourier import HalfPlane, inverse_fourier_2d
from cryofifa.physics.image_formation import form_image
from cryofifa.physics.mask import circular_mask

DEFOCUS_ANGSTROM = (8000.0, 25000.0)
SHIFT_SD_PIXEL = 1.5
IMAGES_PER_BLOCK = 512


def main() -> None:
    options = _options()
    work, device = options.work, torch.device(options.device)
    particles, run = work / "particles", work / "run"
    if not (particles / "particles.star").exists():
        started = time.monotonic()
        simulate_on_device(options, particles, device)
        print(f"simulated {options.particles} particles in {time.monotonic() - started:.0f} s", flush=True)
    if run.exists():
        sys.exit(f"{run} exists; delete it, for a resumed run cannot be timed")
    command = [sys.executable, "-m", "cryofifa", "reconstruct", str(particles / "particles.star"), "-o", str(run)]
    command += ["--seed", str(options.seed), "--device", options.device]
    started = time.monotonic()
    with watched_gpu(options.device) as busy_percent:
        subprocess.run(command, check=True)
    wall = time.monotonic() - started
    print("\n" + as_table(options, run, particles / "truth", wall, busy_percent))


@contextmanager
def watched_gpu(device: str) -> Iterator[list[float]]:
    """How busy the driver says the GPU was, twice a second while this is open; empty where there is none to ask."""
    busy_percent: list[float] = []
    asker = shutil.which("nvidia-smi") if device == "cuda" else None
    if asker is None:
        yield busy_percent
        return
    query = [asker, "--query-gpu=utilization.gpu", "--format=csv,noheader,nounits", "--id=0", "--loop-ms=500"]
    with tempfile.TemporaryFile("w+") as said:
        watcher = subprocess.Popen(query, stdout=said)
        try:
            yield busy_percent
        finally:
            watcher.terminate()
            watcher.wait()
            said.seek(0)
            busy_percent += [float(line) for line in said if line.strip().isdigit()]


def simulate_on_device(options: argparse.Namespace, output: Path, device: torch.device) -> None:
    """The same images as `cryofifa simulate` in distribution, with the noise drawn on the device."""
    truth = output / "truth"
    truth.mkdir(parents=True, exist_ok=True)
    volume = structure_volume(options.structure, options.box, options.pixel_size, options.select)
    generator = np.random.default_rng([options.seed, 0])
    drawn = draw_parameters(
        options.particles, options.pixel_size, SHIFT_SD_PIXEL, DEFOCUS_ANGSTROM, 0.0, "uniform", generator
    )
    maker = ImageMaker(
        FourierGrid.from_volume(volume.to(device), options.box // 2),
        HalfPlane.of_box(options.box, options.pixel_size, with_origin=True, device=device),
        drawn,
        device,
    )
    blocks = noisy_blocks(maker, options.snr, options.seed)
    write_stack(output / "particles.mrcs", blocks, options.particles, options.box, options.pixel_size, "float16")
    write_map(truth / "map.mrc", volume, options.pixel_size)
    write_star(truth / "poses.star", drawn, options.box, options.pixel_size, with_poses=True)
    write_star(output / "particles.star", drawn, options.box, options.pixel_size, with_poses=False)


@dataclass(frozen=True)
class ImageMaker:
    """Noise-free images of the drawn particles, on the device."""

    grid: FourierGrid
    plane: HalfPlane
    drawn: SimulatedParameters
    device: torch.device

    def images(self, rows: slice) -> torch.Tensor:
        """F^-1[ CTF * slice * exp(2 pi i k.t) ]."""
        drawn = self.drawn
        slices = self.grid.slices(self._on_device(drawn.rotation_volume_to_image[rows]), self.plane)
        contrast = contrast_transfer(drawn.ctf(rows).to(self.device), self.plane.frequency_per_angstrom)
        shift = self._on_device(drawn.shift_angstrom[rows])
        return inverse_fourier_2d(self.plane.fill(form_image(slices, contrast, shift, self.plane)))

    def _on_device(self, values: np.ndarray) -> torch.Tensor:
        return torch.from_numpy(values).float().to(self.device)


def noisy_blocks(maker: ImageMaker, snr: float, seed: int) -> Iterator[tuple[int, np.ndarray]]:
    """First row and images of every block; noise of sd 1."""
    generator = torch.Generator(maker.device).manual_seed(seed)
    size, n = maker.plane.box_size, len(maker.drawn.junk_kind)
    disc = circular_mask(size, SIGNAL_DISC_SHARE * size, 0.0, device=maker.device) > 0
    scale = (snr / maker.images(slice(0, 256))[:, disc].double().var(dim=1).mean()).sqrt().float()
    for first in range(0, n, IMAGES_PER_BLOCK):
        clean = maker.images(slice(first, min(first + IMAGES_PER_BLOCK, n)))
        noise = torch.randn(clean.shape, generator=generator, device=maker.device)
        yield first, (clean * scale + noise).cpu().numpy()


def as_table(options: argparse.Namespace, run: Path, truth: Path, wall: float, busy_percent: list[float]) -> str:
    """What was measured, as markdown."""
    summary = json.loads((run / "run.json").read_text(encoding="utf-8"))
    found = evaluate(run, truth / "map.mrc", truth / "poses.star", radius=options.radius)
    seconds = summary["timings_seconds"]
    visits = sum(record["particles"] for record in summary["history"])
    searching = sum(record["seconds"] for record in summary["history"])
    gpu_memory = summary.get("peak_gpu_memory_gib")
    device = torch.cuda.get_device_name() if options.device == "cuda" else "CPU"
    rows = [
        ("device", device),
        ("particles", f"{options.particles} x {options.box} px, {options.pixel_size} A/px, SNR {options.snr}"),
        *((f"time, {phase}", f"{value:.1f} s") for phase, value in seconds.items()),
        ("time of the command", f"{wall:.1f} s"),
        ("particles of the set per second", f"{options.particles / sum(seconds.values()):.0f}"),
        ("particle visits per second while searching", f"{visits / max(searching, 1e-9):.0f}"),
        ("FSC 0.5 against the truth", f"{found.resolution_fsc05_angstrom:.2f} A"),
        ("median rotation error", f"{found.median_rotation_error_degree:.2f} degrees"),
        ("within 10 degrees", f"{100 * (found.share_within_10_degree or 0):.1f} %"),
        ("median shift error", f"{found.median_shift_error_angstrom:.2f} A"),
        ("GPU busy, mean", f"{np.mean(busy_percent):.0f} %" if busy_percent else "-"),
        ("GPU busy, each 5 s", " ".join(f"{np.mean(some):.0f}" for some in parts_of(busy_percent)) or "-"),
        ("peak memory", f"{summary['peak_memory_gib']:.2f} GiB"),
        ("peak GPU memory", "-" if gpu_memory is None else f"{gpu_memory:.2f} GiB"),
    ]
    return "\n".join(["| what | value |", "|---|---|", *(f"| {name} | {value} |" for name, value in rows)])


def parts_of(busy_percent: list[float]) -> list[list[float]]:
    """What was said within 5 s each."""
    return [busy_percent[first : first + 10] for first in range(0, len(busy_percent), 10)]


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--structure", type=Path, required=True, help="model (.cif, .pdb) or map (.mrc)")
    parser.add_argument("--select", help="part of the model, gemmi's syntax")
    parser.add_argument("--work", type=Path, required=True, help="folder for the set and the run, on a local disk")
    parser.add_argument("--particles", type=int, default=100_000)
    parser.add_argument("--box", type=int, default=128)
    parser.add_argument("--pixel-size", type=float, default=1.928)
    parser.add_argument("--snr", type=float, default=0.1)
    parser.add_argument("--radius", type=float, default=0.35, help="of the soft sphere of the FSC, share of the box")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--device", choices=("cuda", "cpu"), default="cuda")
    return parser.parse_args()


if __name__ == "__main__":
    main()
