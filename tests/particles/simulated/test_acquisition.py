"""Every argument that makes no sense is named."""

import dataclasses
import math
from typing import Any

import pytest

from cryofifa.errors import InputError
from cryofifa.particles.simulated.acquisition import Acquisition

RIGHT = Acquisition(
    structure="map.mrc",
    select=None,
    particles=10,
    box=32,
    pixel_size_angstrom=5.0,
    snr=0.1,
    shift_sd_pixel=1.0,
    defocus_angstrom=(8000.0, 25000.0),
    junk=0.0,
    views="uniform",
    dtype="float32",
    seed=0,
)


@pytest.mark.parametrize(
    "wrong",
    [
        {"particles": 0},
        {"box": 33},
        {"box": -2},
        {"pixel_size_angstrom": math.inf},
        {"pixel_size_angstrom": math.nan},
        {"pixel_size_angstrom": 0.0},
        {"snr": math.inf},
        {"snr": math.nan},
        {"snr": 0.0},
        {"shift_sd_pixel": math.inf},
        {"shift_sd_pixel": -1.0},
        {"defocus_angstrom": (2.0, 1.0)},
        {"defocus_angstrom": (8000.0, math.inf)},
        {"defocus_angstrom": (math.nan, 9000.0)},
        {"junk": 1.0},
        {"junk": math.nan},
        {"views": "odd"},
        {"dtype": "int8"},
        {"seed": -1},
    ],
)
def test_what_makes_no_sense_is_refused(wrong: dict[str, Any]):
    with pytest.raises(InputError, match="cannot simulate"):
        dataclasses.replace(RIGHT, **wrong)
