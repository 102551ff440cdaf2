"""Optics that are possible but improbable: often another unit or sign, which no later step can notice."""

import numpy as np
from jaxtyping import Float64

from cryofifa.particles.files.table import ParticleTable

# Median underfocus of a set, in angstrom: 0.3 to 10 micrometres; closer to focus there is hardly any contrast.
LEAST_DEFOCUS, LARGEST_DEFOCUS = 3_000.0, 100_000.0
# By attribute of the table: name, unit, and the limits of what microscopes have.
USUAL = {
    "pixel_size_angstrom": ("pixel size", "A", 0.2, 20.0),
    "voltage_kilovolt": ("voltage", "kV", 60.0, 1000.0),
    "spherical_aberration_millimetre": ("spherical aberration", "mm", -0.1, 6.0),
    "amplitude_contrast": ("amplitude contrast", "", 0.0, 0.4),
}


def improbable(table: ParticleTable) -> list[str]:
    """One line for everything about the optics of a table that is improbable."""
    said = [_about_defocus(0.5 * (table.defocus_u_angstrom + table.defocus_v_angstrom))]
    for attribute, (name, unit, least, largest) in USUAL.items():
        median = float(np.median(getattr(table, attribute)))
        if not least <= median <= largest:
            said.append(
                f"the {name} is {median:g} {unit} (median), usual are {least:g} to {largest:g}: is the unit right?"
            )
    return [f"{table.source_path}: {line}" for line in said if line is not None]


def _about_defocus(defocus_angstrom: Float64[np.ndarray, " n"]) -> str | None:
    median = float(np.median(defocus_angstrom))
    if LEAST_DEFOCUS <= median <= LARGEST_DEFOCUS:
        return None
    if not defocus_angstrom.any():
        return "the defocus of every particle is 0: were CTFs estimated? Images in focus have next to no contrast"
    if median < 0:
        guess = "is underfocus negative in this file? Here it must be positive"
    elif 0.2 <= median <= 10:
        guess = "is it in micrometres?"
    elif 200 <= median < LEAST_DEFOCUS:
        guess = "is it in nanometres?"
    else:
        guess = "is the unit right?"
    return (
        f"the defocus is {median:g} A (median), usual are {LEAST_DEFOCUS:g} to {LARGEST_DEFOCUS:g} (0.3 to 10 "
        f"micrometres of underfocus): {guess}"
    )
