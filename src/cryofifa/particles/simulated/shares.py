"""Shares: how many rows each of several kinds gets, so that every kind has its share to the nearest row."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from jaxtyping import Int64


def in_turn(count: int, weights: Sequence[float]) -> Int64[np.ndarray, " count"]:
    """The number of a kind for each of `count` rows, the kinds taking turns as their weights say.

    Of equal weights each comes once in every round, in their order.
    """
    weight = np.asarray(weights, dtype=np.float64) / np.sum(weights)
    turns = [(np.arange(np.ceil(count * share).astype(np.int64)) + 0.5) / share for share in weight[weight > 0]]
    kind = np.repeat(np.flatnonzero(weight > 0), [len(turn) for turn in turns])
    return kind[np.lexsort((kind, np.concatenate(turns)))][:count].astype(np.int64)
