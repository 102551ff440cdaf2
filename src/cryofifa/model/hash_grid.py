"""A decoder of learned features in hashed grids and a small network (after Mueller et al. 2022, instant-ngp).

    D(k) = network(features_1(k), features_2(k), ...)        each read by trilinear interpolation from its own table

Each grid is twice as coarse as the one before. Grid points near the origin have rows of their own in their grid's
table, others share rows by a hash of their indices. A point has the same row whatever the box.
"""

from __future__ import annotations

import itertools
from functools import lru_cache

import torch
from jaxtyping import Float, Int
from torch import Tensor, nn

from cryofifa.model.coordinate_decoder import CoordinateDecoder

PRIMES = (1, 2_654_435_761, 805_459_861)  # those of the published hash function
CORNERS = tuple(itertools.product((0, 1), repeat=3))


def corners_and_weights(position: Float[Tensor, "n 3"]) -> tuple[Int[Tensor, "n 8 3"], Float[Tensor, "n 8"]]:
    """The eight grid points around every position, and their weights in trilinear interpolation.

    position: in units of the grid's spacing.
    """
    corner = _corners_on(position.device)
    base = position.floor()
    upper = (position - base)[:, None]
    return base.long()[:, None] + corner, torch.where(corner.bool(), upper, 1 - upper).prod(-1)


@lru_cache(maxsize=8)
def _corners_on(device: torch.device) -> Int[Tensor, "8 3"]:
    """Made once per device: copying it to a GPU would wait for the work queued there."""
    return torch.tensor(CORNERS, device=device)


def row_of(point: Int[Tensor, "*batch 3"], reach: int) -> Int[Tensor, "*batch"]:
    """The row of a grid point in a table of `rows_for(reach)` rows.

    Points nearer to the origin than `reach` along every axis have a row of their own, others one by their hash.

    point: integer grid indices (x, y, z), with x >= 0.
    """
    x, y, z = point.unbind(-1)
    own = (x * 2 * reach + y + reach) * 2 * reach + z + reach
    near = (x < reach) & (y.abs() < reach) & (z.abs() < reach)
    return torch.where(near, own, (x * PRIMES[0] ^ y * PRIMES[1] ^ z * PRIMES[2]) % rows_for(reach))


def rows_for(reach: int) -> int:
    """Rows of a table: the grid points of half a cube of side 2 reach."""
    return reach * (2 * reach) ** 2


class HashGrid(CoordinateDecoder):
    """A decoder of features learned on grids around a coordinate, combined by a small network.

    finest: spacing of the finest grid in Fourier pixels. It alone limits how large the volume can be, and so how much
        noise is learned.
    levels: number of grids.
    reach: grid points along half an axis that share no row; our choice.
    features, width: features per grid point, and width of the network; as in instant-ngp.
    """

    def __init__(self, *, finest: float, levels: int, reach: int = 32, features: int = 2, width: int = 64) -> None:
        super().__init__()
        self.reach = reach
        self.spacing = [finest * 2**level for level in range(levels)]
        self.tables = nn.ParameterList(
            nn.init.uniform_(torch.empty(rows_for(reach), features), -1e-2, 1e-2) for _ in self.spacing
        )
        self.network = nn.Sequential(
            nn.Linear(levels * features, width), nn.SiLU(), nn.Linear(width, width), nn.SiLU(), nn.Linear(width, 2)
        )

    def values_at(self, folded: Float[Tensor, "n 3"]) -> Float[Tensor, "n 2"]:
        """The network's output for the features that all grids have at the coordinate."""
        features = []
        for table, spacing in zip(self.tables, self.spacing, strict=True):
            point, weight = corners_and_weights(folded / spacing)
            row = row_of(point, self.reach)
            features.append(nn.functional.embedding_bag(row, table, per_sample_weights=weight, mode="sum"))
        return self.network(torch.cat(features, dim=-1))

    @property
    def numbers_per_point(self) -> int:
        """As in `CoordinateDecoder`, counted over the grids and the network's layers."""
        # per level: 8 rows (64 bits each), weights and their factors; per layer: its input before and after the SiLU
        network = sum(2 * layer.in_features for layer in self.network if isinstance(layer, nn.Linear))
        return 8 * 6 * len(self.spacing) + network
