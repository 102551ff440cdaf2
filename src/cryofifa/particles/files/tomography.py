"""Particle files of tomography, which are refused as what they are: their images are no single views of a particle."""

import numpy as np
from jaxtyping import Float64, Int64

from cryofifa.errors import InputError
from cryofifa.particles.files.star_blocks import StarBlocks

WHAT_TO_GIVE = "; single particles are needed: give 2-D images, each of another particle"
LEAST_DAMPING = 30.0  # square angstrom: fits of single particles give B-factors down to about -30; our choice


def refuse_tomography(star: StarBlocks, b_factor_square_angstrom: Float64[np.ndarray, " m"]) -> None:
    """Raise InputError if a STAR file lists subtomograms, pseudo-subtomograms or images of tilt series.

    RELION marks subtomograms by rlnImageDimensionality 3, and has columns rlnTomo... in all its files of tomography.
    Warp and M write tilt images whose B-factors fall with the dose: there minus means damping.
    """
    tables = [table for table in (star.optics, star.particles) if table is not None]
    for table in tables:
        if "rlnImageDimensionality" in table.columns and "3" in set(table["rlnImageDimensionality"]):
            raise InputError(f"{star.path}: these are subtomograms (rlnImageDimensionality is 3){WHAT_TO_GIVE}")
    tomographic = next((label for table in tables for label in table.columns if label.startswith("rlnTomo")), None)
    if tomographic is not None:
        raise InputError(f"{star.path}: these are particles of tomograms (column {tomographic}){WHAT_TO_GIVE}")
    b = b_factor_square_angstrom
    if (b <= 0).all() and b.min() < -LEAST_DAMPING:
        raise InputError(
            f"{star.path}: these look like images of tilt series from Warp or M: rlnCtfBfactor goes down to "
            f"{b.min():g}, and there minus means damping (here plus does){WHAT_TO_GIVE}, or change the sign if they are"
        )


def refuse_volumes(star: StarBlocks, without_number: Int64[np.ndarray, " n"], images_in_file: int) -> None:
    """Raise InputError if image names without a number and "@" name files of several images, which are volumes.

    Args:
        star: the particle file.
        without_number: rows of the particle file with such names.
        images_in_file: how many images the file of the first of them has.
    """
    if images_in_file > 1:
        raise InputError(
            f"{star.path}: particle row {without_number[0]} (counted from 0): rlnImageName has no image number, and "
            f"its file has {images_in_file} images: volumes (subtomograms) cannot be used; images of a stack are named "
            "as 000001@stack.mrcs"
        )
