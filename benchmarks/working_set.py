"""A particle file as ab initio of a default run gets it, for benchmarks of parts of the run."""

from pathlib import Path

import numpy as np
import torch

from cryofifa import Config
from cryofifa.particles.kept_images import Room, keep_images
from cryofifa.run.prepare import Prepared, prepare
from cryofifa.train.working_set import WorkingSet


def working_set(particles: Path, config: Config, most: int | None = None) -> tuple[Prepared, WorkingSet]:
    """The prepared run, and its first `most` particles at the working box."""
    prepared = prepare(particles, None, None, config)
    frame, rows = prepared.plan.ab_initio_frame, np.arange(len(prepared.images.table))[:most]
    room = Room.of_settings(config.memory_gib, config.cache_folder, config.cache_gib)
    image = keep_images(prepared.images, frame, rows, prepared.device, room, 0, print)
    row = torch.from_numpy(rows)
    ctf = prepared.images.ctf_parameters()[row].to(prepared.device)
    return prepared, WorkingSet(row, image, ctf, frame.pixel_size_angstrom, prepared.plan.noise)
