"""The tables of a STAR file as text, read as RELION reads them; no line of the file can get lost.

RELION's own reading was tried out on files of every form (version 3.1.3).  Where it stops without a word, at an empty
line among rows, the rows that follow are read too.
"""

import csv
import io
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pandas as pd

StarTable = pd.DataFrame | dict[str, str]

# The rest of a line that begins a block. A row whose first cell begins with data_ has further cells.
BLOCK = re.compile(r"data_([^ \t\n#]*)[ \t]*(?:#.*)?$", re.MULTILINE)
# A quote opens a cell only at its beginning, and closes it only at its end.
CELL = re.compile(r"""("[^"]*"|'[^']*')(?=[ \t]|$)|([^ \t]+)""")
CONTROL = re.compile(rb"[\x00-\x08\x0e-\x1f\x7f]")  # in no text of any encoding of one byte per letter
QUOTE = re.compile(r"""(?:^|[ \t])["']""", re.MULTILINE)
COMMENT = re.compile(r"(?:^|[ \t])#.*$", re.MULTILINE)


@dataclass
class _Line:
    number: int
    cells: list[str]


def read_star_tables(path: Path) -> tuple[dict[str, StarTable], str]:
    """All blocks of a STAR file by name, and the file's encoding.

    A loop_ is a table whose cells are text, a list of labels and values a dictionary.

    Raises:
        OSError: if the file cannot be read.
        ValueError: naming the first line that fits into no table.
    """
    text, encoding = _decoded(path.read_bytes())
    starts = list(_starts_of_blocks(text))
    before = text[: starts[0].start()] if starts else text
    for line in _lines(before, 1):
        if line.cells:
            raise ValueError(f"line {line.number} is in no data_ block")
    tables: dict[str, StarTable] = {}
    number = before.count("\n") + 1
    for index, start in enumerate(starts):
        end = starts[index + 1].start() if index + 1 < len(starts) else len(text)
        name = start.group(1)
        if name in tables:
            raise ValueError(f"line {number}: a second block data_{name}")
        tables[name] = _table(text[start.end() + 1 : end], number + 1)
        number += text.count("\n", start.start(), end)
    return tables, encoding


def _starts_of_blocks(text: str) -> Iterator[re.Match[str]]:
    position = text.find("data_")
    while position >= 0:
        line = text.rfind("\n", 0, position) + 1
        start = BLOCK.match(text, position)
        if start is not None and not text[line:position].strip(" \t"):
            yield start
        position = text.find("data_", position + 1)


def _decoded(content: bytes) -> tuple[str, str]:
    """Text with \\n between lines, and the encoding that gives the same bytes again.

    Names in another encoding than UTF-8 are read byte by byte (latin-1), so that none is refused and none is changed.
    """
    if content.startswith((b"\xff\xfe", b"\xfe\xff")):
        text, encoding = content.decode("utf-16"), "utf-8"
    else:
        content = content.removeprefix(b"\xef\xbb\xbf")
        try:
            text, encoding = content.decode("utf-8"), "utf-8"
        except UnicodeDecodeError:
            damage = CONTROL.search(content)
            if damage is not None:
                number = content.count(b"\n", 0, damage.start()) + 1
                raise ValueError(f"line {number} has bytes that are no text: damaged") from None
            text, encoding = content.decode("latin-1"), "latin-1"
    if "\r" in text:
        text = text.replace("\r\n", "\n") if "\n" in text else text.replace("\r", "\n")
    return text, encoding


def _lines(text: str, number: int) -> Iterator[_Line]:
    """The lines of a text with their cells; `number` is the first line's. Comments have no cells."""
    for line in text.split("\n"):
        yield _Line(number, _cells(line, number))
        number += 1


def _cells(line: str, number: int) -> list[str]:
    """The cells of a line, without quotes around them and without a comment."""
    cells: list[str] = []
    for quoted, plain in CELL.findall(line.replace("\r", " ").rstrip(" \t")):
        if plain.startswith("#"):
            if "\r" in line.rstrip():
                raise ValueError(f"line {number} has a carriage return inside")
            break
        if plain.startswith(('"', "'")):
            raise ValueError(f"line {number} has a cell that begins with a quote and does not end with one")
        cells.append(quoted[1:-1] if quoted else plain)
    return cells


def _table(block: str, number: int) -> StarTable:
    """One block: a table where there is a loop_, else a list."""
    labels: dict[str, str] = {}
    in_loop, position = False, 0
    while position < len(block):
        end = block.find("\n", position)
        end = len(block) if end < 0 else end
        line = block[position:end].strip()
        if line.startswith("_"):
            label, *values = _cells(line, number)
            if label[1:] in labels:
                raise ValueError(f"line {number}: column {label[1:]} is there twice")
            if in_loop and values:
                raise ValueError(f"line {number}: column {label[1:]} of a loop_ has a value")
            labels[label[1:]] = values[0] if values else ""
        elif line.startswith("loop_") and not labels:
            in_loop = True
        elif in_loop and line and not line.startswith(("#", ";")):
            return _rows(list(labels), block[position:], number)
        elif not line.startswith(";") and _cells(line, number):
            raise ValueError(f"line {number} is in no table")
        position = end + 1
        number += 1
    return pd.DataFrame(columns=list(labels), dtype=str) if in_loop else labels


def _rows(labels: list[str], text: str, number: int) -> pd.DataFrame:
    """The rows of a loop_, of which `number` is the first line's."""
    text = _without_end(text)
    without_quotes = not (('"' in text or "'" in text) and QUOTE.search(text))
    if without_quotes and "\r" not in text and "\0" not in text:
        table = _plain_rows(labels, COMMENT.sub("", text).lstrip() if "#" in text else text)
        if table is not None:
            return table
    rows = []
    for line in _lines(text, number):
        if line.cells and len(line.cells) != len(labels):
            cells, columns = len(line.cells), len(labels)
            raise ValueError(f"line {line.number} has {cells} cells for {columns} columns: damaged, or cut short")
        if line.cells:
            rows.append(line.cells)
    return pd.DataFrame(rows, columns=labels, dtype=str)


def _without_end(text: str) -> str:
    """Rows without the comments and empty lines below them, such as the version of the block that follows."""
    while True:
        text = text.rstrip()
        last = text.rfind("\n") + 1
        if last == 0 or "\r" in text[last:] or not text[last:].lstrip().startswith("#"):
            return text
        text = text[:last]


def _plain_rows(labels: list[str], text: str) -> pd.DataFrame | None:
    """Rows without quotes and comments, read by pandas, a million in seconds; None if a row has too few or many cells.

    One more column than there are labels is asked for: it must stay empty.
    """
    if len(text.split("\n", 1)[0].split()) != len(labels):
        return None
    try:
        table = pd.read_csv(
            io.StringIO(text),
            sep=r"\s+",
            header=None,
            names=range(len(labels) + 1),
            index_col=False,
            dtype=str,
            quoting=csv.QUOTE_NONE,
            keep_default_na=False,
            na_values=[],
            engine="c",
        )
    except pd.errors.ParserError:
        return None
    table = table.fillna("")
    if (table.iloc[:, -2] == "").any() or (table.iloc[:, -1] != "").any():
        return None
    table = table.iloc[:, :-1]
    table.columns = labels
    return table
