"""Local refinement of a finished run: a folder of its own, begun where the run's ab initio ended."""

import json
from pathlib import Path

import numpy as np
import pytest
import starfile
import torch

from cryofifa import Config, InputError, reconstruct, refine, volume
from cryofifa.cli import main
from cryofifa.errors import Stopped
from cryofifa.mrc_map import read_map
from cryofifa.run.folder import RunFolder
from cryofifa.run.progress import read_run_state
from cryofifa_testkit.same_results import differing
from cryofifa_testkit.small_sets import simulated_particles

PIXEL_SIZE_ANGSTROM = 6.0
SMALL = Config().changed(
    device="cpu",  # where the same run gives the same bits
    encoder={"channels": 4, "stages": 2, "feature_width": 32},
    starts={"count": 1, "growth_visits": 80, "most_visits": 80, "minibatch": 40, "orientations": 60},
    curriculum={"visits": 200, "fewest_epochs": 2},
    search={"orientations": 60},
    encoder_refinement={"mask_steps": 4},
    half_map_refinement={"iterations": 1, "most_searches": 1, "candidates": 2},
)


@pytest.fixture(scope="module")
def particles(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("set")
    return simulated_particles(folder, particles=80, box=32, pixel_size_angstrom=PIXEL_SIZE_ANGSTROM)


@pytest.fixture(scope="module")
def run(particles: Path) -> Path:
    reconstruct(particles, particles.parent.parent / "run", config=SMALL)
    return particles.parent.parent / "run"


def phases(folder: Path) -> list[str]:
    return [record["phase"] for record in json.loads((folder / "run.json").read_text())["history"]]


def test_a_refined_run_is_a_run_and_leaves_the_first_alone(run: Path):
    before = {path: path.read_bytes() for path in run.rglob("*") if path.is_file()}
    result = refine(run, epochs=2)
    assert result.folder.path == run / "refined"
    assert phases(run / "refined") == ["ab-initio"] * 3 + ["encoder refinement"] * 2 + ["half-map refinement"]
    assert {path: path.read_bytes() for path in before} == before
    poses = [
        starfile.read(folder / "particles.star", always_dict=True)["particles"] for folder in (run, run / "refined")
    ]
    angles = ["rlnAngleRot", "rlnAngleTilt", "rlnAnglePsi"]
    assert np.isfinite(poses[1][angles].to_numpy()).all()
    assert (poses[0][angles].to_numpy() != poses[1][angles].to_numpy()).any()
    # what the network believes goes on to the full size's end resolution
    at_box = volume(run / "refined", 32, PIXEL_SIZE_ANGSTROM, run.parent / "at_box.mrc")
    np.testing.assert_allclose(
        read_map(at_box.path)[0],
        read_map(run / "refined/decoder.mrc")[0],
        atol=1e-4 * float(read_map(at_box.path)[0].max()),
    )
    assert (
        at_box.resolution_angstrom
        < 0.8 * volume(run, 32, PIXEL_SIZE_ANGSTROM, run.parent / "b.mrc").resolution_angstrom
    )


def test_its_time_is_that_of_what_it_took_over_and_its_own(run: Path, tmp_path: Path):
    with pytest.raises(Stopped):
        refine(run, tmp_path, epochs=2, stop=lambda: True)
    _, progress = read_run_state(RunFolder(tmp_path).checkpoint, torch.device("cpu"))
    assert {"read particles", "ab-initio"} <= set(progress.timings)
    assert "half-map refinement" not in progress.timings


@pytest.mark.slow
def test_settings_do_the_same_in_one_run(run: Path, particles: Path, tmp_path: Path):
    refine(run, tmp_path / "refined", epochs=2)
    reconstruct(particles, tmp_path / "whole", config=SMALL.changed(encoder_refinement={"epochs": 2}))
    assert differing(tmp_path / "refined", tmp_path / "whole", ("map.mrc", "decoder.mrc")) == []


def test_wrong_input_is_one_line(run: Path, particles: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    with pytest.raises(InputError, match="no finished run"):
        refine(tmp_path)
    (tmp_path / "rows.txt").write_text("1 2 3 4 5 6 7 8")
    with pytest.raises(InputError, match="other particles"):
        refine(run, tmp_path / "out", rows_file=tmp_path / "rows.txt")
    with pytest.raises(InputError, match="not coarser than the end"):
        reconstruct(
            particles,
            tmp_path / "out",
            config=SMALL.changed(encoder_refinement={"epochs": 1, "start_resolution_angstrom": 5.0}),
        )
    assert not (tmp_path / "out").exists()
    for epochs in ("-1", "0"):
        assert main(["refine", str(run), "--epochs", epochs]) == 2
        assert capsys.readouterr().err.strip().count("\n") == 0
