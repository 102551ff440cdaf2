"""Damages checkpoints, which are safetensors files with a run's progress as JSON: their header, and the progress."""

import json
from typing import Any

import numpy as np

from cryofifa_testkit.damaged_files.damage import ANY_FILE, Mutation, drawn
from cryofifa_testkit.damaged_files.json_damage import with_changed_node


def changed_safetensors_header(rng: np.random.Generator, content: bytes) -> bytes:
    """Length, types, shapes, offsets or metadata of the header changed; the data left as they are."""
    length = int.from_bytes(content[:8], "little")
    header, data = json.loads(content[8 : 8 + length]), content[8 + length :]
    way = int(rng.integers(5))
    if way == 0:
        odd = drawn(rng, (0, 1, length - 1, length + 1, len(content), 2**31, 2**63, 2**64 - 1))
        return odd.to_bytes(8, "little") + content[8:]
    entry = header[drawn(rng, [name for name in header if name != "__metadata__"])]
    if way == 1:
        entry["dtype"] = drawn(rng, ("F16", "F64", "I8", "U64", "BOOL", "F8_E4M3", "x", 3))
    elif way == 2:
        entry["shape"] = drawn(rng, ([], [0], [-1], [2**62, 4], entry["shape"][::-1], [*entry["shape"], 1], "x"))
    elif way == 3:
        entry["data_offsets"] = drawn(rng, ([0, 0], [0, 4], [-1, 3], [2**62, 2**63], entry["data_offsets"][::-1], []))
    else:
        header = with_changed_node(rng, header)
    return _safetensors(header, data)


def changed_progress(rng: np.random.Generator, content: bytes) -> bytes:
    """One node of the JSON in a checkpoint's metadata changed."""
    length = int.from_bytes(content[:8], "little")
    header, data = json.loads(content[8 : 8 + length]), content[8 + length :]
    header["__metadata__"]["progress"] = json.dumps(
        with_changed_node(rng, json.loads(header["__metadata__"]["progress"]))
    )
    return _safetensors(header, data)


def _safetensors(header: Any, data: bytes) -> bytes:
    text = json.dumps(header).encode()
    return len(text).to_bytes(8, "little") + text + data


SAFETENSORS: tuple[Mutation, ...] = (*ANY_FILE, *(changed_safetensors_header,) * 3, *(changed_progress,) * 3)
