"""Starts are made until two agree; the best goes on, and its poses are what ab initio begins with."""

from itertools import count
from pathlib import Path
from typing import Any

import pytest
import torch

from cryofifa import Config, reconstruct
from cryofifa.results.report import report
from cryofifa.run import starts
from cryofifa.run.folder import RunFolder
from cryofifa.run.progress import read_run_state
from cryofifa.train.ab_initio import AbInitio
from cryofifa_testkit.small_sets import simulated_particles

SMALL = Config().changed(
    device="cpu",
    encoder={"channels": 4, "stages": 2, "feature_width": 32},
    starts={"most": 4, "growth_visits": 60, "most_visits": 60, "minibatch": 30, "orientations": 60},
    curriculum={"visits": 60, "fewest_epochs": 1, "minibatch": 16},
    half_map_refinement={"iterations": 1, "candidates": 2, "most_searches": 1},
)


@pytest.fixture(scope="module")
def particles(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return simulated_particles(tmp_path_factory.mktemp("set"), particles=60, box=32, pixel_size_angstrom=6.0)


def starts_made(particles: Path, run: Path, patch: pytest.MonkeyPatch, agree: Any) -> tuple[list[float], int]:
    """Scores of the starts of a run in which every question whether two starts agree is answered so."""
    patch.setattr(starts, "starts_agree", agree)
    patch.setattr(report, "report_html", lambda _: "report")
    found = reconstruct(particles, run, config=SMALL)
    progress = read_run_state(RunFolder(run).checkpoint, torch.device("cpu"))[1]
    assert found.starts == len(progress.starts)
    return progress.starts, found.agreeing_starts


def test_two_that_agree_are_enough(particles: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    made, agreeing = starts_made(particles, tmp_path, monkeypatch, lambda *_: True)
    assert len(made) == agreeing == 2


@pytest.mark.slow
def test_without_agreement_there_are_as_many_as_allowed_and_no_resolution(
    particles: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    made, agreeing = starts_made(particles, tmp_path, monkeypatch, lambda *_: False)
    assert len(made) == 4
    assert agreeing == 1
    assert reconstruct(particles, tmp_path, config=SMALL).resolution_fsc0143_angstrom is None


@pytest.mark.slow
def test_they_end_with_the_first_that_agrees(particles: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    """The first comparison, of starts 1 and 2, is answered with no, the next one with yes."""
    asked = count()
    made, _ = starts_made(particles, tmp_path, monkeypatch, lambda *_: next(asked) > 0)
    assert len(made) == 3


@pytest.mark.slow
def test_ab_initio_begins_with_the_poses_of_the_best(particles: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    began, original = [], AbInitio.begin_from

    def begin_from(self, poses):
        began.append(poses.rotation.clone())
        original(self, poses)

    monkeypatch.setattr(AbInitio, "begin_from", begin_from)
    made, _ = starts_made(particles, tmp_path, monkeypatch, lambda *_: False)
    tensors, progress = read_run_state(RunFolder(tmp_path).checkpoint, torch.device("cpu"))
    best = max(range(4), key=lambda which: made[which])
    assert progress.best_start == best
    assert len(began) == 1
    assert torch.equal(began[0], tensors[f"start{best}.rotation"])


@pytest.mark.slow
def test_a_run_killed_before_it_saw_that_two_agree_makes_no_third(
    particles: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    killed, original = [], starts.Starts._another_is_wanted

    def killed_once(self) -> bool:
        if len(self._run.progress.starts) == 2 and not killed:
            killed.append(True)
            raise KeyboardInterrupt
        return original(self)

    monkeypatch.setattr(starts.Starts, "_another_is_wanted", killed_once)
    with pytest.raises(KeyboardInterrupt):
        starts_made(particles, tmp_path, monkeypatch, lambda *_: True)
    made, _ = starts_made(particles, tmp_path, monkeypatch, lambda *_: True)
    assert killed
    assert len(made) == 2
