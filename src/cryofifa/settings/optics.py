"""Settings of the optics that a particle file may lack: they supply what is missing, and replace nothing."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated

from cryofifa.settings.ranges import POSITIVE, SHARE, Range


@dataclass(frozen=True)
class OpticsSettings:
    """[optics]: values for all particles, used where the particle file has none; nothing is assumed without them."""

    pixel_size_angstrom: Annotated[float | None, POSITIVE] = None
    voltage_kilovolt: Annotated[float | None, Range(1, 10_000)] = None
    spherical_aberration_millimetre: Annotated[float | None, Range(-100, 100)] = None
    amplitude_contrast: Annotated[float | None, SHARE] = None


NOTHING_GIVEN = OpticsSettings()
