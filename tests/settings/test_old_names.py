"""Settings files, run folders and checkpoints of earlier versions are read as what they meant then."""

from __future__ import annotations

import copy
from pathlib import Path
from typing import Any

import pytest

from cryofifa.errors import InputError
from cryofifa.settings.config import Config, config_as_dict, config_from_dict, read_config
from cryofifa.settings.old_names import OLD_NAMES, with_present_names

# a value that is not the default, for every old name, as a file of an earlier version had it
FILES = {
    ("polish",): "[polish]\niterations = 7\n",
    ("refinement",): "[refinement]\nepochs = 7\n",
    ("encoder_refinement", "raster_every"): "[refinement]\nraster_every = 7\n",
    ("decoder", "raster_every"): "[decoder]\nraster_every = 7\n",
    ("search", "bank_rotations"): "[search]\nbank_rotations = 7\n",
    ("search", "bank_best"): "[search]\nbank_best = 7\n",
    ("search", "bank_share"): "[search]\nbank_share = 0.7\n",
    ("search", "bank_cycles"): "[search]\nbank_cycles = 7\n",
    ("curriculum", "starts"): "[curriculum]\nstarts = 7\n",
    ("curriculum", "start_cycles"): "[curriculum]\nstart_cycles = 7\n",
    ("encoder", "imagined"): "[encoder]\nimagined = 7\n",
    ("decoder", "voxel_learning_rate"): "[decoder]\nvoxel_learning_rate = 0.7\n",
    ("decoder", "voxel_last_rate"): "[decoder]\nvoxel_last_rate = 0.7\n",
    ("decoder", "hash_learning_rate"): "[decoder]\nhash_learning_rate = 0.7\n",
    ("decoder", "hash_spacing"): "[decoder]\nhash_spacing = 0.7\n",
    ("decoder", "hash_levels"): "[decoder]\nhash_levels = 7\n",
    ("decoder", "learning_rate"): "[decoder]\nlearning_rate = 0.7\n",
    ("decoder", "width"): "[decoder]\nwidth = 7\n",
    ("decoder", "modulant_layers"): "[decoder]\nmodulant_layers = 7\n",
    ("decoder", "envelope_layers"): "[decoder]\nenvelope_layers = 7\n",
    ("decoder", "omega_modulant"): "[decoder]\nomega_modulant = 7\n",
    ("decoder", "omega_envelope"): "[decoder]\nomega_envelope = 7\n",
    ("decoder", "coordinate_scale"): "[decoder]\ncoordinate_scale = 7\n",
}


def at(values: dict[str, Any], path: tuple[str, ...]) -> Any:
    for name in path:
        values = values[name]
    return values


def changes_of(config: Config) -> dict[tuple[str, ...], Any]:
    """What differs from the defaults, by its place."""

    def walk(found: dict[str, Any], usual: dict[str, Any], path: tuple[str, ...]) -> dict[tuple[str, ...], Any]:
        changes: dict[tuple[str, ...], Any] = {}
        for name, value in found.items():
            if isinstance(value, dict):
                changes |= walk(value, usual[name], (*path, name))
            elif value != usual[name]:
                changes[*path, name] = value
        return changes

    return walk(config_as_dict(config), config_as_dict(Config()), ())


def test_every_old_name_has_its_file() -> None:
    assert FILES.keys() == OLD_NAMES.keys()


@pytest.mark.parametrize("old", OLD_NAMES, ids=".".join)
def test_a_file_with_an_old_name_sets_what_it_means_now(old: tuple[str, ...], tmp_path: Path) -> None:
    path = tmp_path / "settings.toml"
    path.write_text(FILES[old], encoding="utf-8")
    ((place, value),) = changes_of(read_config(path)).items()
    new = OLD_NAMES[old]
    assert place[: len(new)] == new
    assert value in (7, 0.7)


def test_old_names_lead_to_settings_and_are_none_themselves() -> None:
    present = config_as_dict(Config())
    for old, new in OLD_NAMES.items():
        at(present, new)
        with pytest.raises(KeyError):
            at(present, old)


def test_a_whole_tree_of_an_earlier_version_is_todays() -> None:
    config = Config().changed(
        decoder={"kind": "hash grid", "hash_grid": {"levels": 3}, "fourier_net": {"width": 64}},
        encoder_refinement={"epochs": 2, "minibatches_per_sampling": 9},
    )
    earlier = copy.deepcopy(config_as_dict(config))
    for old, new in reversed(OLD_NAMES.items()):
        at(earlier, old[:-1])[old[-1]] = at(earlier, new[:-1]).pop(new[-1])
    for kind in ("voxels", "hash_grid", "fourier_net"):
        assert earlier["decoder"].pop(kind) == {}
    assert earlier["refinement"]["raster_every"] == 9
    before = copy.deepcopy(earlier)
    assert config_from_dict(earlier, "settings.json") == config
    assert with_present_names(earlier, "settings.json") == config_as_dict(config)
    assert earlier == before


def test_a_table_may_be_written_under_both_names_but_not_a_setting() -> None:
    found = Config().changed(polish={"iterations": 7}, half_map_refinement={"candidates": 7})
    assert (found.half_map_refinement.iterations, found.half_map_refinement.candidates) == (7, 7)
    with pytest.raises(InputError, match="'polish' is an old name of 'half_map_refinement', and both are given"):
        Config().changed(polish={"iterations": 7}, half_map_refinement={"iterations": 7})
    with pytest.raises(InputError, match=r"'decoder\.width' is an old name of 'decoder\.fourier_net\.width', and both"):
        Config().changed(decoder={"width": 7, "fourier_net": {"width": 7}})


@pytest.mark.parametrize(
    ("values", "said"),
    [
        ({"polish": 5}, "'half_map_refinement' is a table"),
        ({"decoder": {"voxel_last_rate": 1, "voxels": 5}}, "'voxels' is a table"),
        ({"decoder": 5}, "'decoder' is a table"),
        ({"decoder": {"width": {"a": 1}}}, "'width' is a dict"),
        ({"search": {"raster_every": 5}}, "unknown setting 'raster_every'"),
        ({"bank_rotations": 5}, "unknown setting 'bank_rotations'"),
    ],
)
def test_a_mistake_under_an_old_name_is_one_line(values: dict[str, Any], said: str) -> None:
    with pytest.raises(InputError, match=said):
        config_from_dict(values, "settings.json")


def test_depth_without_end_is_a_mistake_like_others() -> None:
    deep: dict[str, Any] = {}
    for _ in range(5000):
        deep = {"a": deep}
    for values in ({"seed": deep}, {"polish": deep, "half_map_refinement": deep}, {"decoder": {"width": deep}}):
        with pytest.raises(InputError):
            config_from_dict(values, "settings.json")
