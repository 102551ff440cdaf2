"""Damages files as discs, editors and other programs do: every function takes a whole file and returns another.

All draws come from the generator given, so a seed gives the same damage again.
"""

import ast
import json
import re
from collections.abc import Callable
from typing import Any

import numpy as np
from mrcfile.dtypes import HEADER_DTYPE

Mutation = Callable[[np.random.Generator, bytes], bytes]

ODD_CELLS = (
    "nan", "inf", "-inf", "1e308", "-1e308", "1e-308", "-1", "0", "0.5", "1.5", "2147483648", "9223372036854775808",
    "18446744073709551616", "9" * 30, "9" * 400, "1e400", "1_000", "0x10", "1,5", "--3", "True", "None", "<NA>",
    "\u0661\u0662", "\u00e9t\u00e9", "x" * 300, '"', "'", '"a b"', "#", "a#b", "1@", "@stack.mrcs", "1@stack.mrcs",
    "0@stack.mrcs", "99@stack.mrcs", "1e30@stack.mrcs", "1.5@stack.mrcs", "1@" + "y" * 300, "1@a\x00b", "\x1b[31m",
    "a\rb", "a\x0cb", "a\x85b", "[1,2]", "[nan]", "[1e308,1]", "1e15", "data_", "loop_", "_rlnVoltage",
)  # fmt: skip
ODD_WORDS = (0, 1, 2, 3, 4, 5, 12, 127, 128, 255, 401, -1, -128, 2**16, 2**24, 2**24 - 1, 2**31 - 1, -(2**31), 10**9)
ODD_FLOATS = (0.0, -1.0, float("nan"), float("inf"), 1e38, 1e-38)
ODD_JSON: tuple[Any, ...] = (
    None, True, False, 0, -1, 2**70, 1e308, float("nan"), float("inf"), "", "x", "\n\x1b", [], [1], {}, {"a": {}},
)  # fmt: skip
ODD_TOML = (
    "true", '""', '"x"', "0", "-1", "1", "2", "3.5", "-0.5", "1e308", "-1e308", "1e-308", "nan", "inf", "-inf",
    "0x" + "f" * 5000, "9" * 5000, "9" * 30, "9223372036854775807", "1000000000", "[]", "[1]", "{}", "{ a = 1 }",
    "1979-05-27", '"guided"', '"\\u001b[31m"', '"""a\nb"""', "[" * 2000, "1_000",
)  # fmt: skip
ODD_DTYPES = (
    "<f2", ">f4", "<f8", "<i4", ">i8", "<u8", "|O", "|V4", "|S0", "<U4", "<c8", "<M8[s]", "<m8", "|b1", "<f16", "x", "",
)  # fmt: skip


def drawn(rng: np.random.Generator, choices: Any) -> Any:
    """One of these (numpy's own choice would turn them into an array first)."""
    return choices[int(rng.integers(len(choices)))]


# Any file


def flipped_bytes(rng: np.random.Generator, content: bytes) -> bytes:
    changed = bytearray(content)
    # headers are what a reader must judge: half of the flips fall into the first kilobyte
    end = len(changed) if rng.random() < 0.5 else min(len(changed), 1024)
    for _ in range(int(rng.integers(1, 9)) if end else 0):
        changed[int(rng.integers(end))] ^= int(rng.integers(1, 256))
    return bytes(changed)


def truncated(rng: np.random.Generator, content: bytes) -> bytes:
    return content[: int(rng.integers(len(content) + 1))]


def lengthened(rng: np.random.Generator, content: bytes) -> bytes:
    where = int(rng.integers(len(content) + 1)) if rng.random() < 0.5 else len(content)
    return content[:where] + rng.bytes(int(rng.integers(1, 200))) + content[where:]


def repeated_or_lost_part(rng: np.random.Generator, content: bytes) -> bytes:
    first, last = sorted(rng.integers(len(content) + 1, size=2).tolist())
    part = drawn(rng, (content[first:last] * 2, b"", bytes(last - first)))
    return content[:first] + part + content[last:]


ANY_FILE: tuple[Mutation, ...] = (flipped_bytes, truncated, lengthened, repeated_or_lost_part)

# Text


def changed_lines(rng: np.random.Generator, content: bytes) -> bytes:
    """A line twice, lost, elsewhere, or with another line end."""
    lines = content.split(b"\n")
    a, b = rng.integers(len(lines), size=2).tolist()
    way = int(rng.integers(5))
    if way == 0:
        lines.insert(b, lines[a])
    elif way == 1:
        del lines[a]
    elif way == 2:
        lines[a], lines[b] = lines[b], lines[a]
    elif way == 3:
        return drawn(rng, (b"\r", b"\r\n")).join(lines)
    else:
        lines[a] += b"\r" + lines[b]
    return b"\n".join(lines)


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

# MRC

SIZE_WORDS = ("nx", "ny", "nz", "mode", "mapc", "mapr", "maps", "nsymbt", "mx", "my", "mz", "ispg")


def changed_mrc_header(rng: np.random.Generator, content: bytes) -> bytes:
    """One to three words of the header set to extremes, or the byte order of the header alone turned."""
    raw = bytearray(content)
    if len(raw) < HEADER_DTYPE.itemsize:
        return content
    header = np.frombuffer(raw, dtype=HEADER_DTYPE, count=1)
    for _ in range(int(rng.integers(1, 4))):
        if rng.random() < 0.7:
            header[drawn(rng, SIZE_WORDS)] = drawn(rng, ODD_WORDS)
        elif rng.random() < 0.5:
            header["cella"][drawn(rng, "xyz")] = drawn(rng, ODD_FLOATS)
        elif rng.random() < 0.5:
            header["machst"] = drawn(rng, ((0x11, 0x11, 0, 0), (0x44, 0x44, 0, 0), (9, 9, 9, 9)))
        else:
            header["map"] = drawn(rng, (b"", b"MAP ", b"\xff\xff\xff\xff"))
    if rng.random() < 0.1:
        header[:] = header.byteswap()
    return bytes(raw)


def odd_pixels(rng: np.random.Generator, content: bytes) -> bytes:
    """Bytes that are NaN, infinity or the largest integer in every mode."""
    if len(content) <= HEADER_DTYPE.itemsize:
        return content
    where = int(rng.integers(HEADER_DTYPE.itemsize, len(content))) // 4 * 4
    return (
        content[:where]
        + drawn(rng, (b"\xff\xff\xff\x7f", b"\x00\x00\x80\x7f", b"\x00\x7c\x00\x7c"))
        + content[where + 4 :]
    )


MRC: tuple[Mutation, ...] = (*ANY_FILE, odd_pixels, *(changed_mrc_header,) * 5)

# cryoSPARC (.npy)


def _npy_parts(content: bytes) -> tuple[bytes, str, bytes]:
    """Magic and version, the header's text, the data."""
    length = int.from_bytes(content[8:10], "little")
    return content[:8], content[10 : 10 + length].decode("latin-1"), content[10 + length :]


def changed_npy_header(rng: np.random.Generator, content: bytes) -> bytes:
    """Types, names, shape or order of the header changed; the data left as they are."""
    magic, text, data = _npy_parts(content)
    header = ast.literal_eval(text.strip())
    fields = [list(field) for field in header["descr"]]
    field, other = int(rng.integers(len(fields))), int(rng.integers(len(fields)))
    way = int(rng.integers(7))
    if way == 0:
        fields[field][1] = drawn(rng, ODD_DTYPES)
    elif way == 1:
        fields[field][0] = drawn(rng, ("", "x", fields[other][0], "\u00e9", "uid", "blob/path"))
    elif way == 2:
        fields[field][2:] = [drawn(rng, ((2,), (0,), (-1,), (2, 2), (2**40,), ()))]
    elif way == 3:
        del fields[field]
    elif way == 4:
        fields[field], fields[other] = fields[other], fields[field]
    header["descr"] = [tuple(entry) for entry in fields]
    if way == 5:
        n = header["shape"][0]
        shapes = ((n - 1,), (n + 1,), (0,), (-1,), (), (n, 1), (1, n), (10**18,), (2**62, 4), (2**70,), n, ("x",), None)
        header["shape"] = drawn(rng, shapes)
    if way == 6:
        odd = (("descr", "|O"), ("descr", "<f4"), ("descr", []), ("descr", 3), ("fortran_order", True), ("order", 1))
        key, value = drawn(rng, (*odd, ("fortran_order", "x"), ("shape", [2])))
        header[key] = value
    changed = repr(header).encode("latin-1", "replace") + b"\n"
    return magic + len(changed).to_bytes(2, "little") + changed + data


def changed_npy_text(rng: np.random.Generator, content: bytes) -> bytes:
    """The header no Python literal any more, or of another version or length."""
    magic, text, data = _npy_parts(content)
    way = int(rng.integers(4))
    if way == 0:
        magic = magic[:6] + bytes(rng.integers(0, 5, size=2).tolist())
    elif way == 1:
        text = drawn(rng, ("{", "(" * 3000, "'", "  x\n y", "f()", "{'descr': " + "[" * 500, "\x00", "1", ""))
    elif way == 2:
        where = int(rng.integers(len(text)))
        text = text[:where] + drawn(rng, "([{}])'\"\\,:\x00\xe9") + text[where + 1 :]
    else:
        return magic + int(rng.integers(2**16)).to_bytes(2, "little") + text.encode("latin-1") + data
    return magic + len(text).to_bytes(2, "little") + text.encode("latin-1") + data


def changed_records(rng: np.random.Generator, content: bytes) -> bytes:
    """Single values of the table replaced: the file itself stays whole."""
    magic, text, data = _npy_parts(content)
    header = ast.literal_eval(text.strip())
    records = np.frombuffer(bytearray(data), dtype=header["descr"])
    for _ in range(int(rng.integers(1, 4))):
        field = drawn(rng, records.dtype.names)
        column, row = records[field], int(rng.integers(len(records)))
        if column.dtype.kind == "S":
            column[row] = drawn(rng, (b"", b"x", b">", b"\xff\xfe", b"a\x00b", b"/", b"..", b"y" * 300))
        else:
            odd = drawn(rng, (*ODD_FLOATS, 0.5, 1.0, 2.0, 2.0**31, 2.0**63))
            with np.errstate(all="ignore"):
                column[row] = (
                    np.asarray(odd).astype(column.dtype) if column.dtype.kind == "f" else drawn(rng, (0, 1, 2**31 - 1))
                )
    return magic + len(text).to_bytes(2, "little") + text.encode("latin-1") + records.tobytes()


CS: tuple[Mutation, ...] = (
    *ANY_FILE, *(changed_npy_header,) * 4, changed_npy_text, *(changed_records,) * 3,
)  # fmt: skip

# JSON and safetensors


def _changed_json(rng: np.random.Generator, values: Any) -> Any:
    """One node, at any depth, replaced, lost or renamed."""
    if not isinstance(values, (dict, list)) or not values or rng.random() < 0.1:
        return drawn(rng, ODD_JSON)
    key = drawn(rng, list(values) if isinstance(values, dict) else range(len(values)))
    inner = values[key]
    if isinstance(inner, (dict, list)) and inner and rng.random() < 0.6:
        values[key] = _changed_json(rng, inner)
        return values
    way = int(rng.integers(4))
    if way == 0:
        del values[key]
    elif way == 1 and isinstance(values, dict):
        values["x"] = values.pop(key)
    else:
        values[key] = drawn(rng, ODD_JSON)
    return values


def changed_json(rng: np.random.Generator, content: bytes) -> bytes:
    if rng.random() < 0.05:
        return b"[" * 100_000
    return json.dumps(_changed_json(rng, json.loads(content))).encode()


JSON: tuple[Mutation, ...] = (flipped_bytes, truncated, changed_lines, *(changed_json,) * 5)


def changed_safetensors_header(rng: np.random.Generator, content: bytes) -> bytes:
    """Length, types, shapes, offsets or metadata of the header changed; the data left as they are."""
    length = int.from_bytes(content[:8], "little")
    header, data = json.loads(content[8 : 8 + length]), content[8 + length :]
    way = int(rng.integers(5))
    if way == 0:
        odd = drawn(rng, (0, 1, length - 1, length + 1, len(content), 2**31, 2**63, 2**64 - 1))
        return odd.to_bytes(8, "little") + content[8:]
    entry = header[drawn(rng, [name for name in header if name != "__metadata__"])]
    if way == 1:
        entry["dtype"] = drawn(rng, ("F16", "F64", "I8", "U64", "BOOL", "F8_E4M3", "x", 3))
    elif way == 2:
        entry["shape"] = drawn(rng, ([], [0], [-1], [2**62, 4], entry["shape"][::-1], [*entry["shape"], 1], "x"))
    elif way == 3:
        entry["data_offsets"] = drawn(rng, ([0, 0], [0, 4], [-1, 3], [2**62, 2**63], entry["data_offsets"][::-1], []))
    else:
        header = _changed_json(rng, header)
    return _safetensors(header, data)


def changed_progress(rng: np.random.Generator, content: bytes) -> bytes:
    """One node of the JSON in a checkpoint's metadata changed."""
    length = int.from_bytes(content[:8], "little")
    header, data = json.loads(content[8 : 8 + length]), content[8 + length :]
    header["__metadata__"]["progress"] = json.dumps(_changed_json(rng, json.loads(header["__metadata__"]["progress"])))
    return _safetensors(header, data)


def _safetensors(header: Any, data: bytes) -> bytes:
    text = json.dumps(header).encode()
    return len(text).to_bytes(8, "little") + text + data


SAFETENSORS: tuple[Mutation, ...] = (*ANY_FILE, *(changed_safetensors_header,) * 3, *(changed_progress,) * 3)
