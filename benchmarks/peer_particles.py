"""The particles that all programs are given: a float32 copy of a set, or of its first particles, without poses."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import starfile
import torch
from particle_sets import SETS

from cryofifa.particles.files.star import read_star
from cryofifa.particles.files.star_blocks import read_star_blocks
from cryofifa.particles.preprocess import normalise_background
from cryofifa.particles.simulated.simulated_set import write_stack
from cryofifa.particles.stacks import ImageStacks

BLOCK = 1000


@dataclass(frozen=True)
class ComparedSet:
    """How a set is compared.

    mask_diameter_angstrom: told to programs that ask for it; 1.15 times the particle's, rounded up to 10.
    limits_angstrom: the resolutions that a map has to reach, coarse to fine.
    """

    name: str
    mask_diameter_angstrom: float
    limits_angstrom: tuple[float, float, float]

    @property
    def mask_radius_share(self) -> float:
        return SETS[self.name].mask_radius_share

    @property
    def symmetry(self) -> str:
        return SETS[self.name].symmetry


COMPARED_SETS = {
    "ribosome": ComparedSet("ribosome", 290.0, (30.0, 20.0, 16.0)),
    "gpcr": ComparedSet("gpcr", 140.0, (15.0, 10.0, 7.5)),
    "apoferritin": ComparedSet("apoferritin", 150.0, (20.0, 15.0, 12.0)),
}


@dataclass(frozen=True)
class ParticleCopy:
    """The files, and what they hold."""

    star: Path
    stack: Path
    particles: int
    box: int
    pixel_size_angstrom: float


def copied_particles(
    original: Path,
    most: int | None,
    folder: Path,
    prepared: Callable[[torch.Tensor], torch.Tensor] = normalise_background,
) -> ParticleCopy:
    """The first `most` particles of a STAR file (None: all) with one stack; made where it is not there yet.

    RELION 3.1 knows no float16, takes 8-bit integers as unsigned, and wants a background of mean 0 and sd 1.

    prepared: what is made of a block of images.
    """
    table = read_star(original)
    rows = np.arange(len(table))[:most]
    stack = folder / f"{original.stem}.mrcs"
    copy = ParticleCopy(folder / original.name, stack, len(rows), table.box_size, table.reference_pixel_size_angstrom)
    if copy.star.exists():
        return copy
    folder.mkdir(parents=True, exist_ok=True)
    images = ImageStacks(table)

    def blocks() -> Iterator[tuple[int, np.ndarray]]:
        for first in range(0, len(rows), BLOCK):
            image = torch.from_numpy(images.read(rows[first : first + BLOCK]))
            yield first, prepared(image).numpy()

    write_stack(stack, blocks(), copy.particles, copy.box, copy.pixel_size_angstrom, "float32")
    source = read_star_blocks(original)
    columns = source.particles.iloc[rows]
    poses = [label for label in columns.columns if label.startswith(("rlnAngle", "rlnOrigin"))]
    # RELION looks for stacks from where it is started, not from beside the STAR file
    names = [f"{row + 1:06d}@{stack.resolve()}" for row in rows]
    columns = columns.drop(columns=poses).assign(rlnImageName=names)
    partial = folder / "partial.star"  # the particle file comes last: whoever sees it sees a complete copy
    optics = {} if source.optics is None else {"optics": source.optics}
    starfile.write({**optics, "particles": columns}, partial)
    partial.rename(copy.star)
    return copy
