"""Poses of particles that a run has never seen: a contract with the files, and with each particle alone."""

import json
import os
from dataclasses import replace
from pathlib import Path

import mrcfile
import numpy as np
import pytest
import starfile
import torch

from cryofifa import Config, InputError, infer, reconstruct, simulate
from cryofifa.cli import main
from cryofifa.mrc_map import write_map
from cryofifa.particles.files.star import read_poses_star
from cryofifa.particles.simulated.pseudo_protein import pseudo_protein
from cryofifa.run.checkpoint_file import read_checkpoint, write_checkpoint
from cryofifa.run.folder import RunFolder

PIXEL_SIZE_ANGSTROM = 6.0
SMALL = Config().changed(
    starts={"count": 1, "growth_visits": 80, "most_visits": 80, "minibatch": 40, "orientations": 60},
    curriculum={"visits": 200, "fewest_epochs": 3},
    search={"orientations": 100},
    half_map_refinement={"iterations": 1, "most_searches": 1, "candidates": 2},
)


def simulated(folder: Path, name: str, box: int = 32, pixel_size: float = PIXEL_SIZE_ANGSTROM, seed: int = 0) -> Path:
    write_map(folder / f"{name}.mrc", pseudo_protein(32, PIXEL_SIZE_ANGSTROM), PIXEL_SIZE_ANGSTROM)
    simulate(
        folder / f"{name}.mrc",
        folder / name,
        particles=80,
        box=box,
        pixel_size_angstrom=pixel_size,
        snr=1.0,
        seed=seed,
    )
    return folder / name / "particles.star"


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("project")


@pytest.fixture(scope="module")
def run(folder: Path) -> Path:
    reconstruct(simulated(folder, "seen"), folder / "run", config=SMALL)
    return folder / "run"


@pytest.fixture(scope="module")
def unseen(folder: Path) -> Path:
    return simulated(folder, "unseen", seed=1)


def test_new_particles_get_poses_and_keep_their_columns(run: Path, unseen: Path, tmp_path: Path):
    found = infer(run, unseen, tmp_path / "out")
    given = starfile.read(unseen, always_dict=True)["particles"]
    written = starfile.read(found.particles_star, always_dict=True)["particles"]
    kept = given.columns.drop("rlnImageName")
    assert (written[kept] == given[kept]).all(axis=None)
    names = [
        f"{number:06d}@{os.path.relpath(unseen.with_suffix('.mrcs'), tmp_path / 'out')}" for number in range(1, 81)
    ]
    assert written["rlnImageName"].tolist() == names
    new = ["rlnAngleRot", "rlnAngleTilt", "rlnAnglePsi", "rlnOriginXAngst", "rlnOriginYAngst", "cryofifaScore"]
    assert np.isfinite(written[new].to_numpy(float)).all()
    assert json.loads((tmp_path / "out/infer.json").read_text())["particles"] == 80


def test_an_encoders_pose_depends_on_its_particle_alone(run: Path, unseen: Path, tmp_path: Path):
    (tmp_path / "rows.txt").write_text("41\n7\n")
    every = read_poses_star(infer(run, unseen, tmp_path / "every", match_to_map=False).particles_star)
    two = infer(run, unseen, tmp_path / "two", match_to_map=False, rows_file=tmp_path / "rows.txt")
    some = read_poses_star(two.particles_star)
    np.testing.assert_allclose(some.rotation, every.rotation[[41, 7]], atol=1e-4)
    np.testing.assert_allclose(some.shift_angstrom, every.shift_angstrom[[41, 7]], atol=1e-2)


def test_wrong_input_is_one_line(run: Path, unseen: Path, folder: Path, tmp_path: Path, capsys):
    with pytest.raises(InputError, match=r"pixels of 5 A, the run's are of 6 A"):
        infer(run, simulated(folder, "finer", pixel_size=5.0), tmp_path / "out")
    with pytest.raises(InputError, match="larger box"):
        infer(run, simulated(folder, "smaller", box=20), tmp_path / "out")
    with pytest.raises(InputError, match="no finished run"):
        infer(tmp_path, unseen, tmp_path / "out")
    with pytest.raises(InputError, match="holds a run"):
        infer(run, unseen, run)
    assert not (tmp_path / "out").exists()
    assert main(["infer", str(run), str(unseen.with_name("absent.star")), "-o", str(tmp_path / "out")]) == 2
    assert capsys.readouterr().err.strip().count("\n") == 0


def test_inverted_runs_invert_new_particles_too(run: Path, unseen: Path, tmp_path: Path):
    """The same run told that its particles are dark: dark new ones then get what bright ones get without."""
    dark_run = tmp_path / "dark"
    (dark_run / "checkpoint").mkdir(parents=True)
    for name in ("run.json", "map.mrc", "checkpoint/settings.json"):
        (dark_run / name).write_bytes((run / name).read_bytes())
    tensors, progress = read_checkpoint(RunFolder(run).checkpoint, torch.device("cpu"))
    progress["config"]["invert"] = True
    write_checkpoint(RunFolder(dark_run).checkpoint, tensors, progress)
    dark_set = tmp_path / "set"
    dark_set.mkdir()
    with mrcfile.open(unseen.with_suffix(".mrcs")) as stack, mrcfile.new(dark_set / "particles.mrcs") as dark:
        dark.set_data(-stack.data)
        dark.set_image_stack()
    (dark_set / "particles.star").write_text(unseen.read_text())
    bright = read_poses_star(infer(run, unseen, tmp_path / "a", match_to_map=False).particles_star)
    found = infer(dark_run, dark_set / "particles.star", tmp_path / "b", match_to_map=False, data_folder=dark_set)
    np.testing.assert_allclose(read_poses_star(found.particles_star).rotation, bright.rotation, atol=1e-4)
    assert replace(found, particles=1).particles_per_second > 0
