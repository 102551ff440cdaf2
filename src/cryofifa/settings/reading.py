"""Reading settings from a file or a call: names and types are checked, and every mistake becomes one clear line.

Neither msgspec (0.22) nor pydantic (2.14) makes this shorter. msgspec names one value out of its range where there may
be several, and lets unknown names of a dataclass and wrong values of a call in Python pass. pydantic alone takes 65 ms
to import, where all settings with what they need take 42, and its errors would still have to be put in these words.
"""

from __future__ import annotations

import dataclasses
import re
import reprlib
import tomllib
from functools import cache
from pathlib import Path
from typing import Any, Literal, TypeVar, cast, get_args, get_origin, get_type_hints

from cryofifa.errors import InputError
from cryofifa.settings.ranges import LARGEST_INTEGER

LONGEST_FILE = 100_000  # characters; all settings with their comments are a tenth of it
NESTED = re.compile(r"^\s*\[*\s*[\w\"']+(\s*\.\s*[\w\"']+){10}", re.MULTILINE)
KIND_NAMES = {bool: "true or false", int: "a whole number", float: "a number", str: "a text", type(None): "left out"}
Settings = TypeVar("Settings")


def read_toml(path: Path) -> dict[str, Any]:
    """The settings in a TOML file by name, its tables as dictionaries.

    Raises:
        InputError: if the file cannot be read, or is not TOML.
    """
    try:
        with path.open(encoding="utf-8") as file:
            text = file.read(LONGEST_FILE + 1)
        if len(text) > LONGEST_FILE:
            raise ValueError(f"it has more than {LONGEST_FILE} characters")
        if NESTED.search(text):  # the parser takes minutes for what no setting can be
            raise ValueError("a name of more than ten parts")
        return tomllib.loads(text)
    except OSError as error:
        raise InputError(f"{path}: cannot be read ({error.strerror}); check the path") from None
    except (ValueError, RecursionError) as error:
        raise InputError(
            f"{path}: is not TOML ({error}); a table is a line [search], a setting orientations = 3000"
        ) from None


def overlaid(settings: Settings, values: dict[str, Any], where: str, tables: tuple[str, ...] = ()) -> Settings:
    """The same settings but for these values, each of which is checked.

    Args:
        settings: a dataclass of settings.
        values: new values by name; those of a table are a dictionary, as TOML and JSON have it.
        where: the file or other source of the values, for error messages.
        tables: names of the tables that lead to these settings in it, outermost first.

    Raises:
        InputError: if a name is unknown, or a value wrong.
    """
    hints, tree = _hints(type(settings)), cast("Any", settings)
    place = f"{where} [{'.'.join(tables)}]" if tables else where
    changes: dict[str, Any] = {}
    for name, value in values.items():
        if name not in hints:
            raise InputError(f"{place}: unknown setting '{name}'; known here: {', '.join(sorted(hints))}")
        if not dataclasses.is_dataclass(getattr(tree, name)):
            changes[name] = checked_value(value, hints[name], f"{place}: '{name}'")
        elif isinstance(value, dict):
            changes[name] = overlaid(getattr(tree, name), value, where, (*tables, name))
        else:
            raise InputError(f"{place}: {not_a_table(name, value)}")
    try:
        return dataclasses.replace(tree, **changes)
    except InputError as error:
        raise InputError(f"{where}: {str(error).removeprefix('settings: ')}") from None


def checked_value(value: Any, wanted: Any, where: str) -> Any:
    """The value, if it has the wanted type; a whole number given for a real one becomes a float.

    Args:
        value: the value to check.
        wanted: a type, a union of types, or a Literal, one of whose choices the value must be.
        where: which value of which file, for error messages.

    Raises:
        InputError: if the value does not have that type, or is too large.
    """
    if type(value) is int and abs(value) > LARGEST_INTEGER:
        raise InputError(f"{where} is a number of {value.bit_length()} bits; it is too large")
    choices = get_args(wanted)
    if get_origin(wanted) is Literal:
        if value not in choices or type(value) not in {type(choice) for choice in choices}:
            raise InputError(f"{where} is {_shown(value)}; it can be {', '.join(map(repr, choices))}")
        return value
    kinds = choices or (wanted,)
    if float in kinds and type(value) is int:
        value = float(value)
    if type(value) not in kinds:
        raise InputError(f"{where} is {_shown(value)}; it must be {' or '.join(KIND_NAMES[kind] for kind in kinds)}")
    return value


def not_a_table(name: str, value: Any) -> str:
    """The error message for a table of settings that is given as a single value."""
    return f"'{name}' is a table of settings, not {_shown(value)}"


@cache
def _hints(settings_class: type) -> dict[str, Any]:
    return get_type_hints(settings_class)


def _shown(value: Any) -> str:
    """The value in a few words, however large it is."""
    return reprlib.repr(value) if isinstance(value, (str, int, float)) else f"a {type(value).__name__}"
