"""Settings survive a file, and every mistake in a file is named with the file and the key."""

from dataclasses import FrozenInstanceError, replace

import pytest

from cryofifa.errors import InputError
from cryofifa.settings.config import Config, SearchSettings, config_as_dict, config_as_toml, read_config
from cryofifa.settings.ranges import RANGES


def written(tmp_path, text: str):
    path = tmp_path / "settings.toml"
    path.write_text(text, encoding="utf-8")
    return path


@pytest.mark.parametrize(
    "config",
    [
        Config(),
        Config(
            seed=7,
            pose_mode="amortized",
            box=48,
            diameter_angstrom=120.5,
            invert=True,
            mask_file='a folder\\of "masks"/é.mrc',
            search=replace(SearchSettings(), orientations=11, narrow_cycles=1e-7),
        ),
    ],
)
def test_a_file_gives_back_the_settings(tmp_path, config):
    assert read_config(written(tmp_path, config_as_toml(config))) == config


def test_a_file_changes_only_what_it_names(tmp_path):
    base = Config(seed=3, box=64)
    found = read_config(written(tmp_path, "seed = 4\n[search]\nbank_rotations = 3000\n"), base)
    assert found == replace(base, seed=4, search=replace(base.search, orientations=3000))


def test_whole_numbers_are_taken_for_real_ones(tmp_path):
    found = read_config(written(tmp_path, "diameter_angstrom = 120\n[encoder]\nomega = 6\n"))
    assert found.diameter_angstrom == 120.0
    assert isinstance(found.diameter_angstrom, float)
    assert isinstance(found.encoder.omega, float)


@pytest.mark.parametrize(
    ("text", "key"),
    [
        ("sead = 1\n", "sead"),
        ("[search]\nbank = 5\n", "bank"),
        ("[serch]\nbank_rotations = 5\n", "serch"),
        ("search = 5\n", "search"),
        ("[seed]\nvalue = 5\n", "seed"),
        ('seed = "one"\n', "seed"),
        ("seed = 1.5\n", "seed"),
        ("seed = true\n", "seed"),
        ("invert = 1\n", "invert"),
        ("box = 32.0\n", "box"),
        ('pose_mode = "fast"\n', "pose_mode"),
        ('[encoder]\naugmentation = "6x60"\n', "augmentation"),
        ("[encoder]\nrandom_turns = 8.0\n", "random_turns"),
        ("[encoder]\nomega = true\n", "omega"),
        ("[decoder]\nwidth = [1, 2]\n", "width"),
    ],
)
def test_a_mistake_is_one_line_with_file_and_key(tmp_path, text, key):
    path = written(tmp_path, text)
    with pytest.raises(InputError, match=f"settings.toml.*'{key}'") as caught:
        read_config(path)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("text", "name"),
    [
        ("seed = 0x" + "f" * 5000, "seed"),
        ("diameter_angstrom = 0x" + "f" * 500, "diameter_angstrom"),
        ("[decoder]\nwidth = " + "9" * 30, "width"),
        ("[decoder]\nwidth = 0", "width"),
        ("[decoder]\nmodulant_layers = 100000000", "modulant_layers"),
        ("[encoder]\nomega = nan", "omega"),
        ("[encoder]\nlearning_rate = -1.0", "learning_rate"),
        ("[amortized]\ndecoder_learning_rate = inf", "decoder_learning_rate"),
        ("[image]\nmask_margin = -inf", "mask_margin"),
        ("[search]\nbank_rotations = 1000000000", "orientations"),
        ("[search]\nbank_rotations = 3\nbank_best = 4", "orientations"),
        ("[search]\nbank_cycles = 0.0", "orientation_cycles"),
        ("[curriculum]\nepochs = 0", "epochs"),
    ],
)
def test_a_number_out_of_all_bounds_is_one_line_with_file_and_key(tmp_path, text, name):
    with pytest.raises(InputError, match=f"settings.toml.*{name}") as caught:
        read_config(written(tmp_path, text))
    assert str(caught.value).isprintable()


def test_every_range_is_of_a_setting():
    tables = {name: values for name, values in config_as_dict(Config()).items() if isinstance(values, dict)}
    known = {"seed", *config_as_dict(Config()), *(key for values in tables.values() for key in values)}
    assert {name.split("] ")[-1] for name in RANGES} <= known


@pytest.mark.parametrize("text", ["a = " + "[" * 5000, "seed = " + "9" * 5000, "seed = " + "{a = " * 5000])
def test_text_without_end_is_no_toml(tmp_path, text):
    with pytest.raises(InputError, match=r"settings\.toml: is not TOML"):
        read_config(written(tmp_path, text))


def test_no_file_no_toml_no_text(tmp_path):
    with pytest.raises(InputError, match=r"none\.toml"):
        read_config(tmp_path / "none.toml")
    with pytest.raises(InputError, match=r"settings\.toml"):
        read_config(written(tmp_path, "seed = = 1\n"))
    (tmp_path / "bytes.toml").write_bytes(b"\xff\xfe\x00")
    with pytest.raises(InputError, match=r"bytes\.toml"):
        read_config(tmp_path / "bytes.toml")
    with pytest.raises(InputError):
        read_config(tmp_path)


def test_settings_are_frozen_and_a_plain_tree():
    with pytest.raises(FrozenInstanceError):
        Config().seed = 1
    assert config_as_dict(Config())["search"]["orientations"] == SearchSettings().orientations
