"""Odd maps, numbers and files: the right answer, or one line and exit code 2, before memory or time is spent."""

import argparse
import json
import os
import warnings
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch

from cryofifa import cli
from cryofifa.cli import main
from cryofifa.errors import InputError
from cryofifa.mrc_map import read_map, write_map
from cryofifa.particles.simulated.pseudo_protein import pseudo_protein
from cryofifa.physics.fourier import window_centre
from cryofifa.run.folder import RunFolder
from cryofifa.settings.config import read_config
from cryofifa.system import memory
from cryofifa.system.memory import check_room
from cryofifa_testkit.damaged_files.small_run import small_run
from cryofifa_testkit.said import assert_one_line

PIXEL_SIZE_ANGSTROM = 6.0


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> RunFolder:
    return small_run(tmp_path_factory.mktemp("small")).folder


@pytest.fixture
def map_of(tmp_path: Path) -> Callable[..., str]:
    """Write noise in a box, times a factor, and give the file's name."""

    def written(box: int, factor: float = 1.0, pixel_size_angstrom: float = 4.0) -> str:
        path = tmp_path / f"{box}_{factor:g}_{pixel_size_angstrom:g}.mrc"
        values = np.random.default_rng(box).uniform(-1, 1, (box, box, box)).astype(np.float32)
        write_map(path, torch.from_numpy(values * np.float32(factor)), pixel_size_angstrom)
        return str(path)

    return written


@pytest.mark.parametrize("size", [23, 25, 24])
def test_a_window_keeps_the_origin_whatever_box_is_odd(size: int):
    delta = torch.zeros(24, 24)
    delta[12, 12] = 1
    found = window_centre(delta, size, 2)
    assert found.shape == (size, size)
    assert found[size // 2, size // 2] == 1


@pytest.mark.parametrize(("box", "other"), [(25, 24), (24, 25)])
def test_maps_of_odd_boxes_are_compared_as_others_are(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], box: int, other: int
):
    """The same protein, its centre at N//2 of either box."""
    protein = pseudo_protein(24, PIXEL_SIZE_ANGSTROM)
    paths = [tmp_path / f"{number}.mrc" for number in range(2)]
    for path, size in zip(paths, (box, other), strict=True):
        write_map(path, window_centre(protein, size, 3), PIXEL_SIZE_ANGSTROM)
    assert main(["evaluate", str(paths[0]), "--truth-map", str(paths[1]), "--json"]) == 0
    values = json.loads(capsys.readouterr().out)
    assert values["map_correlation"] > 0.99
    assert not values["hand_flipped"]


@pytest.mark.parametrize(("box", "factor"), [(2, 1.0), (4, 1.0), (24, 3e38), (24, 1e30), (24, 0.0)])
def test_maps_in_which_nothing_can_be_seen_are_named(
    map_of: Callable[..., str], capsys: pytest.CaptureFixture[str], box: int, factor: float
):
    given, truth = map_of(box, factor), map_of(box)
    wanted = "voxels across" if box < 8 else "overflow" if factor else "constant"
    assert main(["evaluate", given, "--truth-map", truth]) == 2
    assert_one_line(capsys, wanted)
    assert main(["symmetry", given, "--groups", "C2"]) == 2
    assert_one_line(capsys, wanted)


@pytest.mark.parametrize("pixel_size_angstrom", [1e30, 1e-30])
def test_a_voxel_size_that_no_map_has_is_named(
    map_of: Callable[..., str], capsys: pytest.CaptureFixture[str], pixel_size_angstrom: float
):
    assert main(["sharpen", map_of(24, 1.0, pixel_size_angstrom), "--b-factor", "-50"]) == 2
    assert_one_line(capsys, "voxel size")


@pytest.mark.parametrize(
    ("options", "wanted"),
    [
        (["--box", "100000", "--pixel-size", "1"], "GiB of memory"),
        (["--box", "1000000000000", "--pixel-size", "1"], "GiB of memory"),
        (["--box", "24", "--pixel-size", "0.001"], "GiB of memory"),  # sampled finely, and then cut
        (["--box", "24", "--pixel-size", "inf"], "--pixel-size inf"),
        (["--box", "24", "--pixel-size", "nan"], "--pixel-size nan"),
        (["--box", "24", "--pixel-size", "1e-300"], "--pixel-size 1e-300"),
        (["--box", "24", "--pixel-size", "3", "--resolution", "inf"], "--resolution inf"),
    ],
)
def test_a_volume_that_cannot_be_is_refused_before_it_is_allocated(
    run: RunFolder, capsys: pytest.CaptureFixture[str], options: list[str], wanted: str
):
    assert main(["volume", str(run.path), *options]) == 2
    assert_one_line(capsys, wanted)


@pytest.mark.parametrize(
    "words", [["reconstruct", "a.star", "-o", "b", "--devices", "inf"], ["volume", "a", "--box", "x"], ["turn"], []]
)
def test_an_option_that_is_none_is_one_line_too(capsys: pytest.CaptureFixture[str], words: list):
    with pytest.raises(SystemExit) as ended:
        main(words)
    assert ended.value.code == 2
    assert_one_line(capsys, "cryofifa", "--help")


def endless(link: Path) -> str:
    link.symlink_to("/dev/zero")
    return str(link)


@pytest.mark.parametrize(
    "words",
    [
        ["reconstruct", "ZERO.star", "-o", "out"],
        ["reconstruct", "ZERO.cs", "-o", "out"],
        ["reconstruct", "PARTICLES", "-o", "out", "--ind", "ZERO.txt"],
        ["reconstruct", "PARTICLES", "-o", "out", "--ind", "ZERO.npy"],
        ["reconstruct", "PARTICLES", "-o", "out", "--config", "ZERO.toml"],
        ["reconstruct", "PARTICLES", "-o", "out", "--mask", "ZERO.mrc"],
        ["infer", "RUN", "ZERO.star", "-o", "out"],
        ["evaluate", "RUN", "--truth-poses", "ZERO.star"],
        ["evaluate", "RUN", "--truth-map", "ZERO.mrc"],
        ["evaluate", "RUN", "--model", "ZERO.pdb"],
        ["sharpen", "RUN", "--mask", "ZERO.mrc", "-o", "out.mrc"],
        ["sharpen", "RUN", "--fsc", "ZERO.csv", "-o", "out.mrc"],
        ["symmetry", "ZERO.mrc"],
    ],
    ids=lambda words: " ".join(words),
)
def test_a_device_without_end_is_no_file(
    run: RunFolder, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], words: list
):
    monkeypatch.chdir(tmp_path)
    names = {"RUN": str(run.path), "PARTICLES": str(run.path.parent / "set" / "particles.star")}
    given = [endless(Path(word)) if word.startswith("ZERO") else names.get(word, word) for word in words]
    assert main(given) == 2
    assert_one_line(capsys, "ZERO")
    assert not Path("out").exists()


def test_what_memory_has_no_room_for_is_refused_before_it_is_read(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
):
    """A sparse file that takes no room on the disk, and a machine that has little memory."""
    with (tmp_path / "large.mrc").open("wb") as file:
        file.truncate(2**40)
    assert main(["symmetry", str(tmp_path / "large.mrc")]) == 2
    assert_one_line(capsys, "large.mrc", "GiB of memory")
    monkeypatch.setattr(memory, "allowed_bytes", lambda _: 1000)
    check_room(1000, "this")
    with pytest.raises(InputError, match=r"^this takes about"):
        check_room(1001, "this")


@pytest.mark.parametrize("mask", ["noise", "text"])
def test_what_is_no_mask_is_named(run: RunFolder, tmp_path: Path, capsys: pytest.CaptureFixture[str], mask: str):
    path = tmp_path / "mask.mrc"
    if mask == "noise":
        like, pixel_size = read_map(run.map().combined)
        write_map(path, torch.randn(like.shape), pixel_size)
    else:
        path.write_text("data_\n")
    particles = str(run.path.parent / "set" / "particles.star")
    assert main(["reconstruct", particles, "-o", str(tmp_path / "out"), "--mask", str(path)]) == 2
    assert_one_line(capsys, "mask.mrc", "no mask" if mask == "noise" else "not a readable MRC map")


@pytest.mark.parametrize(
    "text",
    ["a = " + "[" * 20000 + "]" * 20000, "a." * 20000 + "b = 1", "[" + ".".join("a" * 20000) + "]", "#" * 10**6],
    ids=["lists", "dotted name", "dotted table", "long"],
)
def test_a_settings_file_without_end_or_bottom_is_named(tmp_path: Path, text: str):
    (tmp_path / "deep.toml").write_text(text)
    with pytest.raises(InputError, match=r"deep\.toml: is not TOML"):
        read_config(tmp_path / "deep.toml")


def test_warnings_are_lines_and_those_of_other_programs_are_not_shown(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
):
    def warn(_: object) -> None:
        warnings.warn_explicit("look here", UserWarning, os.path.join(os.path.dirname(cli.__file__), "x.py"), 1)
        np.float32(3e38) * np.float32(3e38)
        warnings.warn("of a library", DeprecationWarning, stacklevel=1)

    parser = cli._parser()
    monkeypatch.setattr(parser, "parse_args", lambda _: argparse.Namespace(run=warn))
    monkeypatch.setattr(cli, "_parser", lambda: parser)
    assert main([]) == 0
    assert capsys.readouterr().err == "warning: look here\n"


def test_memory_that_runs_out_where_nobody_expected_it_is_one_line(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
):
    parser = cli._parser()
    run = argparse.Namespace(run=lambda _: torch.empty(2**60))
    monkeypatch.setattr(parser, "parse_args", lambda _: run)
    monkeypatch.setattr(cli, "_parser", lambda: parser)
    assert main([]) == 2
    assert_one_line(capsys, "not enough memory")


@pytest.mark.parametrize("name", ["mask.mrc", "half1.mrc"])
def test_a_map_is_never_written_over_what_it_is_made_from(
    map_of: Callable[..., str], tmp_path: Path, capsys: pytest.CaptureFixture[str], name: str
):
    path = tmp_path / name
    write_map(path, torch.ones(24, 24, 24), 4.0)
    before = path.read_bytes()
    options = ["--mask", str(path)] if name == "mask.mrc" else []
    assert main(["sharpen", map_of(24), "--b-factor=-50", "-o", str(path), *options]) == 2
    assert_one_line(capsys, name, "is the source")
    assert path.read_bytes() == before
