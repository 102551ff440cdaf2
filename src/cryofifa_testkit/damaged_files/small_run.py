"""A finished run of a small simulated set, whose settings and checkpoint are to be damaged."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch

from cryofifa.main_path import reconstruct
from cryofifa.particles.files.read import read_particles
from cryofifa.particles.kept_images import ImagesInMemory
from cryofifa.particles.preprocess import ParticleImages
from cryofifa.particles.stacks import ImageStacks
from cryofifa.run.folder import RunFolder
from cryofifa.settings.config import Config
from cryofifa.train.working_set import WorkingSet
from cryofifa_testkit.small_sets import simulated_particles

PIXEL_ANGSTROM, BOX = 10.0, 16
SMALL = Config().changed(
    encoder={"channels": 2, "stages": 1, "feature_width": 8},
    decoder={"fourier_net": {"width": 8, "modulant_layers": 1, "envelope_layers": 1}},
    starts={"count": 1, "growth_visits": 80, "most_visits": 80, "minibatch": 40, "orientations": 60},
    curriculum={"visits": 24, "fewest_epochs": 1},
    search={"orientations": 20},
    half_map_refinement={"iterations": 1, "most_searches": 1, "candidates": 2},
    encoder_refinement={"epochs": 1},
)


@dataclass(frozen=True)
class SmallRun:
    """A finished run of a small simulated set, and its particles as a further run would get them."""

    folder: RunFolder
    particles: Path
    images: ParticleImages


def small_run(folder: Path) -> SmallRun:
    folder.mkdir(parents=True, exist_ok=True)
    particles = simulated_particles(folder, particles=24, box=BOX, pixel_size_angstrom=PIXEL_ANGSTROM)
    reconstruct(particles, folder / "run", config=SMALL)
    table = read_particles(particles)
    return SmallRun(RunFolder(folder / "run"), particles, ParticleImages(table, ImageStacks(table)))


def whole_working_set(images: ParticleImages, frame: Any) -> WorkingSet:
    rows = np.arange(len(images.table))
    ctf = images.ctf_parameters()
    kept = ImagesInMemory(images.in_frame(rows, frame))
    return WorkingSet(torch.from_numpy(rows), kept, ctf, frame.pixel_size_angstrom)
