"""A run folder is one run's: nobody else works in it, and nothing of the user's is overwritten."""

import shutil
from pathlib import Path

import pytest

from cryofifa.cli import main
from cryofifa.settings.config import config_as_toml
from cryofifa.system.folder_lock import FolderLock
from cryofifa_testkit.damaged_files.small_run import SMALL, SmallRun, small_run
from cryofifa_testkit.said import assert_one_line


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
