"""The header of an MRC stack, read without touching the images.

mrcfile gives the layout of the header; we read it ourselves because mrcfile neither finds the byte order of old files
without a machine stamp nor says by how many bytes a file is too short.
"""

import warnings
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import numpy as np
from mrcfile.dtypes import HEADER_DTYPE

from cryofifa.errors import InputError
from cryofifa.system.file_kind import other_kind

HEADER_BYTES = HEADER_DTYPE.itemsize  # 1024, MRC2014

# MRC2014 modes of real-valued images.  Mode 0 is signed, as the standard and RELION have it; older programs wrote
# unsigned numbers (particles/byte_stacks.py).
DTYPE_OF_MODE = {0: "i1", 1: "i2", 2: "f4", 6: "u2", 12: "f2"}


@dataclass(frozen=True)
class StackHeader:
    """Where the images of one stack lie in its file.

    Attributes:
        box_size: side of the square images in pixels.
        n_frames: number of images.
        dtype: type of one pixel, byte order included.
        offset_bytes: where the first image begins.
        pixel_size_angstrom: as the header has it; None where it says 0 or exactly 1, as headers do that do not know.
    """

    path: Path
    box_size: int
    n_frames: int
    dtype: np.dtype
    offset_bytes: int
    pixel_size_angstrom: float | None = None


def read_stack_header(path: Path) -> StackHeader:
    """Read and check the header of an MRC stack (little or big endian, with or without 'MAP ' and stamp).

    Raises:
        InputError: if the file is absent, is no MRC file (compressed ones and other kinds are named), has a mode
            other than 0, 1, 2, 6 or 12, has images that are not square or have their axes swapped, or is shorter
            than its header says.
    """
    try:
        with path.open("rb") as file:
            raw = file.read(HEADER_BYTES)
            found_bytes = file.seek(0, 2)
    except OSError as error:
        raise InputError(f"{path}: the image stack cannot be read ({error.strerror or error})") from error
    kind = other_kind(path, raw)
    if kind is not None:
        raise InputError(f"{path}: no MRC stack: it {kind}")
    if len(raw) < HEADER_BYTES:
        raise InputError(f"{path}: {len(raw)} bytes long, shorter than an MRC header ({HEADER_BYTES} bytes)")
    header, byte_order = _header_and_byte_order(raw, path)
    nx, ny, nz, mode = (int(header[name]) for name in ("nx", "ny", "nz", "mode"))
    extended_bytes = int(header["nsymbt"])
    if mode not in DTYPE_OF_MODE:
        raise InputError(
            f"{path}: MRC mode {mode} cannot be read; modes {sorted(DTYPE_OF_MODE)} can: convert the stack"
        )
    if nx != ny:
        raise InputError(f"{path}: images are {nx} x {ny} pixels; particles must be square")
    if extended_bytes < 0:
        raise InputError(f"{path}: the MRC header is damaged (extended header of {extended_bytes} bytes)")
    axes = [int(header[name]) for name in ("mapc", "mapr", "maps")]
    if axes != [1, 2, 3] and sorted(axes) == [1, 2, 3]:  # in old files these words may hold anything
        raise InputError(f"{path}: axes are in the order {axes}, not x, y, z; convert the stack")
    dtype = np.dtype(DTYPE_OF_MODE[mode]).newbyteorder(byte_order)
    offset_bytes = HEADER_BYTES + extended_bytes
    expected_bytes = offset_bytes + nx * ny * nz * dtype.itemsize
    if found_bytes < expected_bytes:
        raise InputError(
            f"{path}: truncated: expected {expected_bytes} bytes for {nz} images of {nx} x {ny}, "
            f"found {found_bytes}; copy or extract the stack again"
        )
    if found_bytes > expected_bytes:
        message = f"{path}: longer than its header says ({found_bytes} bytes, not {expected_bytes}); is it whole?"
        warnings.warn(message, stacklevel=2)
    width_angstrom, samples = float(header["cella"]["x"]), int(header["mx"])
    pixel_size = width_angstrom / samples if samples > 0 and width_angstrom > 0 else None
    return StackHeader(path, nx, nz, dtype, offset_bytes, None if pixel_size == 1 else pixel_size)


def _header_and_byte_order(raw: bytes, path: Path) -> tuple[np.void, Literal["<", ">"]]:
    # The machine stamp is often absent or wrong, but the first four numbers make sense in one byte order only.
    byte_orders: tuple[Literal["<", ">"], ...] = ("<", ">")
    for byte_order in byte_orders:
        header = np.frombuffer(raw, dtype=HEADER_DTYPE.newbyteorder(byte_order), count=1)[0]
        sizes = [int(header[name]) for name in ("nx", "ny", "nz")]
        if all(0 < size < 1 << 24 for size in sizes) and 0 <= int(header["mode"]) < 128:
            return header, byte_order
    raise InputError(f"{path}: not an MRC stack (sizes or mode in its header make no sense)")
