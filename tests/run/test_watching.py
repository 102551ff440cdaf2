"""What a viewer reads of a run: every epoch of every start, maps that grow, and nothing that the run depends on."""

import json
import math
from pathlib import Path

import mrcfile
import pytest
import torch

from cryofifa import Config, reconstruct
from cryofifa.physics.fourier import rescale_volume
from cryofifa.physics.snapshot import SNAPSHOT_PIXEL, Snapshot
from cryofifa.results.report import report
from cryofifa_testkit.known_volumes import blob_volume
from cryofifa_testkit.small_sets import simulated_particles

PIXEL_SIZE_ANGSTROM = 6.0
SMALL = Config().changed(
    device="cpu",
    encoder={"channels": 4, "stages": 2, "feature_width": 32},
    starts={"count": 2, "growth_visits": 80, "most_visits": 80, "minibatch": 40, "orientations": 60},
    curriculum={"visits": 240, "fewest_epochs": 3, "minibatch": 16, "mask_steps": 4},
    search={"orientations": 60},
    half_map_refinement={"iterations": 1, "candidates": 2, "most_searches": 1},
)


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("set")
    star = simulated_particles(folder, particles=80, box=32, pixel_size_angstrom=PIXEL_SIZE_ANGSTROM)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(report, "report_html", lambda _: "report")
        reconstruct(star, folder / "run", config=SMALL)
    return folder / "run"


@pytest.fixture(scope="module")
def lines(run: Path) -> list[dict]:
    return [json.loads(line) for line in (run / "live" / "history.jsonl").read_text().splitlines()]


def test_every_epoch_of_every_start_and_of_the_run_is_there_once(run: Path, lines: list[dict]):
    of_starts = [[line for line in lines if line["start"] == start] for start in range(2)]
    assert [[line["epoch"] for line in start] for start in of_starts] == [[0, 1, 2, 3], [0, 1, 2, 3]]
    assert all(math.isfinite(line["start_score"]) for start in of_starts for line in start)
    best = max(of_starts, key=lambda start: start[0]["start_score"])
    whole = json.loads((run / "run.json").read_text())["history"]
    found = [
        {name: line[name] for name in whole[0]} for line in (*best, *(one for one in lines if one["start"] is None))
    ]
    assert found == whole


def test_every_epoch_leaves_a_small_map(run: Path, lines: list[dict]):
    maps = sorted((run / "live").glob("*.mrc"))
    assert len(maps) == len(lines)
    for path in maps:
        with mrcfile.open(path) as file:
            assert max(file.data.shape) <= SNAPSHOT_PIXEL
            assert torch.isfinite(torch.from_numpy(file.data.copy())).all()
            assert float(file.voxel_size.x) * file.data.shape[0] == pytest.approx(32 * PIXEL_SIZE_ANGSTROM, rel=0.3)


def test_a_large_map_is_shown_low_passed_and_a_small_one_as_it_is():
    large, small = blob_volume(2 * SNAPSHOT_PIXEL), blob_volume(16)
    shown = Snapshot.of_map(large, 1.5)
    assert shown.pixel_size_angstrom == pytest.approx(3.0)
    torch.testing.assert_close(shown.volume, rescale_volume(large, SNAPSHOT_PIXEL))
    assert Snapshot.of_map(small, 1.5).volume is small
