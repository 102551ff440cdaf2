"""The poses of a set of particles, in CryoFIFA's own convention."""

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float64, Int64


@dataclass(frozen=True)
class PoseTable:
    """One pose per particle, in the order of the particle table it belongs to.

    Attributes:
        rotation_volume_to_image: A of r_image = A r_volume.
        shift_angstrom: (x, y) shift that brings the particle to the box centre, as rlnOriginX/YAngst.
        score: how well the image agrees with its pose, higher is better; NaN where unknown.
        random_subset: half set, 1 or 2; 0 where unknown.

    Raises:
        ValueError: if shapes disagree.
    """

    rotation_volume_to_image: Float64[np.ndarray, "n 3 3"]
    shift_angstrom: Float64[np.ndarray, "n 2"]
    score: Float64[np.ndarray, " n"]
    random_subset: Int64[np.ndarray, " n"]

    def __post_init__(self) -> None:
        n = len(self.rotation_volume_to_image)
        shapes = {
            "rotation_volume_to_image": (n, 3, 3),
            "shift_angstrom": (n, 2),
            "score": (n,),
            "random_subset": (n,),
        }
        for name, shape in shapes.items():
            if getattr(self, name).shape != shape:
                raise ValueError(f"{name} has shape {getattr(self, name).shape}, expected {shape}")

    def select(self, rows: Int64[np.ndarray, " m"]) -> "PoseTable":
        """The poses at these 0-based positions, in this order."""
        return PoseTable(
            self.rotation_volume_to_image[rows], self.shift_angstrom[rows], self.score[rows], self.random_subset[rows]
        )

    def __len__(self) -> int:
        """The number of particles."""
        return len(self.rotation_volume_to_image)
