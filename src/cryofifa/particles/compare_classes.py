"""Found classes compared with true ones: which became which, and how well they agree whatever their numbers are."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from jaxtyping import Int
from scipy.optimize import linear_sum_assignment


@dataclass(frozen=True)
class ClassComparison:
    """Found classes against true ones; class 0 is junk in both.

    Attributes:
        found, true: the class numbers, as the rows and columns of the table name them.
        table: how many particles of each true class (column) came to each found class (row).
        adjusted_rand_index: of the particles that are no junk in truth (Hubert & Arabie 1985): 1 if the classes are the
            same, about 0 if they have nothing to do with each other.
        share_right: of the particles that are no junk in truth, when each true class is matched to another found class.
        share_of_junk_apart: of the true junk, in the found class 0; None where there is none.
    """

    found: tuple[int, ...]
    true: tuple[int, ...]
    table: tuple[tuple[int, ...], ...]
    adjusted_rand_index: float
    share_right: float
    share_of_junk_apart: float | None

    def lines(self) -> list[tuple[str, str]]:
        """The numbers as pairs of a name and a value, for the terminal."""
        columns = " ".join(f"{name:>6}" for name in self.true)
        rows = [("class found \\ true", columns)]
        rows += [
            (f"  {'junk' if name == 0 else name}", " ".join(f"{count:>6}" for count in row))
            for name, row in zip(self.found, self.table, strict=True)
        ]
        rows += [
            ("in the right class", f"{100 * self.share_right:.1f} %"),
            ("adjusted Rand index", f"{self.adjusted_rand_index:.3f}"),
        ]
        if self.share_of_junk_apart is not None:
            rows.append(("of the junk apart", f"{100 * self.share_of_junk_apart:.1f} %"))
        return rows


def compare_classes(found: Int[np.ndarray, " n"], true: Int[np.ndarray, " n"]) -> ClassComparison:
    """Compare the classes of the same particles."""
    rows, columns = np.unique(found), np.unique(true)
    table = np.array([[int(((found == row) & (true == column)).sum()) for column in columns] for row in rows])
    good = table[:, columns > 0]
    # junk is no class that a true one could be matched to
    matched = good[rows > 0]
    right = int(matched[linear_sum_assignment(-matched)].sum()) if matched.size else 0
    junk = int((true == 0).sum())
    apart = int(((true == 0) & (found == 0)).sum())
    return ClassComparison(
        found=tuple(rows.tolist()),
        true=tuple(columns.tolist()),
        table=tuple(tuple(row) for row in table.tolist()),
        adjusted_rand_index=adjusted_rand_index(good),
        share_right=float(right / max(1, good.sum())),
        share_of_junk_apart=apart / junk if junk else None,
    )


def adjusted_rand_index(table: Int[np.ndarray, "rows columns"]) -> float:
    """(pairs together in both - chance) / (mean of pairs together in either - chance), from a table of counts."""

    def pairs(counts: np.ndarray) -> float:
        return float((counts * (counts - 1.0) / 2).sum())

    together, in_rows, in_columns = pairs(table), pairs(table.sum(axis=1)), pairs(table.sum(axis=0))
    chance = in_rows * in_columns / max(1.0, pairs(table.sum(keepdims=True)))
    most = (in_rows + in_columns) / 2
    return 1.0 if most == chance else float((together - chance) / (most - chance))
