"""Copies are found by image name and by coordinates; neighbours, and files without coordinates, are left alone."""

from pathlib import Path

import numpy as np

from cryofifa.particles.copies import Copies, find_copies
from cryofifa.particles.files.read import read_particles
from cryofifa.particles.files.star import read_star
from cryofifa_testkit.particle_files import OPTICS, PARTICLES, cs_records, ramp, write_cs, write_stack, write_star

NEAR_ANGSTROM = 30.0


def copies(folder: Path, names: list[str], optics: dict | None = None, **columns: list) -> Copies:
    """What is found in a file with these image names and columns; pixels are of 1.5 A."""
    for name in {name.rpartition("@")[2] for name in names}:
        write_stack(folder / name, ramp(20))
    particles = {label: column[:1] * len(names) for label, column in PARTICLES.items()} | {
        "rlnImageName": names,
        **columns,
    }
    return find_copies(read_particles(write_star(folder / "a.star", particles, optics)), NEAR_ANGSTROM)


def named(count: int) -> list[str]:
    return [f"{number + 1}@stack.mrcs" for number in range(count)]


def test_images_listed_twice(tmp_path: Path):
    found = copies(tmp_path, ["4@a.mrcs", "4@b.mrcs", "4@a.mrcs", "5@a.mrcs", "000004@./b.mrcs", "4@a.mrcs"])
    np.testing.assert_array_equal(found.group, [0, 1, 0, 3, 1, 0])
    assert (found.listed_again, found.overlapping) == (3, 0)
    text = found.as_text(np.arange(6) + 100, NEAR_ANGSTROM)
    assert text is not None
    assert "3 rows name an image that an earlier row has (rows 100 and 102 first" in text


def test_a_list_without_copies_has_nothing_to_say(tmp_path: Path):
    found = copies(tmp_path, named(5))
    np.testing.assert_array_equal(found.group, np.arange(5))
    assert found.as_text(np.arange(5), NEAR_ANGSTROM) is None


def test_picks_of_one_micrograph_that_are_near(tmp_path: Path):
    """30 A are 20 px: 0, 3 and 5 form a chain; 1 is in another micrograph, 2 and 4 are far from all."""
    found = copies(
        tmp_path,
        named(6),
        rlnMicrographName=["a.mrc", "b.mrc", "a.mrc", "a.mrc", "b.mrc", "a.mrc"],
        rlnCoordinateX=[100, 100, 100, 115, 200, 130],
        rlnCoordinateY=[500, 500, 600, 505, 500, 510],
    )
    np.testing.assert_array_equal(found.group, [0, 1, 2, 0, 4, 0])
    assert (found.listed_again, found.overlapping) == (0, 3)


def test_coordinates_count_in_pixels_of_the_micrograph(tmp_path: Path):
    """Of micrographs at 0.75 A, 25 px are 18.75 A and near; at the images' own 1.5 A they would be 37.5."""
    columns = {"rlnMicrographName": ["a.mrc"] * 3, "rlnCoordinateX": [100, 125, 900], "rlnCoordinateY": [50, 50, 50]}
    np.testing.assert_array_equal(copies(tmp_path, named(3), **columns).group, [0, 1, 2])
    optics = OPTICS | {"rlnMicrographPixelSize": [0.75]}
    np.testing.assert_array_equal(copies(tmp_path, named(3), optics, **columns).group, [0, 0, 2])


def test_a_particle_extracted_twice_from_the_same_place(tmp_path: Path):
    columns = {
        "rlnMicrographName": ["a.mrc"] * 4,
        "rlnCoordinateX": [9, 500, 9, 900],
        "rlnCoordinateY": [9, 9, 9, "nan"],
    }
    found = copies(tmp_path, ["1@a.mrcs", "2@a.mrcs", "1@b.mrcs", "3@a.mrcs"], **columns)
    np.testing.assert_array_equal(found.group, [0, 1, 0, 3])


def test_placeholders_are_no_coordinates(tmp_path: Path):
    zero = [0] * 20
    found = copies(tmp_path, named(20), rlnMicrographName=["a.mrc"] * 20, rlnCoordinateX=zero, rlnCoordinateY=zero)
    np.testing.assert_array_equal(found.group, np.arange(20))


def test_positions_of_cryosparc_are_shares_of_the_micrograph(tmp_path: Path):
    """A micrograph of 2000 rows and 4000 columns at 1 A: 0.005 of a row's length are 20 A, 0.02 of a column's 40."""
    write_stack(tmp_path / "stack.mrcs", ramp(8))
    records = cs_records(
        3,
        **{
            "location/micrograph_path": np.array([b"a.mrc"] * 3),
            "location/micrograph_shape": np.tile(np.array([2000, 4000], dtype=np.uint32), (3, 1)),
            "location/micrograph_psize_A": np.ones(3, dtype=np.float32),
            "location/center_x_frac": np.array([0.5, 0.505, 0.5], dtype=np.float32),
            "location/center_y_frac": np.array([0.5, 0.5, 0.52], dtype=np.float32),
        },
    )
    found = find_copies(read_particles(write_cs(tmp_path / "a.cs", records)), NEAR_ANGSTROM)
    np.testing.assert_array_equal(found.group, [0, 0, 2])


def test_thousands_of_picks_are_compared(tmp_path: Path):
    """Random picks, of which each tenth is there again 5 A away: all of these are found."""
    rng = np.random.default_rng(0)
    first = rng.uniform(100, 3900, (30_000, 2)).round(2)
    again = first[::10] + 3
    position = np.concatenate([first, again])
    micrograph = np.concatenate([np.arange(30_000) // 30, np.arange(0, 30_000, 10) // 30])
    columns = {
        "rlnMicrographName": [f"{number}.mrc" for number in micrograph],
        "rlnCoordinateX": position[:, 0].tolist(),
        "rlnCoordinateY": position[:, 1].tolist(),
    }
    names = [f"{number % 20 + 1}@s{number // 20}.mrcs" for number in range(len(position))]
    particles = {label: column[:1] * len(names) for label, column in PARTICLES.items()} | {
        "rlnImageName": names,
        **columns,
    }
    table = read_star(write_star(tmp_path / "a.star", particles), find_stacks=False)
    found = find_copies(table, NEAR_ANGSTROM)
    assert (found.group[30_000:] == found.group[np.arange(0, 30_000, 10)]).all()
