"""Writes the list of all files of the package into docs/architecture.md, each with what it says of itself.

    python dev/file_tree.py

A file's words are the first paragraph of its docstring, a folder's those of its `__init__.py`. A test holds the list
against the files.
"""

from __future__ import annotations

import ast
from pathlib import Path

REPOSITORY = Path(__file__).resolve().parent.parent
PACKAGE = REPOSITORY / "src" / "cryofifa"
PAGE = REPOSITORY / "docs" / "architecture.md"
BEGIN, END = "<!-- files: made by dev/file_tree.py -->", "<!-- end of files -->"


def listing(package: Path) -> str:
    """All .py files of the package as Markdown, folder by folder in the order of their names."""
    lines = []
    for folder in sorted({path.parent for path in package.rglob("*.py")}):
        files = sorted(path for path in folder.glob("*.py") if path.name != "__init__.py")
        own = folder / "__init__.py"
        about = _about(own) if own.exists() else ""
        name = folder.relative_to(package.parent).as_posix()
        lines += ["", f"**`{name}/`**" + (f": {about}" if about else ""), ""]
        lines += [f"- `{path.name}`: {_about(path)}" for path in files]
    return "\n".join(lines[1:])


def page_with(listed: str, page: str) -> str:
    """The page with this list between its two marks."""
    before, rest = page.split(BEGIN)
    return f"{before}{BEGIN}\n\n{listed}\n\n{END}{rest.split(END)[1]}"


def _about(path: Path) -> str:
    """The first paragraph of a file's docstring, on one line."""
    text = ast.get_docstring(ast.parse(path.read_text(encoding="utf-8"))) or ""
    return " ".join(text.split("\n\n")[0].split())


if __name__ == "__main__":
    PAGE.write_text(page_with(listing(PACKAGE), PAGE.read_text(encoding="utf-8")), encoding="utf-8")
