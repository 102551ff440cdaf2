"""A page of results in Markdown: its title and day, versions, the command that made it, tables, and where it lies."""

import platform
import shlex
import sys
from collections.abc import Iterable, Sequence
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path

from cryofifa.system.atomic_file import atomic_path


def title(text: str) -> str:
    """First line of a page."""
    return f"# {text}, {datetime.now(tz=UTC):%Y-%m-%d}"


def versions(*packages: str) -> str:
    """Of Python and these."""
    return ", ".join([f"Python {platform.python_version()}", *(f"{name} {version(name)}" for name in packages)]) + "."


def made_by(script: str) -> str:
    """The command line, in a sentence."""
    return f"Made by `{shlex.join(['python', f'benchmarks/{script}', *_public(sys.argv[1:])])}`."


def table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> list[str]:
    """One line per row, below the head."""
    return [f"| {' | '.join(head)} |", "|" + "---|" * len(head), *(f"| {' | '.join(row)} |" for row in rows)]


def write_page(folder: Path, name: str, lines: Iterable[str]) -> None:
    """Whole or not at all, under its name and day; and shown."""
    path = folder / f"{name}-{datetime.now(tz=UTC):%Y-%m-%d}.md"
    text = "\n".join(lines).rstrip() + "\n"
    folder.mkdir(parents=True, exist_ok=True)
    with atomic_path(path) as partial:
        partial.write_text(text, encoding="utf-8")
    print(f"\n{text}\nwritten to {path}")


def _public(arguments: list[str]) -> list[str]:
    """Folders of this machine say nothing to others: their last name is enough."""
    # part of a model, in gemmi's syntax, begins with a slash too
    return [
        Path(argument).name if argument.startswith("/") and Path(argument).parent.is_dir() else argument
        for argument in arguments
    ]
