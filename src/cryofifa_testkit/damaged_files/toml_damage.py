"""Damages settings files: values of another type, numbers out of all proportion."""

import re

import numpy as np

from cryofifa_testkit.damaged_files.damage import Mutation, changed_lines, drawn, flipped_bytes, truncated

ODD_TOML = (
    "true", '""', '"x"', "0", "-1", "1", "2", "3.5", "-0.5", "1e308", "-1e308", "1e-308", "nan", "inf", "-inf",
    "0x" + "f" * 5000, "9" * 5000, "9" * 30, "9223372036854775807", "1000000000", "[]", "[1]", "{}", "{ a = 1 }",
    "1979-05-27", '"guided"', '"\\u001b[31m"', '"""a\nb"""', "[" * 2000, "1_000",
)  # fmt: skip


def changed_toml_value(rng: np.random.Generator, content: bytes) -> bytes:
    """One to three values of a settings file replaced, many by another type."""
    lines = content.decode().split("\n")
    settings = [index for index, line in enumerate(lines) if " = " in line]
    for index in rng.choice(settings, size=int(rng.integers(1, 4))).tolist() if settings else []:
        lines[index] = f"{lines[index].split(' = ')[0]} = {drawn(rng, ODD_TOML)}"
    return "\n".join(lines).encode()


def changed_toml_number(rng: np.random.Generator, content: bytes) -> bytes:
    """One number of a settings file replaced by another of its type."""
    lines = content.decode().split("\n")
    numbers = [index for index, line in enumerate(lines) if re.search(r" = [\d.e+-]+$", line)]
    index = drawn(rng, numbers)
    name, value = lines[index].split(" = ")
    odd = (0.0, 1e-6, 0.01, 0.5, 1.0, 3.7, 100.0, 1e6) if re.search(r"[.e]", value) else (0, 1, 2, 3, 7, 40, 300)
    lines[index] = f"{name} = {drawn(rng, odd)}"
    return "\n".join(lines).encode()


TOML: tuple[Mutation, ...] = (
    flipped_bytes, truncated, changed_lines, *(changed_toml_value,) * 3, *(changed_toml_number,) * 4,
)  # fmt: skip
