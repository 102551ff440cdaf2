"""Damages any file as discs and editors do: every function takes a whole file and returns another.

All draws come from the generator given, so a seed gives the same damage again.
"""

from collections.abc import Callable
from typing import Any

import numpy as np

Mutation = Callable[[np.random.Generator, bytes], bytes]

ODD_FLOATS = (0.0, -1.0, float("nan"), float("inf"), 1e38, 1e-38)


def drawn(rng: np.random.Generator, choices: Any) -> Any:
    """One of these (numpy's own choice would turn them into an array first)."""
    return choices[int(rng.integers(len(choices)))]


def flipped_bytes(rng: np.random.Generator, content: bytes) -> bytes:
    changed = bytearray(content)
    # headers are what a reader must judge: half of the flips fall into the first kilobyte
    end = len(changed) if rng.random() < 0.5 else min(len(changed), 1024)
    for _ in range(int(rng.integers(1, 9)) if end else 0):
        changed[int(rng.integers(end))] ^= int(rng.integers(1, 256))
    return bytes(changed)


def truncated(rng: np.random.Generator, content: bytes) -> bytes:
    return content[: int(rng.integers(len(content) + 1))]


def lengthened(rng: np.random.Generator, content: bytes) -> bytes:
    where = int(rng.integers(len(content) + 1)) if rng.random() < 0.5 else len(content)
    return content[:where] + rng.bytes(int(rng.integers(1, 200))) + content[where:]


def repeated_or_lost_part(rng: np.random.Generator, content: bytes) -> bytes:
    first, last = sorted(rng.integers(len(content) + 1, size=2).tolist())
    part = drawn(rng, (content[first:last] * 2, b"", bytes(last - first)))
    return content[:first] + part + content[last:]


ANY_FILE: tuple[Mutation, ...] = (flipped_bytes, truncated, lengthened, repeated_or_lost_part)


def changed_lines(rng: np.random.Generator, content: bytes) -> bytes:
    """A line twice, lost, elsewhere, or with another line end."""
    lines = content.split(b"\n")
    a, b = rng.integers(len(lines), size=2).tolist()
    way = int(rng.integers(5))
    if way == 0:
        lines.insert(b, lines[a])
    elif way == 1:
        del lines[a]
    elif way == 2:
        lines[a], lines[b] = lines[b], lines[a]
    elif way == 3:
        return drawn(rng, (b"\r", b"\r\n")).join(lines)
    else:
        lines[a] += b"\r" + lines[b]
    return b"\n".join(lines)
