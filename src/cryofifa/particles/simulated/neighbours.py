"""Neighbours: a second particle near the first, of which a part lies in the box."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool, Float
from scipy.spatial.transform import Rotation

from cryofifa.particles.simulated.random_streams import Stream, generator_of
from cryofifa.particles.simulated.scene import Scene
from cryofifa.settings.sample import NeighbourSettings

# Where a neighbour's centre lies, in radii of the particle: from the middle of the box at least so far that the two
# touch a little, and about the box's edge within these limits. Our choice.
_LEAST_DISTANCE, _INSIDE_EDGE, _OUTSIDE_EDGE = 1.7, 0.7, 0.3


@dataclass(frozen=True)
class Neighbours:
    """The neighbour of every image, or none.

    Attributes:
        present: which images have one.
        place_angstrom: of its centre (x, y), from the box centre.
    """

    scene: Scene
    present: Bool[np.ndarray, " n"]
    place_angstrom: Float[np.ndarray, "n 2"]
    rotation_volume_to_image: Float[np.ndarray, "n 3 3"]

    @classmethod
    def drawn(cls, scene: Scene, settings: NeighbourSettings) -> Neighbours:
        """Draw them: the share that has one, and poses and places for all."""
        n, generator = len(scene.drawn.junk_kind), generator_of(scene.seed, Stream.NEIGHBOURS)
        present = np.zeros(n, dtype=bool)
        present[generator.permutation(n)[: round(settings.share * n)]] = True
        angle = generator.uniform(0, 2 * np.pi, n)
        direction = np.stack([np.cos(angle), np.sin(angle)], axis=1)
        to_edge = 0.5 * scene.plane.extent_angstrom / np.abs(direction).max(axis=1)
        farthest = to_edge + _OUTSIDE_EDGE * scene.radius_angstrom
        nearest = np.maximum(to_edge - _INSIDE_EDGE * scene.radius_angstrom, _LEAST_DISTANCE * scene.radius_angstrom)
        distance = generator.uniform(np.minimum(nearest, farthest), farthest)
        rotation = Rotation.from_quat(generator.standard_normal((n, 4))).as_matrix()
        return cls(scene, present, distance[:, None] * direction, rotation)

    def images(self, rows: range) -> Float[np.ndarray, "n y x"]:
        """What the neighbours add to the images of these rows."""
        size = self.scene.plane.box_size
        added = np.zeros((len(rows), size, size), dtype=np.float32)
        for place, row in enumerate(rows):
            if self.present[row]:
                one = slice(row, row + 1)
                generator = generator_of(self.scene.seed, Stream.NEIGHBOURS, row)
                added[place] = self.scene.copies(
                    row, self.rotation_volume_to_image[one], self.place_angstrom[one], generator
                ).numpy()
        return added
