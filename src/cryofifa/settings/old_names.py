"""Names that settings had in earlier versions; settings files, run folders and checkpoints with them are still read."""

from __future__ import annotations

from typing import Any

from cryofifa.errors import InputError
from cryofifa.settings.reading import not_a_table

# Where a setting was -> where it is, table by table. Names are looked up in this order, whole tables before what is in
# them, so that an old name in a table with an old name is found, too.
OLD_NAMES: dict[tuple[str, ...], tuple[str, ...]] = {
    ("polish",): ("half_map_refinement",),
    ("refinement",): ("encoder_refinement",),
    ("encoder_refinement", "raster_every"): ("encoder_refinement", "minibatches_per_sampling"),
    ("decoder", "raster_every"): ("decoder", "minibatches_per_sampling"),
    ("search", "bank_rotations"): ("search", "orientations"),
    ("search", "bank_best"): ("search", "best_orientations"),
    ("search", "bank_share"): ("search", "global_search_share"),
    ("search", "bank_cycles"): ("search", "orientation_cycles"),
    ("curriculum", "starts"): ("starts", "count"),
    ("curriculum", "start_cycles"): ("starts", "first_cycles"),
    ("encoder", "imagined"): ("encoder", "synthetic_per_particle"),
    ("decoder", "voxel_learning_rate"): ("decoder", "voxels", "learning_rate"),
    ("decoder", "voxel_last_rate"): ("decoder", "voxels", "last_rate"),
    ("decoder", "hash_learning_rate"): ("decoder", "hash_grid", "learning_rate"),
    ("decoder", "hash_spacing"): ("decoder", "hash_grid", "spacing"),
    ("decoder", "hash_levels"): ("decoder", "hash_grid", "levels"),
    ("decoder", "learning_rate"): ("decoder", "fourier_net", "learning_rate"),
    ("decoder", "width"): ("decoder", "fourier_net", "width"),
    ("decoder", "modulant_layers"): ("decoder", "fourier_net", "modulant_layers"),
    ("decoder", "envelope_layers"): ("decoder", "fourier_net", "envelope_layers"),
    ("decoder", "omega_modulant"): ("decoder", "fourier_net", "omega_modulant"),
    ("decoder", "omega_envelope"): ("decoder", "fourier_net", "omega_envelope"),
    ("decoder", "coordinate_scale"): ("decoder", "fourier_net", "coordinate_scale"),
}
# What is no longer a setting: files with them are read as if they were absent.
GONE: tuple[tuple[str, ...], ...] = (("curriculum", "start_share"), ("curriculum", "start_resolution_angstrom"))
_DEEPEST = max(map(len, OLD_NAMES.values()))


def with_present_names(values: dict[str, Any], where: str) -> dict[str, Any]:
    """A copy of the settings, each under the name and in the table that it has now; unknown names stay as they are.

    Args:
        values: settings by name, tables as dictionaries.
        where: the file that they are from, for error messages.

    Raises:
        InputError: if a setting is given by its old name and by its new one.
    """
    present = _copied(values, _DEEPEST)
    for old, new in OLD_NAMES.items():
        table = _table_of(present, old)
        if table is not None and old[-1] in table:
            _put(present, new, table.pop(old[-1]), f"{where}: '{'.'.join(old)}' is an old name of '{'.'.join(new)}'")
    for gone in GONE:
        table = _table_of(present, gone)
        if table is not None:
            table.pop(gone[-1], None)
    return present


def _copied(values: dict[str, Any], depth: int) -> dict[str, Any]:
    return {
        name: _copied(value, depth - 1) if depth and isinstance(value, dict) else value
        for name, value in values.items()
    }


def _table_of(values: dict[str, Any], path: tuple[str, ...]) -> dict[str, Any] | None:
    """The table in which the last name of a path is looked up; None if there is no such table."""
    table: Any = values
    for name in path[:-1]:
        table = table.get(name) if isinstance(table, dict) else None
    return table if isinstance(table, dict) else None


def _put(values: dict[str, Any], path: tuple[str, ...], value: Any, about: str) -> None:
    """Put a value in its place; a table joins the one that is there already."""
    *tables, name = path
    for table in tables:
        values = values.setdefault(table, {})
        if not isinstance(values, dict):
            raise InputError(f"{about}; {not_a_table(table, values)}")
    here = values.get(name)
    if isinstance(here, dict) and isinstance(value, dict) and not here.keys() & value.keys():
        here.update(value)
    elif name in values:
        raise InputError(f"{about}, and both are given; leave the old one out")
    else:
        values[name] = value
