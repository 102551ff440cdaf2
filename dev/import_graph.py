"""Which file of a package imports which, read from the source without running it.

A module is named by its path within the package, with dots: `train.guided`; the package itself is `(package)`. Its room
is the folder it lies in, at the top: `train`; a file beside the folders is a room of its own: `errors`.
"""

from __future__ import annotations

import ast
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import numpy as np
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components

PACKAGE = "(package)"

When = Literal["at once", "in a function", "for types"]
Arrow = tuple[str, str]


@dataclass(frozen=True)
class Import:
    """One file of the package that imports another.

    when: at once, as the importer is imported; in a function, when that is called; for types, never while running
    (under `if TYPE_CHECKING`).
    """

    importer: str
    imported: str
    when: When
    line: int


def room_of(module: str) -> str:
    """The folder at the top that a module lies in, or the module itself where it lies in none."""
    return module.split(".", maxsplit=1)[0]


def module_paths(package: Path) -> dict[str, Path]:
    """Every .py file of a package by its module's name; `__init__.py` is the folder's own."""
    found = {}
    for path in sorted(package.rglob("*.py")):
        parts = path.relative_to(package).with_suffix("").parts
        found[".".join(parts[:-1] if parts[-1] == "__init__" else parts) or PACKAGE] = path
    return found


def imports_of(package: Path) -> list[Import]:
    """All imports of one file of the package by another, also those in functions and for types."""
    modules = module_paths(package)
    found: dict[Import, None] = {}  # in order, each once
    for module, path in modules.items():
        base = package.name + ("" if module == PACKAGE else f".{module}")
        folder = base if path.name == "__init__.py" else base.rpartition(".")[0]
        for node, when in _import_nodes(ast.parse(path.read_text(encoding="utf-8")), "at once"):
            for imported in _targets(node, package.name, folder, modules):
                if imported != module:
                    found[Import(module, imported, when, node.lineno)] = None
    return list(found)


def file_arrows(imports: Iterable[Import]) -> set[Arrow]:
    """Each pair of files, the first of which imports the second."""
    return {(one.importer, one.imported) for one in imports}


def room_arrows(imports: Iterable[Import]) -> set[Arrow]:
    """Each pair of different rooms, a file of the first of which imports one of the second."""
    pairs = {(room_of(one.importer), room_of(one.imported)) for one in imports}
    return {(start, end) for start, end in pairs if start != end}


def circles(arrows: Iterable[Arrow]) -> list[list[str]]:
    """Groups of two or more from each of which one comes to every other along the arrows, the largest first."""
    arrows = list(arrows)
    names = sorted({name for arrow in arrows for name in arrow})
    if not names:
        return []
    index = {name: number for number, name in enumerate(names)}
    start, end = np.array([[index[name] for name in arrow] for arrow in arrows]).T
    graph = coo_array((np.ones(len(arrows)), (start, end)), shape=(len(names), len(names)))
    count, labels = connected_components(graph, connection="strong")
    groups = [[name for name in names if labels[index[name]] == label] for label in range(count)]
    return sorted((group for group in groups if len(group) > 1), key=lambda group: (-len(group), group))


def _import_nodes(tree: ast.AST, when: When) -> Iterator[tuple[ast.Import | ast.ImportFrom, When]]:
    for node in ast.iter_child_nodes(tree):
        if isinstance(node, (ast.Import, ast.ImportFrom)):
            yield node, when
        elif isinstance(node, ast.If) and "TYPE_CHECKING" in ast.dump(node.test):
            for inner in node.body:
                yield from _import_nodes(ast.Module([inner], []), "for types")
            for inner in node.orelse:
                yield from _import_nodes(ast.Module([inner], []), when)
        elif isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef)):
            yield from _import_nodes(node, "in a function" if when == "at once" else when)
        else:
            yield from _import_nodes(node, when)


def _targets(node: ast.Import | ast.ImportFrom, package: str, folder: str, modules: dict[str, Path]) -> Iterator[str]:
    """The modules of the package that one statement imports."""
    if isinstance(node, ast.Import):
        names = [alias.name for alias in node.names]
    else:
        base = node.module or ""
        if node.level:
            above = folder.split(".")[: len(folder.split(".")) - node.level + 1]
            base = ".".join([*above, base] if base else above)
        # a name may be a module of that folder, or something that the folder's own file has
        names = [f"{base}.{alias.name}" for alias in node.names]
    for name in names:
        if name != package and not name.startswith(f"{package}."):
            continue
        parts = name.split(".")[1:]
        while parts and ".".join(parts) not in modules:
            parts = parts[:-1]
        yield ".".join(parts) or PACKAGE
