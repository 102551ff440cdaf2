"""The particles of one input file: which images they are, and the optics of each."""

from dataclasses import dataclass, fields, replace
from pathlib import Path
from typing import Literal

import numpy as np
from jaxtyping import Float64, Int64

from cryofifa.particles.files.star_blocks import StarBlocks

PHASE_FLIPPED, PREMULTIPLIED = 1, 2


@dataclass(frozen=True)
class ParticleTable:
    """One row per particle, in the order of the input file (or of the row list); all arrays are read-only.

    Attributes:
        source_path: the .star or .cs file.
        kind: which of the two it is.
        stack_paths: image stacks, as found on this machine.
        stack_index: which of `stack_paths` holds the image, 0-based.
        frame_index: which image of that stack it is, 0-based.
        box_size: side in pixels that images are brought to, one for all particles; at first that of the first stack.
        pixel_size_angstrom: pixel size of the images.
        voltage_kilovolt, spherical_aberration_millimetre, amplitude_contrast, phase_shift_radian, ctf_scale: see
            physics/ctf.py.
        defocus_u_angstrom, defocus_v_angstrom: along and across `defocus_angle_radian`, underfocus positive.
        defocus_angle_radian: measured from +x.
        b_factor_square_angstrom: B of the envelope exp(-B s^2 / 4).
        beam_tilt_x_milliradian, beam_tilt_y_milliradian, odd_zernike: see physics/antisymmetric_phase.py; the images on
            disk still have these aberrations.
        optics_group: 0-based; for STAR 3.1 the row of data_optics.
        contrast_sign: +1 or -1, by which the images are multiplied (cryoSPARC's blob/sign).
        random_subset: half set, 1 or 2, or None where the file has none.
        row: 0-based row in the input file.
        source: the whole input as read, so that a writer can keep every column.
        applied_ctf: what each image on disk was multiplied by: `PHASE_FLIPPED` (the sign of its CTF), `PREMULTIPLIED`
            (its CTF), or 0 (neither); None where none of them was. See physics/applied_ctf.py.
        even_zernike: see physics/ctf.py; None where the file has none.
        magnification: matrix of the anisotropic magnification of the images on disk (physics/magnification.py), the
            identity where there is none; None where there is none at all.
        stated_box_size: side of each image as the file has it, or None where it does not say.
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
    applied_ctf: Int64[np.ndarray, " n"] | None = None
    even_zernike: Float64[np.ndarray, "n even_coefficients"] | None = None
    magnification: Float64[np.ndarray, "n 2 2"] | None = None
    stated_box_size: Int64[np.ndarray, " n"] | None = None

    def __post_init__(self) -> None:
        for name, array in self._columns().items():
            assert array.shape[:1] == self.row.shape, f"{name} has shape {array.shape}"
            if array.flags.writeable:
                read_only = array.view()
                read_only.flags.writeable = False
                object.__setattr__(self, name, read_only)

    def __len__(self) -> int:
        """The number of particles."""
        return len(self.row)

    def _columns(self) -> dict[str, np.ndarray]:
        values = {field.name: getattr(self, field.name) for field in fields(self) if field.name != "source"}
        return {name: value for name, value in values.items() if isinstance(value, np.ndarray)}

    def select(self, rows: Int64[np.ndarray, " m"]) -> "ParticleTable":
        """The particles at these 0-based positions of this table, in this order; `row` still refers to the file."""
        return replace(self, **{name: array[rows] for name, array in self._columns().items()})

    def inverted(self) -> "ParticleTable":
        """The same particles with the opposite contrast sign (`--invert`)."""
        return replace(self, contrast_sign=-self.contrast_sign)

    @property
    def reference_row(self) -> int:
        """The first particle of the optics group with most particles (of the first such group, if there are several).

        All images are brought to its pixel size.
        """
        return int(np.argmax(self.optics_group == np.bincount(self.optics_group).argmax()))

    @property
    def reference_pixel_size_angstrom(self) -> float:
        """Pixel size of the optics group with most particles."""
        return float(self.pixel_size_angstrom[self.reference_row])
