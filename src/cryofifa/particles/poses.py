"""Poses of particles, one row each: the one table of them, from a first random guess to the files that are written."""

from __future__ import annotations

from dataclasses import dataclass, fields

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

from cryofifa.system.processes import Processes


@dataclass
class Poses:
    """One pose per particle, in the order of the particles it belongs to; a column that nobody has filled is None.

    While several processes work on one table, a particle's row is up to date in its own process only (`all_gather`).

    Attributes:
        rotation: rotation_volume_to_image, the A of r_image = A r_volume.
        shift_angstrom: (x, y) shift that brings the particle to the box centre, as RELION's rlnOriginX/YAngst.
        posed: whether a pose has been found; elsewhere rotation and shift are placeholders.
        half: half set, 1 or 2; 0 where the particle belongs to neither.
        score: agreement with the projection, about 1 for a particle and towards 0 for junk; NaN where unknown.
        class_index: which of the run's classes, from 0; -1 where unknown. None where there is only one.
        origin: which candidate won, an index into `train.epoch_record.WINNER_ORIGINS`.

    Raises:
        ValueError: if the columns have different lengths.
    """

    rotation: Float[Tensor, "n 3 3"]
    shift_angstrom: Float[Tensor, "n 2"]
    posed: Bool[Tensor, " n"]
    half: Int[Tensor, " n"] | None = None
    score: Float[Tensor, " n"] | None = None
    class_index: Int[Tensor, " n"] | None = None
    origin: Int[Tensor, " n"] | None = None

    def __post_init__(self) -> None:
        lengths = {name: len(column) for name, column in self.columns().items()}
        if len(set(lengths.values())) > 1:
            raise ValueError(f"the columns of poses have different lengths: {lengths}")

    @classmethod
    def found(
        cls, rotation: Float[Tensor, "n 3 3"], shift_angstrom: Float[Tensor, "n 2"], **columns: Tensor | None
    ) -> Poses:
        """Poses of which every one has been found."""
        return cls(rotation, shift_angstrom, torch.ones_like(rotation[:, 0, 0], dtype=torch.bool), **columns)

    @classmethod
    def unknown(cls, half: Int[Tensor, " n"]) -> Poses:
        """Particles whose half sets are known, and nothing else: identity rotations, no shifts, no scores."""
        count, device = len(half), half.device
        return cls(
            torch.eye(3, device=device).repeat(count, 1, 1),
            torch.zeros(count, 2, device=device),
            torch.zeros(count, dtype=torch.bool, device=device),
            half,
            torch.full((count,), float("nan"), device=device),
        )

    @classmethod
    def from_columns(cls, columns: dict[str, Tensor]) -> Poses:
        """The table whose `columns` these are."""
        return cls(**columns)

    def columns(self) -> dict[str, Tensor]:
        """The columns that are filled, by name."""
        values = {field.name: getattr(self, field.name) for field in fields(self)}
        return {name: value for name, value in values.items() if value is not None}

    def __len__(self) -> int:
        return len(self.rotation)

    def copy(self) -> Poses:
        """A table that shares no memory with this one."""
        return Poses(**{name: column.clone() for name, column in self.columns().items()})

    def select(self, rows: Tensor) -> Poses:
        """The poses of these 0-based rows (or of a mask), in this order."""
        return Poses(**{name: column[rows] for name, column in self.columns().items()})

    def among(self, count: int, rows: Int[Tensor, " n"]) -> Poses:
        """A table of `count` particles in which these rows have these poses, and all others are unposed.

        The others have no score. Their half set is 1 and their class the first, because files need some of each.
        """
        everyone = Poses.unknown(torch.ones(count, dtype=torch.long, device=self.rotation.device)).columns()
        columns: dict[str, Tensor] = {}
        for name, column in self.columns().items():
            empty = everyone.get(name, torch.zeros(count)).to(column)
            columns[name] = empty.index_copy(0, rows.to(column.device), column)
        return Poses(**columns)

    def in_class(self, class_index: int) -> Bool[Tensor, " n"]:
        """Which particles belong to a class, from 0; all, where there is no column of classes."""
        return torch.ones_like(self.posed) if self.class_index is None else self.class_index == class_index

    def put(self, rows: Int[Tensor, " m"], found: Poses) -> None:
        """Write rotations, shifts and, where both have them, classes into these rows, which are posed from now on."""
        rows = rows.to(self.posed.device)
        self.rotation[rows], self.shift_angstrom[rows] = found.rotation.detach(), found.shift_angstrom.detach()
        if self.class_index is not None and found.class_index is not None:
            self.class_index[rows] = found.class_index
        self.posed.index_fill_(0, rows, 1)  # a recorded GPU step cannot assign a number from the host

    def all_gather(self, processes: Processes) -> None:
        """Take every row from the process whose particle it is: afterwards all processes have the same table."""
        for name, column in self.columns().items():
            setattr(self, name, processes.all_gather_rows(column))

    def on_host(self) -> Poses:
        """In the machine's memory and double precision, as files and comparisons want it."""
        host = {name: column.cpu() for name, column in self.columns().items()}
        return Poses(
            **{name: column.double() if column.is_floating_point() else column for name, column in host.items()}
        )


def known(column: Tensor | None) -> Tensor:
    """A column that a step of the method cannot do without; asserts that it is filled."""
    assert column is not None, "this table of poses lacks a column"
    return column
