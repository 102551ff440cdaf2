"""Simulated particle sets and finished runs on them, each made once and resumed where it was cut off."""

import shlex
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import numpy as np

from cryofifa.mrc_map import write_map
from cryofifa.particles.simulated.draws import Views
from cryofifa.particles.simulated.pseudo_protein import pseudo_protein
from cryofifa.particles.simulated.simulate import simulate
from cryofifa.settings.sample import PLAIN, SampleSettings, read_sample


@dataclass(frozen=True)
class SimulatedSet:
    """All that makes a set; structure None is the made-up protein, sample None a plain one in white noise."""

    structure: Path | None
    select: str | None
    particles: int
    box: int
    pixel_size_angstrom: float
    snr: float
    junk: float = 0.0
    views: Views = "uniform"
    seed: int = 0
    dtype: Literal["float32", "float16"] = "float32"
    sample: Path | None = None

    @property
    def name(self) -> str:
        """Says all, so that another set does not meet this one's runs."""
        structure = "pseudo" if self.structure is None else self.structure.stem + (self.select or "")
        size = f"{self.particles}x{self.box}px-{self.pixel_size_angstrom:g}A-snr{self.snr:g}"
        sample = "" if self.sample is None else f"-{self.sample.stem}"
        return f"{structure}-{size}-junk{self.junk:g}-{self.views}-seed{self.seed}{sample}".replace("/", "_")

    def made(self, folder: Path) -> Path:
        """The particle file, simulated where it is not there yet (it is written last)."""
        folder = folder / f"set-{self.name}"
        particles = folder / "particles.star"
        if not particles.exists():
            simulate(
                self.structure or made_up_structure(folder, self.box, self.pixel_size_angstrom),
                folder,
                particles=self.particles,
                box=self.box,
                pixel_size_angstrom=self.pixel_size_angstrom,
                snr=self.snr,
                junk=self.junk,
                select=self.select,
                views=self.views,
                seed=self.seed,
                dtype=self.dtype,
                sample=sample_settings(self.sample),
            )
        return particles


def sample_settings(path: Path | None) -> SampleSettings:
    """What makes images hard, as a file says it; without one, images are plain."""
    return PLAIN if path is None else read_sample(path, SampleSettings())


def made_up_structure(folder: Path, box: int, pixel_size_angstrom: float) -> Path:
    """A protein that needs no file, as a map in the folder."""
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / "structure.mrc"
    write_map(path, pseudo_protein(box, pixel_size_angstrom), pixel_size_angstrom)
    return path


def junk_rows(particles: Path) -> np.ndarray:
    """Rows of a simulated set that are no particles."""
    return np.array([int(row) for row in (particles.parent / "truth" / "junk.txt").read_text().split()], dtype=int)


def reconstructed(particles: Path, run: Path, seed: int, config: Path | None = None) -> None:
    """A finished run, resumed where it is not.

    Raises:
        SystemExit: if the program fails.
    """
    if (run / "run.json").exists():
        return
    print(f"{run.name} ...", flush=True)
    command = [sys.executable, "-m", "cryofifa", "reconstruct", str(particles), "-o", str(run), "--seed", str(seed)]
    if config is not None:
        command += ["--config", str(config)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode != 0:
        sys.exit(f"{shlex.join(command)}\nended with {done.returncode}:\n{done.stderr[-2000:]}")
