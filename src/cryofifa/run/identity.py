"""What makes a run this run and no other: its particles and its settings, and how those of two runs are compared."""

from __future__ import annotations

import hashlib
from typing import Any

from cryofifa.particles.stacks import ImageStacks
from cryofifa.settings.config import Config, config_as_dict

# settings that may change between two calls of one run: they do not change what it computes
FREE_SETTINGS = ("device", "checkpoint_seconds", "memory_gib", "cache_folder", "cache_gib", "absolute_paths")
PARTICLE_MARKS = ("particle_file_sha256", "rows_sha256")  # of what `run_settings` gives, those of the particles


def run_settings(stacks: ImageStacks, config: Config) -> dict[str, Any]:
    """What identifies a run, ready for JSON: the particle file and its stacks as they are now, rows, and settings."""
    table = stacks.table
    return {
        "particles": str(table.source_path.resolve()),
        "particle_file_sha256": hashlib.sha256(table.source_path.read_bytes()).hexdigest(),
        "rows_sha256": hashlib.sha256(table.row.tobytes()).hexdigest(),
        "stacks": stacks.marks(),
        "config": config_as_dict(config),
    }


def first_difference(old: dict[str, Any], new: dict[str, Any]) -> tuple[str, Any, Any] | None:
    """The first name of which two runs have other values, and both values; None where they are the same run.

    Args:
        old, new: values of `run_settings`, or some of them. Names of settings are joined by points. Settings that may
            change do not count, nor do stacks that one of the runs does not name, as in older versions.
    """
    before, now = _flat(old), _flat(new)
    for name in sorted(before.keys() | now.keys()):
        unknown = name.startswith("stacks.") and not (name in before and name in now)
        if name.split(".")[-1] not in FREE_SETTINGS and not unknown and before.get(name) != now.get(name):
            return name, before.get(name), now.get(name)
    return None


def _flat(values: dict[str, Any], prefix: str = "") -> dict[str, Any]:
    flat: dict[str, Any] = {}
    for key, value in values.items():
        if isinstance(value, dict):
            flat |= _flat(value, f"{prefix}{key}.")
        else:
            flat[f"{prefix}{key}"] = value
    return flat
