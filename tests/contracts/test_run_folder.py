"""A run folder is one run's: nobody else works in it, and nothing of the user's is overwritten."""

import os
import shutil
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
import torch

from cryofifa.cli import main
from cryofifa.results.report import report
from cryofifa.run.folder import RunFolder
from cryofifa.run.progress import read_run_state, write_run_state
from cryofifa.settings.config import config_as_toml
from cryofifa.system.folder_lock import FolderLock
from cryofifa_testkit.damaged_files.small_run import SMALL, SmallRun, small_run
from cryofifa_testkit.permissions import permissions_count
from cryofifa_testkit.said import assert_one_line
from cryofifa_testkit.same_results import differing
from cryofifa_testkit.small_sets import simulated_particles

MAPS = ("map.mrc", "half1.mrc", "half2.mrc", "decoder.mrc", "mask.mrc")


@pytest.fixture(scope="module", autouse=True)
def no_pictures() -> Iterator[None]:
    """They take half of such a run's time."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(report, "report_html", lambda _: "report " * 1000)
        yield


@pytest.fixture(scope="module")
def finished(tmp_path_factory: pytest.TempPathFactory) -> SmallRun:
    found = small_run(tmp_path_factory.mktemp("small"))
    found.particles.with_name("settings.toml").write_text(config_as_toml(SMALL))
    return found


@pytest.fixture
def run(finished: SmallRun, tmp_path: Path) -> Path:
    """A copy of the finished run, which may be damaged."""
    return Path(shutil.copytree(finished.folder.path, tmp_path / "run"))


def command(particles: Path, run: Path) -> list[str]:
    return ["reconstruct", str(particles), "-o", str(run), "--config", str(particles.with_name("settings.toml"))]


def state_of(folder: Path) -> dict[str, bytes]:
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


@pytest.mark.parametrize("name", ["reconstruct", "infer", "refine-encoder"])
def test_a_folder_in_which_another_program_works_is_left_alone(
    finished: SmallRun, tmp_path: Path, capsys: pytest.CaptureFixture[str], name: str
):
    output = tmp_path / "output"
    arguments = {
        "reconstruct": command(finished.particles, output),
        "infer": ["infer", str(finished.folder.path), str(finished.particles), "-o", str(output)],
        "refine-encoder": ["refine-encoder", str(finished.folder.path), "-o", str(output)],
    }[name]
    with FolderLock(output).take() as lock:
        (output / ".map.mrc.0123abcd.part.mrc").write_bytes(b"the other's")
        before = state_of(output)
        assert main(arguments) == 2
        assert_one_line(capsys, "another cryofifa works in this folder", "choose another folder with -o")
        assert state_of(output) == before
    assert not lock.path.exists()


@pytest.mark.parametrize("name", ["half2.mrc", "fsc.csv", "particles.star"])
def test_what_a_finished_run_has_lost_is_made_again(
    finished: SmallRun, run: Path, capsys: pytest.CaptureFixture[str], name: str
):
    before = {one: (run / one).stat().st_mtime_ns for one in ("map.mrc", "report.html")}
    assert main(command(finished.particles, run)) == 0  # nothing is missing, and nothing is done
    assert {one: (run / one).stat().st_mtime_ns for one in before} == before
    (run / name).unlink()
    capsys.readouterr()
    assert main(command(finished.particles, run)) == 0
    assert f"the finished run lacks {name}" in capsys.readouterr().err
    assert differing(run, finished.folder.path, (*MAPS, "particles.star")) == []
    assert (run / name).stat().st_size > 0


def test_of_a_finished_run_an_empty_file_is_missing_and_other_files_are_the_users(finished: SmallRun, run: Path):
    (run / "half1.mrc").write_bytes(b"")
    (run / "my_notes.txt").write_text("mine")
    assert main(command(finished.particles, run)) == 0
    assert differing(run, finished.folder.path, MAPS) == []
    assert (run / "my_notes.txt").read_text() == "mine"


def test_a_finished_run_in_a_folder_that_cannot_be_written_is_still_told(
    finished: SmallRun, run: Path, capsys: pytest.CaptureFixture[str]
):
    run.chmod(0o555)
    with permissions_count():
        assert main(command(finished.particles, run)) == 0
    run.chmod(0o755)
    assert "verdict" in capsys.readouterr().out


@pytest.mark.parametrize("other", [{"seed": 7}, {"image": {"mask_margin": 1.3}}])
def test_a_checkpoint_of_a_run_with_other_settings_is_refused(
    finished: SmallRun, run: Path, capsys: pytest.CaptureFixture[str], other: dict
):
    checkpoint = RunFolder(run).checkpoint
    tensors, progress = read_run_state(checkpoint, torch.device("cpu"))
    write_run_state(checkpoint, tensors, replace(progress, config=progress.config.changed(**other)))
    refused(finished, run, capsys, next(iter(other)))


def test_a_checkpoint_of_other_particles_is_refused(
    finished: SmallRun, run: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
):
    """As many of the same size, with the same settings: a run begins with them, and gets the first one's checkpoint."""
    others = simulated_particles(tmp_path, particles=24, box=16, pixel_size_angstrom=10.0)
    others.write_text(others.read_text().replace("data_particles", "data_particles  # others"))
    others.with_name("settings.toml").write_text(config_as_toml(SMALL))
    other_run = tmp_path / "other"
    assert main([*command(others, other_run)]) == 0
    checkpoint = RunFolder(run).checkpoint
    checkpoint.write_bytes(RunFolder(other_run).checkpoint.read_bytes())
    refused(finished, run, capsys, "particle_file_sha256")


def refused(finished: SmallRun, run: Path, capsys: pytest.CaptureFixture[str], named: str) -> None:
    """The run goes on from its checkpoint, and says that this is another run's; nothing is changed."""
    (run / "run.json").unlink()
    before = RunFolder(run).checkpoint.read_bytes()
    capsys.readouterr()
    assert main(command(finished.particles, run)) == 2
    assert_one_line(capsys, "this checkpoint is another run's", named)
    assert RunFolder(run).checkpoint.read_bytes() == before
    assert not (run / "run.json").exists()


@pytest.mark.parametrize("name", ["reconstruct", "infer", "refine-encoder"])
def test_the_folder_of_the_input_is_no_output(
    finished: SmallRun, tmp_path: Path, capsys: pytest.CaptureFixture[str], name: str
):
    """Also under another name of the folder."""
    given = Path(shutil.copytree(finished.particles.parent, tmp_path / "set"))
    (tmp_path / "link").symlink_to(given)
    before = state_of(given)
    arguments = {
        "reconstruct": command(given / "particles.star", tmp_path / "link"),
        "infer": ["infer", str(finished.folder.path), str(given / "particles.star"), "-o", str(tmp_path / "link")],
        "refine-encoder": ["refine-encoder", str(finished.folder.path), "-o", str(finished.particles.parent)],
    }[name]
    assert main(arguments) == 2
    assert_one_line(capsys, "is the folder of particles.star")
    assert state_of(given) == before


@pytest.mark.parametrize(("option", "name"), [("--mask", "mask.mrc"), ("--ind", "log.txt")])
def test_what_a_run_is_given_is_not_overwritten_by_its_results(
    finished: SmallRun, tmp_path: Path, capsys: pytest.CaptureFixture[str], option: str, name: str
):
    output = tmp_path / "output"
    output.mkdir()
    if option == "--mask":
        shutil.copy(finished.folder.map().mask, output / name)
    else:
        (output / name).write_text(" ".join(map(str, range(24))))
    before = state_of(output)
    assert main([*command(finished.particles, output), option, str(output / name)]) == 2
    assert_one_line(capsys, f"{name}: is given to the run and would be overwritten")
    assert state_of(output) == before


@pytest.mark.parametrize("words", [["-o", ""], ["-o="], ["--output="], ["-o", "run", "--datadir", ""]])
def test_an_empty_name_is_no_folder(
    finished: SmallRun, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], words: list
):
    """As from a variable of the shell that is not set; today's folder would be taken."""
    monkeypatch.chdir(tmp_path)
    assert main(["reconstruct", str(finished.particles), *words]) == 2
    assert_one_line(capsys, "an empty")
    assert list(tmp_path.iterdir()) == []


def test_files_have_the_users_mask(finished: SmallRun, tmp_path: Path):
    before = os.umask(0o027)
    try:
        assert main(command(finished.particles, tmp_path / "run")) == 0
    finally:
        os.umask(before)
    files = [path for path in (tmp_path / "run").rglob("*") if path.is_file()]
    assert {str(path): oct(path.stat().st_mode & 0o777) for path in files} == {str(path): "0o640" for path in files}


def test_what_killed_programs_left_is_removed(finished: SmallRun, run: Path):
    """Of this version and of earlier ones, whose checkpoints were written under names like .tmpab12cd."""
    left = [run / ".map.mrc.0123abcd.part.mrc", run / "checkpoint" / ".tmpAb12cD", run / "live" / ".x.0123abcd.part"]
    for path in left:
        path.write_bytes(b"half")
    (run / "run.json").unlink()
    assert main(command(finished.particles, run)) == 0
    assert [path for path in left if path.exists()] == []
