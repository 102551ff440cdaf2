"""Damages JSON files: nodes replaced, lost or renamed, at any depth."""

import json
from typing import Any

import numpy as np

from cryofifa_testkit.damaged_files.damage import Mutation, changed_lines, drawn, flipped_bytes, truncated

ODD_JSON: tuple[Any, ...] = (
    None, True, False, 0, -1, 2**70, 1e308, float("nan"), float("inf"), "", "x", "\n\x1b", [], [1], {}, {"a": {}},
)  # fmt: skip


def with_changed_node(rng: np.random.Generator, values: Any) -> Any:
    """One node, at any depth, replaced, lost or renamed."""
    if not isinstance(values, (dict, list)) or not values or rng.random() < 0.1:
        return drawn(rng, ODD_JSON)
    key = drawn(rng, list(values) if isinstance(values, dict) else range(len(values)))
    inner = values[key]
    if isinstance(inner, (dict, list)) and inner and rng.random() < 0.6:
        values[key] = with_changed_node(rng, inner)
        return values
    way = int(rng.integers(4))
    if way == 0:
        del values[key]
    elif way == 1 and isinstance(values, dict):
        values["x"] = values.pop(key)
    else:
        values[key] = drawn(rng, ODD_JSON)
    return values


def changed_json(rng: np.random.Generator, content: bytes) -> bytes:
    if rng.random() < 0.05:
        return b"[" * 100_000
    return json.dumps(with_changed_node(rng, json.loads(content))).encode()


JSON: tuple[Mutation, ...] = (flipped_bytes, truncated, changed_lines, *(changed_json,) * 5)
