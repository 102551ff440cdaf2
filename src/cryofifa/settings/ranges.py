"""The range of a numeric setting, written beside its default: beyond it a run cannot be computed, or never ends.

    width: Annotated[int, Range(1, 16_384)] = 128

A numeric setting without a range is a mistake in the program, and raises TypeError as soon as its class is used.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator
from functools import cache
from typing import Annotated, Any, get_args, get_origin, get_type_hints

LARGEST_INTEGER = 2**62


@dataclasses.dataclass(frozen=True)
class Range:
    """The range that a number may lie in, both ends included."""

    least: float
    largest: float

    def __contains__(self, value: float) -> bool:
        return self.least <= value <= self.largest  # NaN is nowhere


SHARE = Range(0.0, 1.0)
POSITIVE = Range(1e-6, 1e6)


def out_of_range(settings: Any, tables: tuple[str, ...] = ()) -> Iterator[str]:
    """One sentence for every number of these settings, and of the settings within them, that is out of its range.

    Values that are None are never out of range.

    Args:
        settings: a dataclass of settings.
        tables: names of the tables that lead to these settings in a file, outermost first; none for the file itself.
    """
    ranges = ranges_of(type(settings))
    for field in dataclasses.fields(settings):
        value = getattr(settings, field.name)
        if dataclasses.is_dataclass(value):
            yield from out_of_range(value, (*tables, field.name))
        elif field.name in ranges and value is not None and value not in ranges[field.name]:
            name = f"[{'.'.join(tables)}] {field.name}" if tables else field.name
            allowed = ranges[field.name]
            yield f"{name} is {value}, it must be from {allowed.least:g} to {allowed.largest:g}"


@cache
def ranges_of(settings_class: type) -> dict[str, Range]:
    """The range of each numeric setting of a class, by the setting's name.

    Raises:
        TypeError: if a setting is a number, or may be one, and has no range.
    """
    found: dict[str, Range] = {}
    for name, hint in get_type_hints(settings_class, include_extras=True).items():
        kind, *notes = get_args(hint) if get_origin(hint) is Annotated else (hint,)
        allowed = [note for note in notes if isinstance(note, Range)]
        if allowed:
            found[name] = allowed[0]
        elif {int, float} & {kind, *get_args(kind)}:
            raise TypeError(f"{settings_class.__name__}.{name} is a number without a Range")
    return found
