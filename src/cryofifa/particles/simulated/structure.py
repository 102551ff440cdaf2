"""A structure (density map or atomic model) as a volume of a given box and pixel size."""

import math
from pathlib import Path

import gemmi
import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from cryofifa.errors import InputError
from cryofifa.mrc_map import read_map
from cryofifa.particles.simulated.room import BYTES_PER_VOXEL, check_memory
from cryofifa.physics.fourier import rescale_volume
from cryofifa.physics.resample import low_pass_ball, padded_sizes, resample_volume

_MAP_SUFFIXES = (".mrc", ".map", ".ccp4")
_MODEL_SUFFIXES = (".cif", ".mmcif", ".pdb", ".ent")
_FINE_PIXEL_ANGSTROM = 1.0  # the density of atoms is computed on a grid at least this fine


def structure_volume(
    structure: Path,
    box_size: int,
    pixel_size_angstrom: float,
    select: str | None = None,
    centre_angstrom: tuple[float, float, float] | None = None,
) -> Float[Tensor, "z y x"]:
    """The density of a map or model, cut to the Nyquist ball.

    A map is Fourier-rescaled, and cropped or padded about its centre; for a model, and for `centre_angstrom`, see
    `model_volume`.

    Raises:
        InputError: if the file is absent, of an unknown kind, unreadable or empty, if `select` is given for
            a map or picks nothing, or if the model does not fit the box in every orientation.
    """
    suffix = _suffix(structure)
    if suffix in _MODEL_SUFFIXES:
        return model_volume(structure, box_size, pixel_size_angstrom, select, centre_angstrom)
    if suffix not in _MAP_SUFFIXES:
        raise InputError(f"{structure}: unknown kind of structure; give an MRC map, or a PDB or mmCIF model")
    if select is not None:
        raise InputError(f"{structure}: a selection ('{select}') needs an atomic model, not a map")
    volume, map_pixel_size_angstrom = read_map(structure)
    largest = max(padded_sizes(volume.shape[-1], map_pixel_size_angstrom / pixel_size_angstrom))
    check_memory(f"{structure} at {pixel_size_angstrom:g} angstrom per pixel", BYTES_PER_VOXEL * largest**3)
    volume = resample_volume(volume, map_pixel_size_angstrom, pixel_size_angstrom, box_size)
    return low_pass_ball(volume, box_size // 2)


def model_centre_angstrom(structure: Path, select: str | None = None) -> tuple[float, float, float] | None:
    """The mass centre (x, y, z) of an atomic model, or of the part selected; None for a map, which has its own frame.

    Raises:
        InputError: as `structure_volume`.
    """
    if _suffix(structure) not in _MODEL_SUFFIXES:
        return None
    x, y, z = _read_model(structure, select)[0].calculate_center_of_mass().tolist()
    return x, y, z


def model_volume(
    structure: Path,
    box_size: int,
    pixel_size_angstrom: float,
    select: str | None = None,
    centre_angstrom: tuple[float, float, float] | None = None,
) -> Float[Tensor, "z y x"]:
    """Electron-scattering density of a PDB or mmCIF model, without waters, cut to the Nyquist ball.

    Its mass centre is at N//2.  Atoms have their B factors from the file, and may all be blurred further: only the
    density's phases and its ratios within a Fourier shell are to be trusted.

    Args:
        structure: a PDB or mmCIF file.
        box_size: in voxels.
        pixel_size_angstrom: of the volume.
        select: the part of the model to use, in gemmi's syntax.
        centre_angstrom: what of the model's own frame comes to N//2 in place of its mass centre.

    Raises:
        InputError: if the file is absent, not a model, unreadable or empty, if `select` picks nothing, or if
            the model does not fit the box in every orientation.
    """
    if _suffix(structure) not in _MODEL_SUFFIXES:
        raise InputError(f"{structure}: not an atomic model; give a PDB or mmCIF file ({', '.join(_MODEL_SUFFIXES)})")
    model = _read_model(structure, select)
    mass_centre = model[0].calculate_center_of_mass()
    centre = mass_centre if centre_angstrom is None else gemmi.Position(*centre_angstrom)
    field = box_size * pixel_size_angstrom
    places = np.array([atom.atom.pos.tolist() for atom in model[0].all()]) - np.array(centre.tolist())
    reach = float(np.linalg.norm(places, axis=1).max())
    if reach > field / 2:
        raise InputError(
            f"{structure}: the model reaches {reach:.0f} angstrom from its mass centre, "
            f"the box only {field / 2:.0f}; "
            "give a larger box or pixel size, or select less of the model"
        )
    finer = max(1, math.ceil(pixel_size_angstrom / _FINE_PIXEL_ANGSTROM))
    fine_size, fine_pixel = finer * box_size, pixel_size_angstrom / finer
    check_memory(f"{structure} in {fine_size} voxels of {fine_pixel:.3g} angstrom", BYTES_PER_VOXEL * fine_size**3)
    # The sample N//2 of the box is the sample finer * (N//2) of the fine grid, also for odd boxes.
    wanted = gemmi.Position(*[(fine_size // 2) * fine_pixel] * 3)
    for atom in model[0].all():
        atom.atom.pos += wanted - centre
    model.cell = gemmi.UnitCell(field, field, field, 90, 90, 90)
    model.spacegroup_hm = "P 1"
    calculator = gemmi.DensityCalculatorE()
    calculator.d_min = 2 * fine_pixel
    calculator.rate = 1.0
    # Atoms sharper than the grid would be badly sampled: blur all until the sharpest is not.
    calculator.set_refmac_compatible_blur(model[0])
    calculator.grid.set_unit_cell(model.cell)
    calculator.grid.spacegroup = gemmi.SpaceGroup("P 1")
    calculator.grid.set_size(fine_size, fine_size, fine_size)
    calculator.add_model_density_to_grid(model[0])
    density = np.ascontiguousarray(np.array(calculator.grid, copy=False).transpose(2, 1, 0), dtype=np.float32)
    return low_pass_ball(rescale_volume(torch.from_numpy(density), box_size), box_size // 2)


def _suffix(structure: Path) -> str:
    """The file's suffix in lower case, without a final .gz."""
    if not structure.is_file():
        raise InputError(f"{structure}: there is no such map or model")
    return Path(structure.stem if structure.suffix.lower() == ".gz" else structure).suffix.lower()


def _read_model(structure: Path, select: str | None) -> gemmi.Structure:
    """The model without waters, or the selected part of it; at least one atom."""
    try:
        model = gemmi.read_structure(str(structure))
    except (OSError, RuntimeError, ValueError) as error:
        reason = " ".join(str(error).split())
        raise InputError(f"{structure}: not a readable model ({reason})") from error
    if select is not None:
        try:
            model = gemmi.Selection(select).copy_structure_selection(model)
        except (RuntimeError, ValueError) as error:
            raise InputError(
                f"selection '{select}' is not gemmi's syntax ({error}); like 'A,B' or 'R/1-340'"
            ) from error
    model.remove_waters()
    if len(model) == 0 or not any(True for _ in model[0].all()):
        raise InputError(f"{structure}: no atoms" + (f" in the selection '{select}'" if select else ""))
    return model
