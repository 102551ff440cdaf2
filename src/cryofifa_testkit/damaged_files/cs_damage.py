"""Damages cryoSPARC's tables, which are .npy files: their header, its text, single records."""

import ast

import numpy as np

from cryofifa_testkit.damaged_files.damage import ANY_FILE, ODD_FLOATS, Mutation, drawn

ODD_DTYPES = (
    "<f2", ">f4", "<f8", "<i4", ">i8", "<u8", "|O", "|V4", "|S0", "<U4", "<c8", "<M8[s]", "<m8", "|b1", "<f16", "x", "",
)  # fmt: skip


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
