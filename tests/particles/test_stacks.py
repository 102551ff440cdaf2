"""Images out of MRC stacks."""

import os
import pickle
import resource
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import mrcfile
import numpy as np
import pytest
from mrcfile.dtypes import HEADER_DTYPE

from cryofifa.errors import InputError
from cryofifa.particles.files.read import read_particles
from cryofifa.particles.files.table import ParticleTable
from cryofifa.particles.stacks import ImageStacks
from cryofifa_testkit.particle_files import OPTICS, PARTICLES, cs_records, ramp, write_cs, write_stack, write_star


def table_of(tmp_path: Path, names: list[str]) -> ParticleTable:
    n = len(names)
    particles = {label: column[:1] * n for label, column in PARTICLES.items()} | {"rlnImageName": names}
    return read_particles(write_star(tmp_path / "a.star", particles))


def raw_stack(path: Path, images: np.ndarray, mode: int, order: str, extended: int = 0, **fields: object) -> Path:
    """An MRC file written byte by byte: old header, no 'MAP ', no machine stamp."""
    header = np.zeros(1, dtype=HEADER_DTYPE.newbyteorder(order))
    header["nz"], header["ny"], header["nx"] = images.shape
    header["mode"], header["nsymbt"] = mode, extended
    for name, value in fields.items():
        header[name] = value
    pixels = images.astype(images.dtype.newbyteorder(order))
    path.write_bytes(header.tobytes() + b"\x07" * extended + pixels.tobytes())
    return path


MODES = {0: "i1", 1: "i2", 2: "f4", 6: "u2", 12: "f2"}


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("order", ["<", ">"])
@pytest.mark.parametrize("extended", [0, 160])
def test_every_mode_byte_order_and_header(tmp_path: Path, mode: int, order: str, extended: int) -> None:
    images = ramp(dtype=MODES[mode])
    raw_stack(tmp_path / "stack.mrcs", images, mode, order, extended)
    stacks = ImageStacks(table_of(tmp_path, ["3@stack.mrcs", "1@stack.mrcs", "2@stack.mrcs"]))
    read = stacks.read(np.array([0, 1, 2, 0]))
    assert read.dtype == np.float32
    np.testing.assert_array_equal(read, images[[2, 0, 1, 2]].astype(np.float32))


@pytest.mark.parametrize("mode", MODES)
def test_stacks_written_by_mrcfile(tmp_path: Path, mode: int) -> None:
    write_stack(tmp_path / "stack.mrcs", ramp(dtype=MODES[mode]))
    read = ImageStacks(table_of(tmp_path, ["2@stack.mrcs"])).read(np.array([0]))
    np.testing.assert_array_equal(read[0], ramp(dtype=MODES[mode])[1])


def test_order_of_rows_is_kept_across_stacks(tmp_path: Path) -> None:
    for name in "ab":
        write_stack(tmp_path / f"{name}.mrcs", ramp() + 1000 * (name == "b"))
    table = table_of(tmp_path, ["1@b.mrcs", "2@a.mrcs", "3@b.mrcs", "1@a.mrcs"])
    read = ImageStacks(table).read(np.array([3, 0, 2, 1, 0]))
    expected = np.stack([ramp()[0], ramp()[0] + 1000, ramp()[2] + 1000, ramp()[1], ramp()[0] + 1000])
    np.testing.assert_array_equal(read, expected)


def test_no_rows_no_images(tmp_path: Path) -> None:
    write_stack(tmp_path / "stack.mrcs")
    read = ImageStacks(table_of(tmp_path, ["1@stack.mrcs"])).read(np.array([], dtype=np.int64))
    assert read.shape == (0, 8, 8)


def test_sign_of_cryosparc_is_applied(tmp_path: Path) -> None:
    write_stack(tmp_path / "stack.mrcs")
    sign = np.array([-1, 1, -1], dtype=np.float32)
    table = read_particles(write_cs(tmp_path / "a.cs", cs_records(**{"blob/sign": sign})))
    read = ImageStacks(table).read(np.arange(3))
    np.testing.assert_array_equal(read, ramp()[::-1] * sign[:, None, None])


@pytest.mark.filterwarnings("ignore::RuntimeWarning")  # of mrcfile, while the file is made
@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
def test_bad_pixel_names_file_and_image(tmp_path: Path, value: float) -> None:
    images = ramp()
    images[1, 3, 3] = value
    write_stack(tmp_path / "bad.mrcs", images)
    stacks = ImageStacks(table_of(tmp_path, ["1@bad.mrcs", "2@bad.mrcs"]))
    with pytest.raises(InputError, match=r"bad\.mrcs: image 2 "):
        stacks.read(np.array([0, 1]))
    np.testing.assert_array_equal(stacks.read(np.array([0])), ramp()[:1])


def test_truncated_stack_says_expected_and_found_bytes(tmp_path: Path) -> None:
    whole = write_stack(tmp_path / "short.mrcs").read_bytes()
    (tmp_path / "short.mrcs").write_bytes(whole[:-100])
    expected = 1024 + 3 * 8 * 8 * 4
    with pytest.raises(InputError, match=rf"short\.mrcs: truncated: expected {expected} .*{expected - 100}"):
        ImageStacks(table_of(tmp_path, ["1@short.mrcs"]))


def test_too_few_images_are_named(tmp_path: Path) -> None:
    write_stack(tmp_path / "few.mrcs")
    with pytest.raises(InputError, match=r"few\.mrcs: has 3 images.*a\.star asks for image 4"):
        ImageStacks(table_of(tmp_path, ["1@few.mrcs", "4@few.mrcs"]))


def test_a_stack_with_another_box_than_the_file_says_is_named(tmp_path: Path) -> None:
    """A binned stack beside the STAR file of the unbinned one would have the wrong pixel size."""
    write_stack(tmp_path / "small.mrcs")
    write_stack(tmp_path / "large.mrcs", ramp(box=10))
    with pytest.raises(InputError, match=r"large\.mrcs: images of 10 px, but .*a\.star says 8 px \(particle row 1"):
        ImageStacks(table_of(tmp_path, ["1@small.mrcs", "1@large.mrcs"]))
    write_stack(tmp_path / "stack.mrcs")
    with pytest.raises(InputError, match=r"stack\.mrcs: images of 8 px, but .*a\.cs says 16 px"):
        ImageStacks(table_of_box(tmp_path, 16))


def test_boxes_may_differ_from_stack_to_stack(tmp_path: Path) -> None:
    write_stack(tmp_path / "small.mrcs")
    write_stack(tmp_path / "large.mrcs", ramp(box=10))
    optics = {label: column * 2 for label, column in OPTICS.items()}
    optics |= {"rlnOpticsGroup": [1, 2], "rlnImageSize": [8, 10]}
    particles = {label: column[:1] * 2 for label, column in PARTICLES.items()}
    particles |= {"rlnImageName": ["2@small.mrcs", "3@large.mrcs"], "rlnOpticsGroup": [1, 2]}
    stacks = ImageStacks(read_particles(write_star(tmp_path / "a.star", particles, optics)))
    np.testing.assert_array_equal(stacks.box_sizes(np.array([1, 0])), [10, 8])
    np.testing.assert_array_equal(stacks.read(np.array([0]))[0], ramp()[1])
    np.testing.assert_array_equal(stacks.read(np.array([1]))[0], ramp(box=10)[2])


def test_images_that_are_not_square_are_named(tmp_path: Path) -> None:
    raw_stack(tmp_path / "flat.mrcs", np.zeros((3, 8, 10), dtype="f4"), 2, "<")
    with pytest.raises(InputError, match=r"flat\.mrcs: images are 10 x 8"):
        table_of(tmp_path, ["1@flat.mrcs"])


@pytest.mark.parametrize("content", [b"", b"x" * 100, b"x" * 5000])
def test_files_that_are_no_stacks_are_named(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "odd.mrcs").write_bytes(content)
    with pytest.raises(InputError, match=r"odd\.mrcs"):
        table_of(tmp_path, ["1@odd.mrcs"])


def test_unknown_modes_are_named(tmp_path: Path) -> None:
    raw_stack(tmp_path / "complex.mrcs", ramp(), 4, "<")
    with pytest.raises(InputError, match=r"complex\.mrcs: MRC mode 4"):
        table_of(tmp_path, ["1@complex.mrcs"])


def test_damaged_extended_header_is_named(tmp_path: Path) -> None:
    raw_stack(tmp_path / "damaged.mrcs", ramp(), 2, "<", nsymbt=-5)
    with pytest.raises(InputError, match=r"damaged\.mrcs"):
        table_of(tmp_path, ["1@damaged.mrcs"])


def test_swapped_axes_are_refused(tmp_path: Path) -> None:
    raw_stack(tmp_path / "turned.mrcs", ramp(), 2, "<", mapc=2, mapr=1, maps=3)
    with pytest.raises(InputError, match=r"turned\.mrcs: axes"):
        table_of(tmp_path, ["1@turned.mrcs"])


def test_old_headers_without_axes_are_read(tmp_path: Path) -> None:
    raw_stack(tmp_path / "old.mrcs", ramp(), 2, "<", mapc=7)
    assert len(table_of(tmp_path, ["1@old.mrcs"])) == 1


def test_stack_longer_than_its_header_says_is_told(tmp_path: Path) -> None:
    raw_stack(tmp_path / "long.mrcs", ramp(), 2, "<", nz=2)
    with pytest.warns(UserWarning, match=r"long\.mrcs: longer"):
        table_of(tmp_path, ["1@long.mrcs"])


def test_numbers_that_overflow_are_refused(tmp_path: Path) -> None:
    images = ramp()
    images[1, 2, 3] = 1e38
    raw_stack(tmp_path / "hot.mrcs", images, 2, "<")
    stacks = ImageStacks(table_of(tmp_path, ["1@hot.mrcs", "2@hot.mrcs"]))
    assert np.isfinite(stacks.read(np.array([0]))).all()
    with pytest.raises(InputError, match=r"hot\.mrcs: image 2 "):
        stacks.read(np.array([1]))
    np.testing.assert_array_equal(stacks.read_unchecked(np.array([1]))[0], images[1])


def test_stack_that_vanishes_is_named(tmp_path: Path) -> None:
    write_stack(tmp_path / "gone.mrcs")
    table = table_of(tmp_path, ["1@gone.mrcs"])
    stacks = ImageStacks(table)
    (tmp_path / "gone.mrcs").unlink()
    with pytest.raises(InputError, match=r"gone\.mrcs"):
        stacks.read(np.array([0]))
    with pytest.raises(InputError, match=r"gone\.mrcs"):
        ImageStacks(table)


@pytest.mark.parametrize(
    "damage", [lambda raw: raw[:-100], lambda raw: raw[:1024], lambda raw: raw + b"x", lambda raw: raw[:-1] + b"\0"]
)
def test_stack_that_changes_is_named_and_counts_again_once_it_is_back(tmp_path: Path, damage: Callable) -> None:
    raw = write_stack(tmp_path / "moved.mrcs").read_bytes()
    stacks = ImageStacks(table_of(tmp_path, ["1@moved.mrcs", "2@moved.mrcs"]))
    (tmp_path / "moved.mrcs").write_bytes(damage(raw))
    with pytest.raises(InputError, match=r"moved\.mrcs: was changed"):
        stacks.read(np.array([0]))
    (tmp_path / "moved.mrcs").write_bytes(raw)
    os.utime(tmp_path / "moved.mrcs", (1, 1))
    np.testing.assert_array_equal(stacks.read(np.array([0, 1])), ramp()[:2])


def test_thousands_of_stacks_under_a_low_limit_of_open_files(tmp_path: Path) -> None:
    n = 1500
    template = write_stack(tmp_path / "template.mrcs", np.zeros((1, 4, 4), dtype="f4")).read_bytes()[:1024]
    for i in range(n):
        (tmp_path / f"{i}.mrcs").write_bytes(template + np.full((4, 4), i, dtype="<f4").tobytes())
    particles = {label: column[:1] * n for label, column in PARTICLES.items()}
    particles["rlnImageName"] = [f"1@{i}.mrcs" for i in range(n)]
    optics_without_size = {
        "rlnOpticsGroup": [1],
        "rlnVoltage": [300],
        "rlnSphericalAberration": [2.7],
        "rlnAmplitudeContrast": [0.1],
        "rlnImagePixelSize": [1.0],
    }
    path = write_star(tmp_path / "a.star", particles, optics_without_size)
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (256, hard))
    try:
        stacks = ImageStacks(read_particles(path))
        rows = np.random.default_rng(0).permutation(n)
        np.testing.assert_array_equal(stacks.read(rows)[:, 0, 0], rows)
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))


def test_goes_to_other_processes_without_its_images(tmp_path: Path) -> None:
    write_stack(tmp_path / "stack.mrcs", ramp(n=500, box=16))
    stacks = ImageStacks(table_of_box(tmp_path, 16))
    expected = stacks.read(np.array([0]))
    packed = pickle.dumps(stacks)
    assert len(packed) < 500 * 16 * 16
    np.testing.assert_array_equal(pickle.loads(packed).read(np.array([0])), expected)


def table_of_box(tmp_path: Path, box: int) -> ParticleTable:
    records = cs_records(box=box)
    return read_particles(write_cs(tmp_path / "a.cs", records))


def test_threads_read_the_same_images(tmp_path: Path) -> None:
    names = []
    for i in range(20):
        write_stack(tmp_path / f"{i}.mrcs", ramp() + i)
        names += [f"{frame}@{i}.mrcs" for frame in (1, 2, 3)]
    stacks = ImageStacks(table_of(tmp_path, names))
    rows = np.arange(60)
    expected = np.concatenate([ramp() + i for i in range(20)])
    with ThreadPoolExecutor(8) as pool:
        for read in pool.map(stacks.read, [rows] * 24):
            np.testing.assert_array_equal(read, expected)


SETS = {
    "gpcr/gpcr.star": (5000, 64),
    "ribosome/ribosome.star": (5000, 64),
    "apoferritin/apoferritin.star": (1909, 80),
    "formats/aspire/sample_particles_relion30.star": (17, 200),
    "formats/aspire/sample_particles_relion31.star": (17, 200),
    "formats/empiar10076/empiar_10076_7.star": (7, 320),
    "formats/empiar10076/empiar_10076_7.cs": (7, 320),
    "formats/relion31/relion31.star": (5, 256),
    "formats/relion31/relion31.v2.star": (5, 256),
    "formats/trpv1/trpv1_small_stack.star": (10, 48),
}


@pytest.mark.data
@pytest.mark.parametrize("name", SETS)
@pytest.mark.filterwarnings("ignore:Map ID string", "ignore:Unrecognised machine stamp")
def test_real_sets_read_as_mrcfile_reads_them(data_folder: Path, name: str) -> None:
    table = read_particles(data_folder / name)
    assert (len(table), table.box_size) == SETS[name]
    rows = np.arange(len(table))[:: max(1, len(table) // 10)]
    read = ImageStacks(table).read(rows)
    with mrcfile.mmap(table.stack_paths[0], permissive=True) as mrc:
        expected = mrc.data[table.frame_index[rows]].astype(np.float32)
    np.testing.assert_array_equal(read, expected * table.contrast_sign[rows, None, None])


@pytest.mark.data
def test_empiar10076_signs_come_out_opposite(data_folder: Path) -> None:
    folder = data_folder / "formats/empiar10076"
    cs, star = (ImageStacks(read_particles(folder / f"empiar_10076_7.{kind}")) for kind in ("cs", "star"))
    np.testing.assert_array_equal(cs.read(np.arange(7)), -star.read(np.arange(7)))


@pytest.mark.parametrize(
    ("in_header", "told"), [(3.0, True), (1.6, True), (1.5, False), (1.515, False), (1.0, False), (0.0, False)]
)
def test_another_pixel_size_in_the_header_is_told(tmp_path: Path, in_header: float, told: bool) -> None:
    """The STAR file says 1.5 A; 0 and exactly 1 are what headers have that do not know."""
    raw_stack(tmp_path / "a.mrcs", ramp(), 2, "<", mx=8, cella=(8 * in_header, 8 * in_header, 1.0))
    raw_stack(tmp_path / "b.mrcs", ramp(), 2, "<", mx=8, cella=(8 * in_header, 8 * in_header, 1.0))
    said = ImageStacks(table_of(tmp_path, ["1@a.mrcs", "1@b.mrcs", "2@b.mrcs"])).what_headers_contradict()
    if told:
        assert f"pixels of {in_header:g} A by its header, of 1.5 A by" in said[0]
        assert "as those of 1 more stacks" in said[0]
    else:
        assert said == []
