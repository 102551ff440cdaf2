"""Is there room for a simulated set? Memory and disk are looked at before either is taken."""

from __future__ import annotations

import shutil
from pathlib import Path

from cryofifa.errors import InputError
from cryofifa.system.memory import GIB, allowed_bytes

BYTES_PER_VOXEL = 32  # of a volume that is transformed: itself, its transform, and copies of both
_PADDED = 2  # times the box, in which a volume is transformed to take slices from (`FourierGrid.from_volume`)
# Of each voxel of that volume, measured at 160 px: a plain set takes 49, one with junk of all kinds, which has another
# molecule and fragments, 123.
_BYTES_OF_PLAIN, _BYTES_OF_JUNK, _BYTES_OF_FURTHER_STRUCTURE = 50, 75, 8
_BYTES_PER_ROW = 3000  # of all tables of a set, and of their text


def check_memory(what: str, wanted_bytes: int) -> None:
    """Check that this much memory is free.

    what: the beginning of the sentence if it is not.

    Raises:
        InputError: if it is not.
    """
    allowed = allowed_bytes(None)
    if wanted_bytes > allowed:
        raise InputError(
            f"{what} would take {wanted_bytes / GIB:.3g} GiB of memory, and {allowed / GIB:.3g} may be taken; "
            "give a smaller box, fewer particles or another pixel size"
        )


def check_room(output: Path, particles: int, box_size: int, bytes_per_pixel: int, structures: int, junk: float) -> None:
    """Check that there is memory for the volumes and tables of a set, and room on the disk for its images.

    Args:
        output: where the set is to lie.
        particles: number of images.
        box_size: their side in pixels.
        bytes_per_pixel: of the images on the disk.
        structures: how many different ones there are.
        junk: share of junk.

    Raises:
        InputError: if there is not.
    """
    per_voxel = _BYTES_OF_PLAIN + _BYTES_OF_FURTHER_STRUCTURE * (structures - 1) + (_BYTES_OF_JUNK if junk > 0 else 0)
    volumes = per_voxel * (_PADDED * box_size) ** 3
    check_memory(f"{particles} particles of {box_size} pixels", volumes + _BYTES_PER_ROW * particles)
    wanted = particles * box_size**2 * bytes_per_pixel + 4 * structures * box_size**3 + _BYTES_PER_ROW * particles
    there = next(folder for folder in (output.absolute(), *output.absolute().parents) if folder.exists())
    free = shutil.disk_usage(there).free
    if wanted > free:
        raise InputError(
            f"{output}: {particles} particles of {box_size} pixels take {wanted / GIB:.3g} GiB on the disk, and "
            f"{free / GIB:.3g} are free; make room, or give fewer or smaller ones"
        )
