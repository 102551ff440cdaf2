"""Records survive JSON, the log goes where it should, and no terminal means no progress bar."""

import io
import json
import math
from dataclasses import replace
from pathlib import Path

import pytest

from cryofifa.run.log import Progress, RunLog, epoch_line
from cryofifa.train.epoch_record import EpochRecord, epoch_record_from_json, epoch_record_to_json

RECORD = EpochRecord(
    epoch=3,
    particles=5000,
    mask_radius_pixel=12.5,
    resolution_angstrom=24.0,
    loss=0.91,
    encoder_loss=0.2,
    pose_change_median_degree=4.5,
    shift_change_median_angstrom=None,
    winner_shares={"encoder": 0.25, "memory": 0.5, "orientation set": 0.25},
    particle_radius_angstrom=80.0,
    seconds=12.0,
    phase="ab-initio",
)


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


def test_a_record_survives_strict_json() -> None:
    text = json.dumps(epoch_record_to_json(RECORD), allow_nan=False)
    assert epoch_record_from_json(json.loads(text)) == RECORD


def test_numbers_that_are_not_finite_survive_as_nan_or_none() -> None:
    odd = replace(
        RECORD, loss=math.nan, pose_change_median_degree=math.inf, winner_shares={"orientation set": math.nan}
    )
    text = json.dumps(epoch_record_to_json(odd), allow_nan=False)
    restored = epoch_record_from_json(json.loads(text))
    assert math.isnan(restored.loss)
    assert restored.pose_change_median_degree is None
    assert math.isnan(restored.winner_shares["orientation set"])
    assert "-" in epoch_line(restored)


def test_an_unknown_field_is_an_error() -> None:
    with pytest.raises(TypeError):
        epoch_record_from_json(epoch_record_to_json(RECORD) | {"surprise": 1})


def test_lines_go_to_the_file_and_only_warnings_to_a_pipe(tmp_path: Path) -> None:
    pipe = io.StringIO()
    with RunLog(tmp_path / "new" / "log.txt", stream=pipe) as log:
        log.line("first")
        log.warning("odd pixel size")
        log.warning("odd pixel size")
        log.epoch(RECORD)
        kept = (tmp_path / "new" / "log.txt").read_text(encoding="utf-8")
    assert pipe.getvalue() == "warning: odd pixel size\n"
    assert log.warnings == ["odd pixel size"]
    assert [line.split("  ", 1)[1] for line in kept.splitlines()[:2]] == ["first", "warning: odd pixel size"]
    assert kept.count("odd pixel size") == 1
    assert "epoch 3" in kept


def test_a_resumed_run_goes_on_in_the_same_file(tmp_path: Path) -> None:
    for text in ("one", "two"):
        with RunLog(tmp_path / "log.txt", stream=io.StringIO()) as log:
            log.line(text)
    assert len((tmp_path / "log.txt").read_text().splitlines()) == 2


@pytest.mark.parametrize(("stream", "verbose"), [(Terminal(), False), (io.StringIO(), True)])
def test_a_terminal_or_verbose_shows_every_line(stream: io.StringIO, verbose: bool) -> None:
    with RunLog(None, verbose=verbose, stream=stream) as log:
        log.line("seen")
    assert stream.getvalue().strip() == "seen"


def test_progress_without_a_terminal_says_nothing() -> None:
    pipe = io.StringIO()
    with Progress(100, stream=pipe) as progress:
        progress.stage("ab-initio", 24.0, 4.5)
        progress.advance(100)
    assert pipe.getvalue() == ""


def test_progress_on_a_terminal_shows_stage_resolution_pose_change_and_time_left() -> None:
    terminal = Terminal()
    with Progress(100, stream=terminal) as progress:
        progress.stage("ab-initio", 24.0, 4.5)
        progress.stage("ab-initio", None, math.nan)
        progress.stage("ab-initio", 23.0, 4.5)
        progress.advance(100)
    for part in ("ab-initio", "23.0 Å", "poses move 4.5°", "left"):
        assert part in terminal.getvalue()
