"""Images without noise or with broken numbers are found before any statistics, and good ones are all kept."""

import numpy as np
import pytest

from cryofifa.errors import InputError
from cryofifa.particles.unusable_images import find_unusable, named_rows
from cryofifa_testkit.particle_files import particle_images

SIZE, COUNT = 32, 24


def noisy() -> np.ndarray:
    return np.random.default_rng(0).normal(100, 20, (COUNT, SIZE, SIZE)).astype(np.float32)


def masked(image: np.ndarray) -> np.ndarray:
    y, x = np.mgrid[-16:16, -16:16]
    return np.where(x**2 + y**2 < 13**2, image, np.float32(7.5))


FAULTS = {
    "blank": lambda image: np.full_like(image, 1234.567),
    "zero": np.zeros_like,
    "blank but for rounding": lambda image: 1234.567 + 1e-4 * (image - 100) / 20,
    "noise far below all others": lambda image: 1e-7 * (image - 100),
    "not a number": lambda image: np.where(np.arange(SIZE) == 3, np.nan, image),
    "infinite": lambda image: np.where(np.arange(SIZE) == 3, -np.inf, image),
    "far too large": lambda image: np.where(np.arange(SIZE) == 3, 1e30, image),
    "masked": masked,
    "little left of it": lambda image: np.where(np.arange(SIZE) < 28, np.float32(91.2), image),
}


@pytest.mark.filterwarnings("ignore::RuntimeWarning")  # of mrcfile, which writes what it warns of
@pytest.mark.parametrize("fault", FAULTS)
def test_bad_images_and_no_others_are_found(tmp_path, fault):
    images = noisy()
    for row in (3, 4, 17):
        images[row] = FAULTS[fault](images[row])
    found = find_unusable(particle_images(tmp_path, images, [2.0] * COUNT))
    np.testing.assert_array_equal(found.rows, [3, 4, 17])
    assert "3 of 24 images cannot be used (rows counted from 0)" in found.as_text(np.arange(COUNT))
    assert "rows 3-4, 17" in found.as_text(np.arange(COUNT))
    # rows of the particle file, of which --ind has chosen some
    assert "rows 1003-1004, 1017" in found.as_text(np.arange(COUNT) + 1000)


def test_good_images_of_all_kinds_are_kept(tmp_path):
    """Sets joined of raw counts and normalised images, bright particles, ice, hot pixels, coarse numbers."""
    images = noisy()
    images[1] *= 1000
    images[2] = (images[2] - 100) / 2000
    images[3, 12:20, 12:20] += 1e5
    images[4, 5, 5] = 1e7
    images[5] = np.round(images[5] / 20)
    images[6, :, :16] = 80  # half of it beyond the micrograph's edge
    assert len(find_unusable(particle_images(tmp_path, images, [2.0] * COUNT)).rows) == 0


def test_a_set_that_is_mostly_bad_is_refused(tmp_path):
    images = noisy()
    images[: COUNT // 2] = 0
    assert len(find_unusable(particle_images(tmp_path, images, [2.0] * COUNT)).rows) == COUNT // 2
    images[COUNT // 2] = 0
    with pytest.raises(InputError, match=r"13 of 24 images cannot be used .* blank in rows 0-12; extract"):
        find_unusable(particle_images(tmp_path, images, [2.0] * COUNT))


def test_those_left_out_take_no_part(tmp_path):
    images = noisy() + 50 * np.arange(COUNT, dtype=np.float32)[:, None, None] * (np.arange(SIZE) == 16)
    all_of_them = particle_images(tmp_path, images, [2.0] * COUNT)
    few = all_of_them.leaving_out(np.array([0, 1, 5])).leaving_out(np.array([0]))
    np.testing.assert_array_equal(few.table.row, [row for row in range(COUNT) if row not in (0, 1, 2, 5)])
    some = np.array([7, 0, 2])
    np.testing.assert_array_equal(few.normalised(some), all_of_them.normalised(few.table.row[some]))
    assert len(few.listed) == COUNT


def test_many_rows_are_not_all_named():
    assert named_rows(np.array([5])) == "row 5"
    assert named_rows(np.arange(0, 100, 2)).endswith("36, 38 and 30 more")
