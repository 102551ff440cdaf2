"""How long files and functions are, and which public ones say little or nothing of themselves."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

FOLDERS = ("src", "benchmarks", "examples", "dev")
FEW_WORDS = 5

Definition = ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef


@dataclass(frozen=True)
class Length:
    """Lines of a file or of a function, which `name` says with its file: `src/cryofifa/cli.py main`."""

    name: str
    lines: int


@dataclass(frozen=True)
class PublicDocstring:
    """What a public module, class, function or method says of itself; no text where it says nothing."""

    name: str
    text: str | None

    @property
    def is_short(self) -> bool:
        """Whether there is a text, of `FEW_WORDS` or fewer."""
        return self.text is not None and len(self.text.split()) <= FEW_WORDS


def python_files(repository: Path, folders: tuple[str, ...] = FOLDERS) -> list[Path]:
    """The .py files under these folders of a repository, those that it has."""
    return sorted(path for folder in folders for path in (repository / folder).rglob("*.py"))


def longest_files(repository: Path) -> list[Length]:
    """All files, the longest first."""
    lengths = [
        Length(path.relative_to(repository).as_posix(), len(path.read_text(encoding="utf-8").splitlines()))
        for path in python_files(repository)
    ]
    return sorted(lengths, key=lambda length: -length.lines)


def longest_functions(repository: Path) -> list[Length]:
    """All functions and methods, nested ones too, the longest first; decorators are not counted."""
    found = []
    for path in python_files(repository):
        for name, node in _definitions(_tree(path)):
            if not isinstance(node, ast.ClassDef):
                lines = (node.end_lineno or node.lineno) - node.lineno + 1
                found.append(Length(f"{path.relative_to(repository).as_posix()} {name}", lines))
    return sorted(found, key=lambda length: -length.lines)


def public_docstrings(repository: Path) -> list[PublicDocstring]:
    """Of every module in src that is not empty, and of its public classes, functions and methods."""
    found = []
    for path in python_files(repository, ("src",)):
        tree = _tree(path)
        if tree.body:
            where = path.relative_to(repository / "src").as_posix()
            found.append(PublicDocstring(where, ast.get_docstring(tree)))
            found += [PublicDocstring(f"{where} {name}", ast.get_docstring(node)) for name, node in _public(tree)]
    return found


def _tree(path: Path) -> ast.Module:
    return ast.parse(path.read_text(encoding="utf-8"))


def _definitions(tree: ast.AST, within: str = "") -> Iterator[tuple[str, Definition]]:
    for node in ast.iter_child_nodes(tree):
        if isinstance(node, Definition):
            yield within + node.name, node
            yield from _definitions(node, f"{within}{node.name}.")
        else:
            yield from _definitions(node, within)


def _public(tree: ast.Module | ast.ClassDef, within: str = "") -> Iterator[tuple[str, Definition]]:
    """Those that other files may use: not those with a leading underscore, nor what is within a function."""
    for node in tree.body:
        if isinstance(node, Definition) and not node.name.startswith("_"):
            yield within + node.name, node
            if isinstance(node, ast.ClassDef):
                yield from _public(node, f"{node.name}.")
