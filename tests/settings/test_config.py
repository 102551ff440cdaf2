"""Settings survive a file, and every mistake in a file is named with the file and the key."""

import tomllib
from dataclasses import FrozenInstanceError, replace

import pytest

from cryofifa.errors import InputError
from cryofifa.settings.ab_initio import SearchSettings
from cryofifa.settings.config import Config, config_as_dict, config_as_toml, config_from_dict, read_config
from cryofifa.settings.decoders import DecoderSettings, VoxelSettings


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
            decoder=DecoderSettings(kind="hash grid", voxels=VoxelSettings(learning_rate=0.125)),
        ),
    ],
)
def test_a_file_gives_back_the_settings(tmp_path, config):
    assert read_config(written(tmp_path, config_as_toml(config))) == config
    assert config_from_dict(config_as_dict(config), "settings") == config


def test_tables_lie_in_tables_and_what_is_left_to_the_program_is_a_comment():
    text = config_as_toml(Config())
    assert tomllib.loads(text)["decoder"]["voxels"] == config_as_dict(Config())["decoder"]["voxels"]
    assert "\n[decoder.voxels]\n" in text
    assert "# box: chosen from the data\n" in text


def test_a_file_changes_only_what_it_names(tmp_path):
    base = Config(seed=3, box=64)
    found = read_config(
        written(tmp_path, "seed = 4\n[search]\norientations = 3000\n[decoder.hash_grid]\nlevels = 3\n"), base
    )
    decoder = replace(base.decoder, hash_grid=replace(base.decoder.hash_grid, levels=3))
    assert found == replace(base, seed=4, search=replace(base.search, orientations=3000), decoder=decoder)


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
        ("[serch]\norientations = 5\n", "serch"),
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
        ("[decoder.fourier_net]\nwidth = [1, 2]\n", "width"),
        ("[decoder.fourier_net]\nlevels = 2\n", "levels"),
        ("[decoder]\nvoxels = 2\n", "voxels"),
        ('[decoder]\nkind = "splines"\n', "kind"),
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
        ("[decoder.fourier_net]\nwidth = " + "9" * 30, "width"),
        ("[decoder.fourier_net]\nwidth = 0", r"\[decoder.fourier_net\] width"),
        ("[decoder.fourier_net]\nmodulant_layers = 100000000", "modulant_layers"),
        ("[encoder]\nomega = nan", "omega"),
        ("[encoder]\nlearning_rate = -1.0", "learning_rate"),
        ("[amortized]\ndecoder_learning_rate = inf", "decoder_learning_rate"),
        ("[image]\nmask_margin = -inf", "mask_margin"),
        ("[search]\norientations = 1000000000", "orientations"),
        ("[search]\norientations = 3\nbest_orientations = 4", "orientations"),
        ("[search]\norientation_cycles = 0.0", "orientation_cycles"),
        ("[curriculum]\nepochs = 0", "epochs"),
    ],
)
def test_a_number_out_of_all_bounds_is_one_line_with_file_and_key(tmp_path, text, name):
    with pytest.raises(InputError, match=f"settings.toml.*{name}") as caught:
        read_config(written(tmp_path, text))
    assert str(caught.value).isprintable()


def test_everything_that_is_out_of_its_range_is_said_at_once(tmp_path):
    text = "seed = -1\n[encoder]\nheads = 65\nomega = nan\n[decoder.voxels]\nlast_rate = 1.5\n"
    with pytest.raises(InputError) as caught:
        read_config(written(tmp_path, text))
    said = str(caught.value)
    assert said.startswith(f"{tmp_path / 'settings.toml'}: seed is -1, it must be from 0 to ")
    for wrong in (
        "[encoder] heads is 65, it must be from 1 to 64",
        "[encoder] omega is nan, it must be from 1e-06 to 1e+06",
        "[decoder.voxels] last_rate is 1.5, it must be from 1e-06 to 1",
    ):
        assert wrong in said


@pytest.mark.parametrize(
    ("table", "known"), [("", "pose_mode"), ("[decoder]\n", "voxels"), ("[search]\n", "temperature")]
)
def test_an_unknown_name_is_answered_with_the_known_ones(tmp_path, table, known):
    with pytest.raises(InputError, match=rf"unknown setting 'x'; known here: .*\b{known}\b"):
        read_config(written(tmp_path, f"{table}x = 1\n"))


def test_settings_of_a_call_are_checked_too():
    with pytest.raises(InputError, match="seed is -1"):
        Config(seed=-1)
    with pytest.raises(InputError, match="settings: unknown setting 'sead'"):
        Config().changed(sead=1)
    with pytest.raises(InputError, match="'C0' is unknown"):
        Config(symmetry="C0")


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
