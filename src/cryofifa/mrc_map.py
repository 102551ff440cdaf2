"""Maps on disk: cubic MRC files with axes (z, y, x), which always carry their voxel size."""

import warnings
from pathlib import Path

import mrcfile
import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from cryofifa.errors import InputError
from cryofifa.system.atomic_file import atomic_path
from cryofifa.system.file_kind import other_kind_of_file
from cryofifa.system.input_file import check_input_file

LARGEST_VALUE = 1e15  # its square, summed over a map, is near the largest 32-bit number
SMALLEST_VOXEL_ANGSTROM, LARGEST_VOXEL_ANGSTROM = 1e-3, 1e4  # our choice, far beyond what microscopes give
BYTES_PER_BYTE = 12.0  # memory that the work with a map takes for each of its bytes, roughly


def read_map(path: Path) -> tuple[Float[Tensor, "z y x"], float]:
    """Read a map: float32, axes (z, y, x), and its pixel size in angstrom.

    Raises:
        InputError: if the file is absent or damaged, is not one cubic map with axes in the order x, y, z, has
            no voxel size or not the same on every axis, holds a value that is not finite or too large to be computed
            with, or is too large for the memory.
    """
    path = Path(path)
    check_input_file(path, bytes_per_byte=BYTES_PER_BYTE)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # mrcfile warns of what the checks below decide on
            with mrcfile.open(path, permissive=True) as file:
                if file.data is None or file.header is None or file.voxel_size is None:
                    raise ValueError("its header and its size do not agree")
                values = np.array(file.data)
                voxel_size = file.voxel_size
                header = file.header
                axes = [int(header[name]) for name in ("mapc", "mapr", "maps")]
    except OSError as error:
        raise InputError(f"{path}: the map cannot be read ({error.strerror or error})") from error
    except (ValueError, MemoryError, OverflowError) as error:
        kind = other_kind_of_file(path)
        if kind is not None:
            raise InputError(f"{path}: no MRC map: it {kind}") from error
        raise InputError(f"{path}: not a readable MRC map ({error}); export it again") from error
    if values.ndim != 3 or len(set(values.shape)) != 1:
        shape = " x ".join(str(length) for length in values.shape[::-1])
        raise InputError(f"{path}: the map must be a cube, but is {shape}; crop or pad it")
    if axes not in ([1, 2, 3], [0, 0, 0]):  # very old files leave the three words empty
        raise InputError(f"{path}: map axes are in the order {axes}, not x, y, z; convert the map")
    if np.iscomplexobj(values) or not np.isfinite(values).all():
        raise InputError(f"{path}: the map holds values that are not finite real numbers; make it anew")
    if float(np.abs(values, dtype=np.float64).max()) > LARGEST_VALUE:
        raise InputError(f"{path}: the map holds values over {LARGEST_VALUE:g}, whose powers overflow; scale it down")
    sizes = [float(voxel_size[axis]) for axis in ("x", "y", "z")]
    if (
        min(sizes) < SMALLEST_VOXEL_ANGSTROM
        or max(sizes) > LARGEST_VOXEL_ANGSTROM
        or not np.isfinite(sizes).all()
        or max(sizes) > 1.001 * min(sizes)
    ):
        raise InputError(f"{path}: voxel size in the header is {sizes}; set one positive size in angstrom")
    # The header keeps float32 cell lengths: 3.3 comes back as 3.2999999.
    return torch.from_numpy(values.astype(np.float32)), round(sizes[0], 5)


def read_like(path: Path, box_size: int, pixel_size_angstrom: float) -> Float[Tensor, "z y x"]:
    """Read a map that must lie on the same grid as another one, of this box and pixel size.

    Raises:
        InputError: if it lies on another grid, or cannot be read.
    """
    found, pixel_size = read_map(path)
    if found.shape[-1] != box_size or abs(pixel_size / pixel_size_angstrom - 1) > 1e-3:
        raise InputError(
            f"{path}: {found.shape[-1]} px of {pixel_size:g} A, but wanted are {box_size} px of "
            f"{pixel_size_angstrom:g} A; give one on the same grid"
        )
    return found


def read_mask(path: Path, box_size: int, pixel_size_angstrom: float) -> Float[Tensor, "z y x"]:
    """Read a mask that must lie on a map's grid; its values are cut to the range 0 to 1.

    Raises:
        InputError: if it lies on another grid, cannot be read, or has values that no mask has.
    """
    mask = read_like(path, box_size, pixel_size_angstrom)
    if float(mask.min()) < -1e-3 or not 0.5 < float(mask.max()) <= 1.001:
        raise InputError(f"{path}: values from {mask.min():g} to {mask.max():g} are no mask; they must go from 0 to 1")
    return torch.clamp(mask, 0, 1)


def write_map(path: Path, volume: Float[Tensor, "z y x"], pixel_size_angstrom: float) -> None:
    """Write a volume as a float32 map with its voxel size and origin 0.

    An older file of this name stays whole until the new one is complete.

    Raises:
        ValueError: if the volume is not a cube.
        InputError: if the folder cannot be written.
    """
    if volume.ndim != 3 or len(set(volume.shape)) != 1:
        raise ValueError(f"expected a cubic volume, got shape {tuple(volume.shape)}")
    with atomic_path(Path(path)) as temporary, mrcfile.new(temporary) as file:
        file.set_data(volume.detach().cpu().numpy().astype(np.float32))
        file.set_volume()
        file.voxel_size = pixel_size_angstrom
