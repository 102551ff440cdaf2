"""The commands whose names other tools call: simulate and evaluate through the command line."""

import argparse
import json
import signal
from pathlib import Path

import numpy as np
import pytest
import starfile

from cryofifa import cli
from cryofifa.cli import main
from cryofifa.errors import Stopped
from cryofifa.mrc_map import write_map
from cryofifa.particles.simulated.pseudo_protein import pseudo_protein
from cryofifa_testkit.said import assert_one_line


@pytest.fixture(scope="module")
def structure(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("structure") / "map.mrc"
    write_map(path, pseudo_protein(24, 8.0), 8.0)
    return path


def simulated(structure: Path, output: Path, *more: str) -> int:
    size = ["-n", "40", "--box", "24", "--pixel-size", "8", "--snr", "0.5"]
    return main(["simulate", str(structure), "-o", str(output), *size, *more])


def test_simulate_obeys_its_options(structure: Path, tmp_path: Path):
    assert (
        simulated(structure, tmp_path / "set", "--defocus", "10000", "12000", "--shift-sd", "0", "--junk", "0.25") == 0
    )
    particles = starfile.read(tmp_path / "set" / "particles.star", always_dict=True)["particles"]
    truth = starfile.read(tmp_path / "set" / "truth" / "poses.star", always_dict=True)["particles"]
    mean_defocus = 0.5 * (particles["rlnDefocusU"] + particles["rlnDefocusV"])
    assert len(particles) == 40
    assert mean_defocus.between(10000, 12000).all()
    assert np.abs(truth[["rlnOriginXAngst", "rlnOriginYAngst"]].to_numpy(float)).max() == 0
    assert len((tmp_path / "set" / "truth" / "junk.txt").read_text().split()) == 10


def test_a_perfect_map_is_evaluated_as_such(structure: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    assert simulated(structure, tmp_path / "set") == 0
    capsys.readouterr()
    truth = tmp_path / "set" / "truth" / "map.mrc"
    assert main(["evaluate", str(truth), "--truth-map", str(truth), "--json"]) == 0
    values = json.loads(capsys.readouterr().out)
    assert values["map_correlation"] > 0.99
    assert values["resolution_fsc05_angstrom"] == pytest.approx(values["nyquist_angstrom"])
    assert values["nyquist_angstrom"] == pytest.approx(16.0)


@pytest.mark.parametrize(
    ("arguments", "wanted"),
    [
        (["evaluate", "absent", "--truth-map", "absent.mrc"], "absent"),
        (
            ["simulate", "absent.mrc", "-o", "set", "-n", "1", "--box", "24", "--pixel-size", "8", "--snr", "1"],
            "absent.mrc",
        ),
        (["reconstruct", "absent.star", "-o", "run"], "absent.star"),
    ],
)
def test_an_absent_file_is_one_line_and_exit_code_2(
    arguments: list[str],
    wanted: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
):
    monkeypatch.chdir(tmp_path)
    assert main(arguments) == 2
    assert_one_line(capsys, wanted)
    assert list(tmp_path.iterdir()) == []


def test_a_process_that_another_one_stops_says_so(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]):
    """Only one of several was sent the signal; it told the others between two steps."""

    def stopped(_: argparse.Namespace) -> None:
        raise Stopped

    parser = argparse.ArgumentParser()
    parser.set_defaults(run=stopped)
    monkeypatch.setattr(cli, "_parser", lambda: parser)
    assert main([]) == 128 + signal.SIGTERM
    assert capsys.readouterr().err.count("\n") == 1
