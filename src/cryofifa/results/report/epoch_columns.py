"""The records of epochs as arrays, one value per epoch, as plots take them."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from jaxtyping import Float

from cryofifa.names import HALF_MAP_REFINEMENT
from cryofifa.results.report.plots.winning_poses import OTHER
from cryofifa.train.epoch_record import WINNER_ORIGINS, EpochRecord


def epoch_column(history: Sequence[EpochRecord], name: str) -> Float[np.ndarray, " epochs"]:
    """The field of that name of every record; None becomes NaN."""
    values = [getattr(record, name) for record in history]
    return np.array([np.nan if value is None else value for value in values], dtype=np.float64)


def refinement_epochs(history: Sequence[EpochRecord]) -> list[int]:
    """The epochs that were iterations of half-map refinement."""
    return [record.epoch for record in history if record.phase == HALF_MAP_REFINEMENT]


def winner_share_columns(history: Sequence[EpochRecord]) -> dict[str, Float[np.ndarray, " epochs"]]:
    """The shares of the winning poses by origin, in the order of `WINNER_ORIGINS`, only those that ever occur.

    Origins of any other name come last, summed up as `OTHER`. A share that is missing or NaN counts as none.
    """
    found = {origin for record in history for origin in record.winner_shares}
    columns = {origin: _summed_shares(history, [origin]) for origin in WINNER_ORIGINS if origin in found}
    rest = sorted(found - set(WINNER_ORIGINS))
    return columns | ({OTHER: _summed_shares(history, rest)} if rest else {})


def _summed_shares(history: Sequence[EpochRecord], origins: Sequence[str]) -> Float[np.ndarray, " epochs"]:
    rows = [[record.winner_shares.get(origin, 0.0) for origin in origins] for record in history]
    return np.nan_to_num(np.array(rows, dtype=np.float64)).sum(axis=1)
