"""What the user gives of the optics is put where a particle file lacks it; what the file has is never replaced."""

import warnings
from collections.abc import Collection
from dataclasses import replace
from pathlib import Path

from cryofifa.particles.files.star_blocks import StarBlocks
from cryofifa.settings.optics import OpticsSettings

PIXEL_SIZE_LABELS = ("rlnImagePixelSize", "rlnPixelSize", "rlnDetectorPixelSize")
# Option of the command line, names in a STAR file of which any will do, and field of a .cs file, by setting.
NAMES = {
    "pixel_size_angstrom": ("--pixel-size", PIXEL_SIZE_LABELS, "blob/psize_A"),
    "voltage_kilovolt": ("--voltage", ("rlnVoltage",), "ctf/accel_kv"),
    "spherical_aberration_millimetre": ("--spherical-aberration", ("rlnSphericalAberration",), "ctf/cs_mm"),
    "amplitude_contrast": ("--amplitude-contrast", ("rlnAmplitudeContrast",), "ctf/amp_contrast"),
}


def option_for(name: str) -> str:
    """What to do about a missing column or field that an option supplies; nothing for others."""
    options = [option for option, labels, field in NAMES.values() if name in (*labels, field)]
    return f", or give {options[0]}" if options else ""


def star_with_given(star: StarBlocks, given: OpticsSettings) -> StarBlocks:
    """The file with the columns that it lacks: in data_optics where there is one, else in the particle block."""
    has_optics = star.optics is not None
    table = star.particles if star.optics is None else star.optics
    known = set(star.particles.columns) | set(table.columns)
    missing = {}
    for setting, (option, labels, _) in NAMES.items():
        value = getattr(given, setting)
        if value is not None and not _is_known(star.path, option, [label for label in labels if label in known]):
            missing[labels[0]] = f"{value:g}"
    filled = table.assign(**missing)
    return replace(star, optics=filled) if has_optics else replace(star, particles=filled)


def lacking_fields(path: Path, known: Collection[str], given: OpticsSettings) -> dict[str, float]:
    """The fields that a .cs file lacks, with the values that are given for them.

    known: the fields that it has.
    """
    missing = {}
    for setting, (option, _, field) in NAMES.items():
        value = getattr(given, setting)
        if value is not None and not _is_known(path, option, [field] if field in known else []):
            missing[field] = value
    return missing


def _is_known(path: Path, option: str, names: list[str]) -> bool:
    """Whether the file has the value itself; a warning says that the option is not used then."""
    if names:
        warnings.warn(f"{path}: has {names[0]} itself, which is used; {option} is not", stacklevel=3)
    return bool(names)
