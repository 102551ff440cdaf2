"""Damages STAR files as editors and other programs do: cells and columns."""

import re

import numpy as np

from cryofifa_testkit.damaged_files.damage import ANY_FILE, Mutation, changed_lines, drawn

ODD_CELLS = (
    "nan", "inf", "-inf", "1e308", "-1e308", "1e-308", "-1", "0", "0.5", "1.5", "2147483648", "9223372036854775808",
    "18446744073709551616", "9" * 30, "9" * 400, "1e400", "1_000", "0x10", "1,5", "--3", "True", "None", "<NA>",
    "\u0661\u0662", "\u00e9t\u00e9", "x" * 300, '"', "'", '"a b"', "#", "a#b", "1@", "@stack.mrcs", "1@stack.mrcs",
    "0@stack.mrcs", "99@stack.mrcs", "1e30@stack.mrcs", "1.5@stack.mrcs", "1@" + "y" * 300, "1@a\x00b", "\x1b[31m",
    "a\rb", "a\x0cb", "a\x85b", "[1,2]", "[nan]", "[1e308,1]", "1e15", "data_", "loop_", "_rlnVoltage",
)  # fmt: skip


def changed_cells(rng: np.random.Generator, content: bytes) -> bytes:
    """One or two words of the lines that hold a number replaced, lost or doubled."""
    lines = content.split(b"\n")
    rows = [index for index, line in enumerate(lines) if re.search(rb"\d", line)]
    for _ in range(int(rng.integers(1, 3)) if rows else 0):
        row = drawn(rng, rows)
        cells = lines[row].split()
        if not cells:
            continue
        cell = int(rng.integers(len(cells)))
        cells[cell : cell + 1] = drawn(rng, ([drawn(rng, ODD_CELLS).encode()],) * 6 + ([], [cells[cell]] * 2))
        lines[row] = b" ".join(cells)
    return b"\n".join(lines)


def changed_columns(rng: np.random.Generator, content: bytes) -> bytes:
    """A STAR column twice, lost or elsewhere, with its label or without; or all its cells replaced."""
    lines = content.split(b"\n")
    labels = [index for index, line in enumerate(lines) if line.startswith(b"_")]
    if not labels:
        return content
    first = last = drawn(rng, labels)
    while first - 1 in labels:
        first -= 1
    while last + 1 in labels:
        last += 1
    a, b = rng.integers(last - first + 1, size=2).tolist()
    way, odd = int(rng.integers(4)), drawn(rng, ODD_CELLS).encode()

    def edited(cells: list[bytes]) -> list[bytes]:
        if len(cells) <= max(a, b):
            return cells
        if way == 0:
            return [*cells[:b], cells[a], *cells[b:]]
        if way == 1:
            return cells[:a] + cells[a + 1 :]
        if way == 2:
            cells[a], cells[b] = cells[b], cells[a]
        else:
            cells[a] = odd
        return cells

    end = next((index for index in range(last + 1, len(lines)) if lines[index].startswith(b"data_")), len(lines))
    if way < 3 and rng.random() < 0.7:
        lines[first : last + 1], shift = (kept := edited(lines[first : last + 1])), len(kept) - (last + 1 - first)
        last, end = last + shift, end + shift
    for row in range(last + 1, end):
        lines[row] = b" ".join(edited(lines[row].split()))
    return b"\n".join(lines)


STAR: tuple[Mutation, ...] = (*ANY_FILE, changed_lines, changed_cells, changed_cells, changed_columns, changed_columns)
