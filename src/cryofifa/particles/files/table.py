"""The particles of one input file: which images, and the optics each was taken with."""

from dataclasses import dataclass, fields, replace
from pathlib import Path
from typing import Literal

import numpy as np
from jaxtyping import Float64, Int64

from cryofifa.particles.files.star_blocks import StarBlocks


@dataclass(frozen=True)
class ParticleTable:
    """One row per particle, in the order of the input file (or of the row list); all arrays are read-only.

    Attributes:
        source_path: the .star or .cs file.
        stack_paths: image stacks, as found on this machine.
        stack_index: which of `stack_paths`, 0-based.
        frame_index: which image of that stack, 0-based.
        box_size: side of the images in pixels, one for all particles.
        pixel_size_angstrom: of the images.
        defocus_u_angstrom, defocus_v_angstrom: along and across `defocus_angle_radian`, underfocus positive.
        defocus_angle_radian: from +x.
        b_factor_square_angstrom: envelope exp(-B s^2 / 4).
        beam_tilt_x_milliradian, beam_tilt_y_milliradian, odd_zernike: see physics/antisymmetric_phase.py; the images
            on disk have them.
        optics_group: 0-based; for STAR 3.1 the row of data_optics.
        contrast_sign: +1 or -1: what the images are multiplied by (cryoSPARC's blob/sign).
        random_subset: half set, 1 or 2, or None where the file has none.
        row: 0-based row in the input file.
        source: the whole input as read, so that a writer can keep every column.
    """

    source_path: Path
    kind: Literal["star", "cs"]
    stack_paths: tuple[Path, ...]
    stack_index: Int64[np.ndarray, " n"]
    frame_index: Int64[np.ndarray, " n"]
    box_size: int
    pixel_size_angstrom: Float64[np.ndarray, " n"]
    voltage_kilovolt: Float64[np.ndarray, " n"]
    spherical_aberration_millimetre: Float64[np.ndarray, " n"]
    amplitude_contrast: Float64[np.ndarray, " n"]
    defocus_u_angstrom: Float64[np.ndarray, " n"]
    defocus_v_angstrom: Float64[np.ndarray, " n"]
    defocus_angle_radian: Float64[np.ndarray, " n"]
    phase_shift_radian: Float64[np.ndarray, " n"]
    b_factor_square_angstrom: Float64[np.ndarray, " n"]
    ctf_scale: Float64[np.ndarray, " n"]
    beam_tilt_x_milliradian: Float64[np.ndarray, " n"]
    beam_tilt_y_milliradian: Float64[np.ndarray, " n"]
    odd_zernike: Float64[np.ndarray, "n coefficients"]
    optics_group: Int64[np.ndarray, " n"]
    contrast_sign: Float64[np.ndarray, " n"]
    random_subset: Int64[np.ndarray, " n"] | None
    row: Int64[np.ndarray, " n"]
    source: StarBlocks | np.ndarray

    def __post_init__(self) -> None:
        for name, array in self._columns().items():
            assert array.shape[:1] == self.row.shape, f"{name} has shape {array.shape}"
            if array.flags.writeable:
                read_only = array.view()
                read_only.flags.writeable = False
                object.__setattr__(self, name, read_only)

    def __len__(self) -> int:
        return len(self.row)

    def _columns(self) -> dict[str, np.ndarray]:
        values = {field.name: getattr(self, field.name) for field in fields(self) if field.name != "source"}
        return {name: value for name, value in values.items() if isinstance(value, np.ndarray)}

    def select(self, rows: Int64[np.ndarray, " m"]) -> "ParticleTable":
        """The particles at these 0-based positions of this table, in this order; `row` is kept."""
        return replace(self, **{name: array[rows] for name, array in self._columns().items()})

    def inverted(self) -> "ParticleTable":
        """The same particles, whose images have the other contrast (`--invert`)."""
        return replace(self, contrast_sign=-self.contrast_sign)

    @property
    def reference_pixel_size_angstrom(self) -> float:
        """Pixel size of the optics group with most particles (the first of equals)."""
        most_common = np.bincount(self.optics_group).argmax()
        return float(self.pixel_size_angstrom[np.argmax(self.optics_group == most_common)])
