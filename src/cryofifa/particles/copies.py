"""Particles that share their noise: images listed twice, and picks so near to each other that both show one particle.

Joined lists, repeated picking and symmetry-expanded files have such copies. If one copy goes into each half of the
particles, their common noise makes the half maps agree, and the resolution is not earned.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from jaxtyping import Int64
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components
from scipy.spatial import KDTree

from cryofifa.particles.files.micrograph_positions import micrograph_positions
from cryofifa.particles.files.table import ParticleTable

NEIGHBOURS = 8  # of each pick that are looked at: enough to connect all copies, and bounded for any file
LEAST_DISTINCT_SHARE = 0.1  # of the positions: where fewer differ, they are placeholders and not coordinates


@dataclass(frozen=True)
class Copies:
    """Which particles are copies of each other.

    Attributes:
        group: of every particle, the first row of the table that it is a copy of; its own row where it is the first.
        listed_again: how many particles have an image that an earlier row has.
        overlapping: how many of the others lie next to another pick.
    """

    group: Int64[np.ndarray, " n"]
    listed_again: int
    overlapping: int

    def as_text(self, file_rows: Int64[np.ndarray, " n"], nearer_than_angstrom: float) -> str | None:
        """One line that says how many copies there are and what is done with them; None where there are none.

        Args:
            file_rows: row in the particle file of every particle.
            nearer_than_angstrom: as in `find_copies`.
        """
        parts = []
        if self.listed_again:
            parts.append(f"{self.listed_again} rows name an image that an earlier row has")
        if self.overlapping:
            parts.append(f"{self.overlapping} picks lie within {nearer_than_angstrom:.0f} A of another")
        if not parts:
            return None
        copy = int(np.flatnonzero(self.group != np.arange(len(self.group)))[0])
        return (
            f"{' and '.join(parts)} (rows {file_rows[self.group[copy]]} and {file_rows[copy]} first, counted from 0): "
            "copies of a particle go into one half, for the noise that they share would make the half maps agree"
        )


def find_copies(table: ParticleTable, nearer_than_angstrom: float) -> Copies:
    """Find the copies in a table.

    Args:
        table: the particles.
        nearer_than_angstrom: picks of one micrograph within this distance may show the same particle.
    """
    count = len(table)
    stack = np.unique([str(path) for path in table.stack_paths], return_inverse=True)[1]
    by_image = _first_of_equal(np.column_stack([stack[table.stack_index], table.frame_index]))
    near = _near_picks(table, nearer_than_angstrom)
    edges = np.concatenate([np.column_stack([np.arange(count), by_image]), near])
    graph = coo_array((np.ones(len(edges), dtype=bool), (edges[:, 0], edges[:, 1])), shape=(count, count))
    component = connected_components(graph, directed=False)[1].astype(np.int64)
    again = by_image != np.arange(count)
    of_other_images = near[by_image[near[:, 0]] != by_image[near[:, 1]]]
    overlapping = np.setdiff1d(of_other_images, np.flatnonzero(again))
    return Copies(_first_of_equal(component[:, None]), int(again.sum()), len(overlapping))


def _near_picks(table: ParticleTable, nearer_than_angstrom: float) -> Int64[np.ndarray, "edges 2"]:
    """Pairs of rows whose picks lie in one micrograph and near to each other."""
    nothing = np.zeros((0, 2), dtype=np.int64)
    positions = micrograph_positions(table)
    if positions is None:
        return nothing
    rows = np.flatnonzero(np.isfinite(positions.position_angstrom).all(axis=1))
    place = np.column_stack([positions.micrograph[rows], positions.position_angstrom[rows]])
    distinct, first, back = np.unique(place, axis=0, return_index=True, return_inverse=True)
    if len(distinct) <= max(1, LEAST_DISTINCT_SHARE * len(rows)):
        return nothing
    same = np.column_stack([rows, rows[first[back.reshape(-1)]]])
    # micrographs lie far apart along a third axis, so that one tree serves all
    distinct[:, 0] *= 10 * nearer_than_angstrom
    tree = KDTree(distinct)
    most = min(NEIGHBOURS + 1, len(distinct))
    neighbour = np.asarray(tree.query(distinct, k=most, distance_upper_bound=nearer_than_angstrom)[1])
    pick, which = np.nonzero(neighbour < len(distinct))
    near = rows[first[np.column_stack([pick, neighbour[pick, which]])]]
    return np.concatenate([same[same[:, 0] != same[:, 1]], near[near[:, 0] != near[:, 1]]])


def _first_of_equal(values: np.ndarray) -> Int64[np.ndarray, " n"]:
    """Of every row of a table, the first row that is equal to it."""
    _, first, back = np.unique(values, axis=0, return_index=True, return_inverse=True)
    return first[back.reshape(-1)].astype(np.int64)
