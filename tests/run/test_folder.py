"""What a damaged run folder says: every file of it is checked before anything is built on it."""

import copy
import json
from pathlib import Path

import pytest

from cryofifa.errors import InputError
from cryofifa.results.summary import Reconstruction, read_summary
from cryofifa.run.folder import RunFolder
from cryofifa.settings.config import Config, config_as_dict

SETTINGS = {"particles": "a.star", "particle_file_sha256": "0", "rows_sha256": "1", "config": {"seed": 1}}
SUMMARY = {
    "particles": 3,
    "kept_particles": 3,
    "pixel_size_angstrom": 1.5,
    "particle_radius_angstrom": 60.0,
    "verdict": "doubtful",
    "verdict_reasons": ["1 start"],
    "resolution_fsc0143_angstrom": 7.0,
    "resolution_fsc05_angstrom": 9.0,
    "local_resolution_quartiles_angstrom": [7.5, 8.0, 11.0],
    "shared_resolution_angstrom": 20.0,
    "starts": 1,
    "agreeing_starts": 1,
    "pose_change_median_degree": None,
    "seconds": 10.0,
}


@pytest.fixture
def folder(tmp_path: Path) -> RunFolder:
    folder = RunFolder(tmp_path / "run")
    folder.claim(SETTINGS)
    folder.summary.write_text(json.dumps(SUMMARY))
    return folder


@pytest.mark.parametrize(
    "text", ["[1]", "3", "null", '{"particles": 3}', json.dumps(SETTINGS | {"config": []}), "[" * 9999]
)
def test_damaged_settings_are_named(folder: RunFolder, text: str) -> None:
    folder.settings.write_text(text)
    with pytest.raises(InputError, match=r"settings\.json"):
        folder.claim(SETTINGS)


def test_a_run_of_an_earlier_version_goes_on_under_todays_names(folder: RunFolder) -> None:
    now = SETTINGS | {"config": config_as_dict(Config().changed(decoder={"fourier_net": {"width": 64}}))}
    earlier = copy.deepcopy(now)
    earlier["config"]["decoder"]["width"] = earlier["config"]["decoder"]["fourier_net"].pop("width")
    earlier["config"]["polish"] = earlier["config"].pop("half_map_refinement")
    folder.settings.write_text(json.dumps(earlier))
    folder.claim(now)
    with pytest.raises(InputError, match=r"config\.decoder\.fourier_net\.width was 64, now 128"):
        folder.claim(SETTINGS | {"config": config_as_dict(Config())})


@pytest.mark.parametrize(("setting", "value"), [("device", "cpu"), ("cache_gib", 3.0), ("memory_gib", 3.0)])
def test_what_does_not_change_the_result_may_change(folder: RunFolder, setting: str, value: object) -> None:
    folder.settings.write_text(json.dumps(SETTINGS | {"config": config_as_dict(Config())}))
    folder.claim(SETTINGS | {"config": config_as_dict(Config().changed(**{setting: value}))})


@pytest.mark.parametrize("quartiles", [[7.5, 8.0, 11.0], [7, 8, 11], None])
def test_a_summary_is_read(folder: RunFolder, quartiles: list[float] | None) -> None:
    found = {"local_resolution_quartiles_angstrom": quartiles}
    folder.summary.write_text(json.dumps(SUMMARY | found))
    tuples = {"verdict_reasons": ("1 start",), **{name: value and tuple(value) for name, value in found.items()}}
    assert read_summary(folder) == Reconstruction(folder=folder, **SUMMARY | tuples)


@pytest.mark.parametrize(
    "change",
    [
        {"particles": "3"},
        {"particles": 1.5},
        {"seconds": float("nan")},
        {"starts": None},
        {"starts": True},
        {"starts": {}},
        {"verdict": "surely"},
        {"verdict_reasons": "all"},
        {"local_resolution_quartiles_angstrom": 8.0},
        {"local_resolution_quartiles_angstrom": [7.5, 8.0]},
        {"local_resolution_quartiles_angstrom": [7.5, "8", 11.0]},
        {"local_resolution_quartiles_angstrom": [7.5, 8.0, float("nan")]},
        {"local_resolution_quartiles_angstrom": [11.0, 8.0, 7.5]},
    ],
)
def test_a_wrong_value_of_a_summary_is_named(folder: RunFolder, change: dict) -> None:
    folder.summary.write_text(json.dumps(SUMMARY | change))
    with pytest.raises(InputError, match=rf"run\.json: '{next(iter(change))}'"):
        read_summary(folder)


@pytest.mark.parametrize("text", ["[]", "3", "{}", "nul", ""])
def test_a_summary_that_is_none_is_named(folder: RunFolder, text: str) -> None:
    folder.summary.write_text(text)
    with pytest.raises(InputError, match=r"run\.json"):
        read_summary(folder)
