"""What a run promises: all its files, whatever the settings; `test_stops.py` has interruptions."""

import itertools
import json
import shutil
from dataclasses import replace
from pathlib import Path
from typing import Any

import mrcfile
import numpy as np
import pandas as pd
import pytest
import starfile
import torch

from cryofifa import Config, InputError, reconstruct
from cryofifa.cli import main
from cryofifa.half_map_refinement.score_split import JunkSplit
from cryofifa.mrc_map import write_map
from cryofifa.particles.files.star import read_poses_star
from cryofifa.particles.stacks import ImageStacks
from cryofifa.physics.mask import spherical_mask
from cryofifa.train.training_loop import TrainingLoop
from cryofifa_testkit.same_results import differing
from cryofifa_testkit.small_sets import simulated_particles

PIXEL_SIZE_ANGSTROM = 6.0
SMALL = Config().changed(
    starts={"count": 2, "growth_visits": 80, "most_visits": 80, "minibatch": 40, "orientations": 60},
    curriculum={"visits": 200, "fewest_epochs": 3},
    search={"orientations": 100},
    amortized={"visits": 200},
    half_map_refinement={"iterations": 2, "most_searches": 2, "candidates": 2},
)
OUTPUTS = (
    "map.mrc",
    "half1.mrc",
    "half2.mrc",
    "mask.mrc",
    "decoder.mrc",
    "particles.star",
    "kept.star",
    "fsc.csv",
    "report.html",
    "run.json",
)


@pytest.fixture(scope="module")
def particles(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("set")
    return simulated_particles(folder, particles=80, box=32, pixel_size_angstrom=PIXEL_SIZE_ANGSTROM)


@pytest.fixture(scope="module")
def finished(particles: Path) -> Path:
    output = particles.parent.parent / "run"
    reconstruct(particles, output, config=SMALL)
    return output


def test_a_run_leaves_all_its_files(finished: Path, particles: Path):
    assert [name for name in (*OUTPUTS, "log.txt") if not (finished / name).is_file()] == []
    for name in ("map.mrc", "half1.mrc", "half2.mrc", "decoder.mrc"):
        with mrcfile.open(finished / name) as file:
            assert file.data.shape == (32, 32, 32)
            assert float(file.voxel_size.x) == pytest.approx(PIXEL_SIZE_ANGSTROM)
            assert np.isfinite(file.data).all()
    given = starfile.read(particles, always_dict=True)["particles"]
    found = starfile.read(finished / "particles.star", always_dict=True)["particles"]
    kept = given.columns.drop("rlnImageName")
    assert (found[kept] == given[kept]).all(axis=None)
    images = found["rlnImageName"].str.split("@", expand=True)
    assert images[0].tolist() == given["rlnImageName"].str.split("@").str[0].tolist()
    assert [(finished / name).samefile(particles.with_suffix(".mrcs")) for name in images[1].unique()] == [True]
    new = ["rlnAngleRot", "rlnAngleTilt", "rlnAnglePsi", "rlnOriginXAngst", "rlnOriginYAngst", "cryofifaScore"]
    assert np.isfinite(found[new].to_numpy(float)).all()
    assert sorted(found["rlnRandomSubset"].unique()) == [1, 2]
    summary = json.loads((finished / "run.json").read_text())
    assert summary["particles"] == 80
    phases = [record["phase"] for record in summary["history"]]
    assert phases[:7] == ["starts"] * 4 + ["ab-initio"] * 3
    assert set(phases[7:]) == {"half-map refinement"}
    assert len(phases[7:]) >= 2  # more, where the first search finds many poses anew


def rows_of(path: Path) -> pd.DataFrame:
    return starfile.read(path, always_dict=True)["particles"]


def test_kept_particles_are_rows_of_all_particles(finished: Path):
    everyone, kept = rows_of(finished / "particles.star"), rows_of(finished / "kept.star")
    assert list(kept.columns) == list(everyone.columns)
    assert len(kept) == json.loads((finished / "run.json").read_text())["kept_particles"]
    pd.testing.assert_frame_equal(kept, everyone.merge(kept[["rlnImageName"]], on="rlnImageName"))


@pytest.mark.slow
@pytest.mark.parametrize("map_of_kept", [True, False])
def test_the_map_is_made_of_kept_particles_if_wanted(
    particles: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, map_of_kept: bool
):
    """A split that drops the lower half: the rest is what kept.star holds, in order, and what the map is made of."""
    from cryofifa.half_map_refinement import projection_matching
    from cryofifa.run import phases

    used = []

    def back_project(read, ctf, rotation, shift, half, plane, symmetry, processes):
        used.append(np.flatnonzero(half.numpy()))
        return original(read, ctf, rotation, shift, half, plane, symmetry, processes)

    original = phases.back_project_halves
    monkeypatch.setattr(phases, "back_project_halves", back_project)
    monkeypatch.setattr(projection_matching, "split_scores", lambda score, _: JunkSplit(float(np.median(score))))
    reconstruct(particles, tmp_path, config=SMALL.changed(junk={"map_of_kept": map_of_kept}))
    everyone, kept = rows_of(tmp_path / "particles.star"), rows_of(tmp_path / "kept.star")
    score = everyone["cryofifaScore"].to_numpy()
    wanted = np.flatnonzero(score >= np.median(score))
    assert 38 <= len(wanted) <= 42
    assert list(kept["rlnImageName"]) == list(everyone["rlnImageName"].iloc[wanted])
    np.testing.assert_array_equal(used[-1], wanted if map_of_kept else np.arange(80))
    assert json.loads((tmp_path / "run.json").read_text())["kept_particles"] == len(wanted)


def test_a_finished_run_is_not_done_again(finished: Path, particles: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(ImageStacks, "read", lambda *_: pytest.fail("an image is read"))
    before = (finished / "map.mrc").stat().st_mtime_ns
    again = reconstruct(particles, finished, config=SMALL)
    assert (finished / "map.mrc").stat().st_mtime_ns == before
    assert again.particles == 80


@pytest.mark.slow
@pytest.mark.parametrize("cached", [True, False])
def test_a_run_does_not_depend_on_where_its_images_are_kept(
    finished: Path, particles: Path, tmp_path: Path, cached: bool, monkeypatch: pytest.MonkeyPatch
):
    """No memory is left for images; a run that began with it may go on without."""
    monkeypatch.setattr("cryofifa.particles.kept_images.allowed_bytes", lambda _: 0)
    run = tmp_path / "run"
    config = SMALL.changed(cache_folder=str(tmp_path / "cache")) if cached else SMALL
    reconstruct(particles, run, config=config)
    assert "have no room in memory" in (run / "log.txt").read_text()
    assert cached == any(tmp_path.glob("cache/*.float16"))
    assert differing(run, finished, ["particles.star"]) == []
    assert np.array_equal(mrcfile.read(run / "map.mrc"), mrcfile.read(finished / "map.mrc"))
    reconstruct(particles, run, config=SMALL.changed(memory_gib=100.0))  # the same run


def out_of_memory_in_steps(monkeypatch: pytest.MonkeyPatch, steps: range) -> None:
    """As a GPU is, from one step of training on."""
    step, count = TrainingLoop._step, itertools.count()

    def failing(*arguments: Any) -> Any:
        if next(count) in steps:
            raise torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 1 GiB")
        return step(*arguments)

    monkeypatch.setattr(TrainingLoop, "_step", failing)


@pytest.mark.slow
def test_a_run_without_enough_memory_goes_on_with_less_and_ends_the_same(
    finished: Path, particles: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    out_of_memory_in_steps(monkeypatch, range(4, 6))  # within the last epoch of a start, twice
    reconstruct(particles, tmp_path / "run", config=SMALL.changed(memory_gib=400.0))
    log = (tmp_path / "run" / "log.txt").read_text()
    for allowed in (200, 100):
        assert f"goes on from the last checkpoint with {allowed} GiB" in log
    assert differing(tmp_path / "run", finished, ["particles.star"]) == []


def test_a_run_that_never_has_enough_memory_says_so_in_one_line(
    particles: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    out_of_memory_in_steps(monkeypatch, range(1000))
    with pytest.raises(InputError, match="run: the memory is not enough"):
        reconstruct(particles, tmp_path / "run", config=SMALL.changed(memory_gib=1.0))


@pytest.mark.slow
@pytest.mark.parametrize(("word", "halves_agree"), [("doubtful", True), ("doubtful", False), ("not converged", True)])
def test_local_resolution_is_given_where_a_resolution_counts_and_the_halves_say_something(
    finished: Path, particles: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, word: str, halves_agree: bool
):
    from cryofifa.results import map_result

    original = map_result.verdict_of
    monkeypatch.setattr(
        map_result, "verdict_of", lambda evidence: replace(original(evidence), word=word, seen_from_all_sides=True)
    )
    monkeypatch.setattr(map_result.Evidence, "confirmed_by_halves", property(lambda _: halves_agree))
    given = word == "doubtful" and halves_agree
    run = shutil.copytree(finished, tmp_path / "run")
    (run / "run.json").unlink()  # so that the end is done again
    (run / "local_resolution.mrc").unlink(missing_ok=True)
    result = reconstruct(particles, run, config=SMALL)
    assert result == reconstruct(particles, run, config=SMALL)
    assert ('id="local"' in (run / "report.html").read_text()) == given
    if not given:
        assert not (run / "local_resolution.mrc").exists()
        assert result.local_resolution_quartiles_angstrom is None
        return
    found, mask = (mrcfile.read(run / name) for name in ("local_resolution.mrc", "mask.mrc"))
    assert found.shape == (32, 32, 32)
    assert 2 * PIXEL_SIZE_ANGSTROM * 0.999 < found.min() <= found.max() < 32 * PIXEL_SIZE_ANGSTROM / 4
    assert (found[mask == 0] == found.max()).all()
    expected = np.percentile(found[mask > 0.5], (25, 50, 75))
    assert result.local_resolution_quartiles_angstrom == pytest.approx(expected, rel=1e-5)


def test_other_settings_are_refused_and_named(finished: Path, particles: Path, capsys: pytest.CaptureFixture[str]):
    with pytest.raises(InputError, match=r"config\.seed was 0, now 5"):
        reconstruct(particles, finished, config=SMALL.changed(seed=5))
    assert main(["reconstruct", str(particles), "-o", str(finished), "--diameter", "100"]) == 2
    message = capsys.readouterr().err.strip()
    assert message.count("\n") == 0
    assert str(finished) in message


@pytest.mark.slow
def test_amortized_mode_runs(particles: Path, tmp_path: Path):
    result = reconstruct(particles, tmp_path / "run", config=SMALL.changed(pose_mode="amortized"))
    history = json.loads(result.folder.summary.read_text())["history"]
    assert {record["phase"] for record in history} == {"ab-initio"}
    assert all(record["winner_shares"]["encoder"] == 1 for record in history)


@pytest.mark.slow
def test_an_imposed_symmetry_is_that_of_the_maps_and_no_pose_is_left_outside_its_unit(
    finished: Path, particles: Path, tmp_path: Path
):
    """Turned by a member of D2, the half maps are the same; without it they are not."""
    reconstruct(particles, tmp_path / "run", config=SMALL.changed(symmetry="D2"))

    def turned_about_x_correlation(path: Path) -> float:
        values = mrcfile.read(path)
        # 180 degrees about x: y and z change sign about N//2
        turned = np.roll(values[::-1, ::-1], (1, 1), (0, 1))
        inside = slice(8, -8)
        return float(np.corrcoef(values[inside, inside, inside].ravel(), turned[inside, inside, inside].ravel())[0, 1])

    for name in ("half1.mrc", "half2.mrc", "map.mrc"):
        assert turned_about_x_correlation(tmp_path / "run" / name) > 0.99
        assert turned_about_x_correlation(finished / name) < 0.9
    rotation = read_poses_star(tmp_path / "run" / "particles.star").rotation.numpy()
    # of A and its copies turned by 180 degrees about x, y, z, the nearest to no rotation has the largest trace
    traces = [np.einsum("nij,j->n", rotation * np.eye(3), sign) for sign in ((1, -1, -1), (-1, 1, -1), (-1, -1, 1))]
    assert (np.trace(rotation, axis1=1, axis2=2) > np.max(traces, axis=0) - 1e-4).all()


@pytest.mark.slow
def test_a_single_start_of_a_cubic_particle_is_not_judged(particles: Path, tmp_path: Path):
    """As with --quick: there is nothing to compare it with."""
    single = SMALL.changed(symmetry="T", starts={"count": 1})
    assert reconstruct(particles, tmp_path / "run", config=single).starts == 1


def test_every_run_ends_with_a_verdict_and_no_resolution_without_one(finished: Path, particles: Path):
    """A run of 200 visits cannot have converged, and says so in its summary, its report and its result."""
    summary = json.loads((finished / "run.json").read_text())
    assert summary["verdict"] in ("doubtful", "not converged")
    assert summary["verdict_reasons"]
    assert (summary["resolution_fsc0143_angstrom"] is None) == (summary["verdict"] == "not converged")
    given = summary["resolution_fsc0143_angstrom"] is not None
    assert (summary["resolution_worst_direction_angstrom"] is not None) == given
    assert 0 <= summary["conical_fsc_area_ratio"] <= 1
    assert 0 < summary["sampling_compensation_factor"] < 1.1
    assert summary["verdict"].capitalize() in (finished / "report.html").read_text()
    assert reconstruct(particles, finished, config=SMALL).verdict == summary["verdict"]


@pytest.mark.slow
def test_a_mask_given_is_the_mask_used(particles: Path, tmp_path: Path):
    mask = spherical_mask(32, 9.0, 4.0)
    write_map(tmp_path / "mask.mrc", mask, PIXEL_SIZE_ANGSTROM)
    reconstruct(particles, tmp_path / "run", config=SMALL.changed(mask_file=str(tmp_path / "mask.mrc")))
    np.testing.assert_allclose(mrcfile.read(tmp_path / "run" / "mask.mrc"), mask)


@pytest.mark.slow
def test_half_sets_of_the_input_are_kept(particles: Path, tmp_path: Path):
    blocks = starfile.read(particles, always_dict=True)
    blocks["particles"]["rlnRandomSubset"] = np.where(np.arange(80) < 30, 2, 1)
    given = particles.parent / "with_halves.star"
    starfile.write(blocks, given)
    reconstruct(given, tmp_path / "run", config=SMALL)
    found = starfile.read(tmp_path / "run" / "particles.star", always_dict=True)["particles"]
    assert (found["rlnRandomSubset"] == blocks["particles"]["rlnRandomSubset"]).all()


@pytest.mark.slow
def test_one_sided_half_sets_are_replaced_with_a_warning(
    particles: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
):
    blocks = starfile.read(particles, always_dict=True)
    blocks["particles"]["rlnRandomSubset"] = 1
    given = particles.parent / "one_half.star"
    starfile.write(blocks, given)
    reconstruct(given, tmp_path / "run", config=SMALL)
    found = starfile.read(tmp_path / "run" / "particles.star", always_dict=True)["particles"]
    assert (found["rlnRandomSubset"] == 1).sum() == 40
    assert "new random halves" in capsys.readouterr().err


@pytest.mark.slow
def test_particles_beyond_the_subset_are_posed_too(particles: Path, tmp_path: Path):
    config = SMALL.changed(curriculum={"most_particles": 50, "fewest_epochs": 3})
    reconstruct(particles, tmp_path / "run", config=config)
    found = starfile.read(tmp_path / "run" / "particles.star", always_dict=True)["particles"]
    angles = found[["rlnAngleRot", "rlnAngleTilt", "rlnAnglePsi"]].to_numpy(float)
    assert len(np.unique(angles.round(3), axis=0)) == 80
    assert np.isfinite(found["cryofifaScore"].to_numpy(float)).all()


def test_an_edited_input_is_not_taken_for_the_old_one(finished: Path, particles: Path):
    text = particles.read_text()
    try:
        particles.write_text(text + "\n")
        with pytest.raises(InputError, match="other particles"):
            reconstruct(particles, finished, config=SMALL)
    finally:
        particles.write_text(text)
