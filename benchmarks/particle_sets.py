"""The particle sets of the benchmarks: where they lie, and how each is measured."""

import os
from dataclasses import dataclass
from pathlib import Path

REPOSITORY = Path(__file__).resolve().parent.parent
DATA = Path(os.environ.get("CRYOFIFA_DATA", REPOSITORY.parent / "shared" / "data"))  # folder of the particle sets


@dataclass(frozen=True)
class ParticleSet:
    """How one set is measured; the program is told its point group and no more."""

    name: str
    mask_radius_share: float
    symmetry: str
    seeds: tuple[int, ...]


SETS = {
    "gpcr": ParticleSet("gpcr", 0.35, "C1", (1, 2, 3)),
    "ribosome": ParticleSet("ribosome", 0.45, "C1", (1, 2, 3)),
    # particles of 61 A; the model has no water, which the spherical mean shows beyond a mask of 66 A
    "apoferritin": ParticleSet("apoferritin", 0.275, "O", (1, 2, 3)),
}
