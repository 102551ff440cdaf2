"""Settings as the text of a TOML file; the standard library reads TOML and does not write it."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any


def as_toml(values: dict[str, Any]) -> str:
    """Settings and tables of settings, however deep, as TOML; a value that is None becomes a comment."""
    return "\n".join(_lines(values)).lstrip("\n") + "\n"


def _lines(values: dict[str, Any], tables: tuple[str, ...] = ()) -> Iterator[str]:
    """A table's own settings, which TOML wants first, and then the tables in it."""
    if tables:
        yield ""
        yield f"[{'.'.join(tables)}]"
    for name, value in values.items():
        if not isinstance(value, dict):
            yield _line(name, value)
    for name, value in values.items():
        if isinstance(value, dict):
            yield from _lines(value, (*tables, name))


def _line(name: str, value: Any) -> str:
    if value is None:
        return f"# {name}: chosen from the data"
    if isinstance(value, str):
        text = json.dumps(value, ensure_ascii=False)
    else:
        text = str(value).lower() if isinstance(value, bool) else repr(value)
    return f"{name} = {text}"
