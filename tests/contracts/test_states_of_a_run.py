"""`cryofifa states` on a finished run: what it says, what it leaves in the folder, and that it starts anew cleanly."""

from pathlib import Path

import numpy as np
import pytest
import starfile

from cryofifa import Config, reconstruct
from cryofifa.cli import main
from cryofifa.mrc_map import read_map
from cryofifa_testkit.said import assert_one_line
from cryofifa_testkit.small_sets import simulated_particles

pytestmark = pytest.mark.slow
SMALL = Config().changed(
    device="cpu",
    starts={"count": 2, "growth_visits": 400, "most_visits": 800, "minibatch": 20, "orientations": 400},
    curriculum={"visits": 200, "fewest_epochs": 3},
    search={"orientations": 100},
    half_map_refinement={"iterations": 1, "most_searches": 1, "candidates": 2},
)


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    particles = simulated_particles(tmp_path_factory.mktemp("set"), particles=260, box=32, pixel_size_angstrom=6.0)
    folder = particles.parent.parent / "run"
    reconstruct(particles, folder, config=SMALL)
    return folder


def said(capsys: pytest.CaptureFixture[str], *arguments: str) -> str:
    assert main(["states", *arguments, "--device", "cpu"]) == 0
    return capsys.readouterr().out


def first_names(folder: Path) -> list[tuple[Path, str]]:
    """Every STAR file of an analysis with the first image name in it."""
    paths = [folder / "particles.star", *folder.glob("state_*/particles.star")]
    return [(path, starfile.read(path, always_dict=True)["particles"]["rlnImageName"].iloc[0]) for path in paths]


def test_states_that_are_asked_for_share_the_particles_out(run: Path, capsys: pytest.CaptureFixture[str]):
    text = said(capsys, str(run), "--states", "2", "--components", "2")
    folder = run / "states"
    assert "state 1" in text
    assert "state 2" in text
    whole = starfile.read(folder / "particles.star", always_dict=True)["particles"]
    kept = starfile.read(run / "kept.star", always_dict=True)["particles"]
    states = [starfile.read(folder / f"state_{n}/particles.star", always_dict=True)["particles"] for n in (1, 2)]
    assert len(whole) == 260
    # names hold from each file's own folder
    numbers = [{name.split("@")[0] for name in table["rlnImageName"]} for table in (*states, kept)]
    assert numbers[0] | numbers[1] == numbers[2]
    assert all((path.parent / name.split("@")[1]).is_file() for path, name in first_names(folder))
    assert sum(map(len, states)) == len(kept)
    assert (whole["rlnClassNumber"] == 0).sum() == 260 - len(kept)
    for number, state in enumerate(states, 1):
        assert (state["rlnClassNumber"] == number).all()
        assert state["cryofifaStateProbability"].between(0.5, 1).all()
        combined, pixel_size = read_map(folder / f"state_{number}/map.mrc")
        first, second = (read_map(folder / f"state_{number}/half{half}.mrc")[0] for half in (1, 2))
        assert combined.shape == first.shape == second.shape == (32, 32, 32)
        assert pixel_size == 6.0
    poses = ["rlnAngleRot", "rlnAngleTilt", "rlnAnglePsi", "rlnOriginXAngst", "rlnOriginYAngst", "rlnRandomSubset"]
    before = starfile.read(run / "particles.star", always_dict=True)["particles"]
    assert np.allclose(whole[poses], before[poses], atol=1e-3)
    assert (folder / "difference_1_minus_2.mrc").is_file()
    assert "<h2>" in (folder / "report.html").read_text()


def test_the_same_call_returns_at_once_and_another_starts_anew(run: Path, capsys: pytest.CaptureFixture[str]):
    options = [str(run), "--states", "2", "--components", "2"]
    first = said(capsys, *options)
    made = (run / "states/states.json").stat().st_mtime_ns
    assert said(capsys, *options) == first
    assert (run / "states/states.json").stat().st_mtime_ns == made
    (run / "states/notes.txt").write_text("mine")
    said(capsys, str(run), "--states", "1", "--components", "2")
    assert not (run / "states/state_2").exists()
    assert not list((run / "states").glob("difference_*"))
    assert (run / "states/notes.txt").read_text() == "mine"
    whole = starfile.read(run / "states/particles.star", always_dict=True)["particles"]
    assert set(whole["rlnClassNumber"]) <= {0, 1}


@pytest.mark.parametrize(
    ("options", "wrong"),
    [
        (["--states", "many"], "--states"),
        (["--states", "0"], "--states"),
        (["--components", "99"], "--components"),
        (["--resolution", "3"], "--resolution"),
        (["--mask", "absent.mrc"], "absent.mrc"),
    ],
)
def test_mistakes_are_one_line(run: Path, options: list[str], wrong: str, capsys: pytest.CaptureFixture[str]):
    assert main(["states", str(run), *options]) == 2
    assert_one_line(capsys, wrong)


def test_a_run_has_to_be_finished(tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    assert main(["states", str(tmp_path)]) == 2
    assert_one_line(capsys, "no finished run")
