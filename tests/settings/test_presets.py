"""Presets against Extended Data Table 2, and the run that each of them makes."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from cryofifa import Config
from cryofifa.cli import _parser, main
from cryofifa.commands.reconstruct import _config
from cryofifa.particles.files.read import read_particles
from cryofifa.particles.particle_radius import ImageSurvey
from cryofifa.run.planning import plan_run
from cryofifa.settings.presets import PRESETS, Preset
from cryofifa.train.curriculum import Curriculum, stage_at
from cryofifa.train.image_copies import CopyChoice
from cryofifa_testkit.small_sets import simulated_particles

# The paper's rows as printed, columns from left to right
NAMES = ["streptavidin", "gat1", "ribosome", "trisnrnp", "rag", "trpv1", "trpm8", "apoferritin"]
NAMES += ["mastigoneme", "gpcr", "bact"]
TABLE = {
    "Particle number": "100,000|100,000|105,277|124,340|108,544|35,645|42040|102,000|168,000|100,000|19,310",
    "Box size": "128|128|128|128|128|128|128|128|128|128 / 228|128",
    "Pixel size": "1.072|1.691|3.768|4.247|1.845|2.431|2.6475|2.075|4.33|1.928 / 1.0825|3.3125",
    "Steps & Epochs": "32 x 3|32 x 3|32 x 3|32 x 2|32 x 5|32 x 3|32 x 6|32 x 3|30 x 5|32 x 3 / 57 x 2|32 x 3",
    "Start resolution": "20|100|100|40|100|30|120|30|60|30 / 30|60",
    "End resolution": "2.4|3.4|8|9|4|5|6|4.4|8.7|4 / 3|7",
    "Batch size": "32|64|32|64|64|16|32|32|128|32|32",
    "Augmentation": "8 x 45°|8 x 45°|8 x 45°|8 x 45°|8 x 45°|4 x 90°|8 x 45°|8 x RD|8 x 45°|8 x 45°|8 x 45°",
}
AUGMENTATION = {"8 x 45°": ("8x45", 16), "4 x 90°": ("4x90", 8), "8 x RD": ("random", 16)}


def column(name: str) -> dict[str, str]:
    return {row: text.split("|")[NAMES.index(name)] for row, text in TABLE.items()}


def test_the_table_has_these_columns():
    assert list(PRESETS) == NAMES
    assert {len(row.split("|")) for row in TABLE.values()} == {11}


@pytest.mark.parametrize("name", NAMES)
def test_each_preset_is_its_column(name):
    preset, wanted = PRESETS[name], column(name)
    series = [one for one in (preset.ab_initio, preset.local_refinement) if one is not None]
    assert preset.particles == int(wanted["Particle number"].replace(",", ""))
    assert preset.minibatch_per_gpu == int(wanted["Batch size"])
    assert preset.augmentation == AUGMENTATION[wanted["Augmentation"]][0]
    assert [one.box_pixel for one in series] == [int(text) for text in wanted["Box size"].split(" / ")]
    assert [one.pixel_size_angstrom for one in series] == [float(text) for text in wanted["Pixel size"].split(" / ")]
    assert [f"{one.steps} x {one.epochs}" for one in series] == wanted["Steps & Epochs"].split(" / ")
    for row, resolutions in (
        ("Start resolution", [one.start_resolution_angstrom for one in series]),
        ("End resolution", [one.end_resolution_angstrom for one in series]),
    ):
        assert resolutions == [float(text) for text in wanted[row].split(" / ")]


@pytest.fixture(scope="module")
def particles(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return simulated_particles(tmp_path_factory.mktemp("presets"), particles=30, box=32, pixel_size_angstrom=6.0)


def curriculum_of(preset: Preset, particles: Path) -> Curriculum:
    """Planned for particles of the preset's box and pixel size that fill their box."""
    table, masks = read_particles(particles, None, None), preset.ab_initio
    pixel_size = np.full(len(table), masks.pixel_size_angstrom)
    pixel_size.setflags(write=False)
    table = replace(table, box_size=masks.box_pixel, pixel_size_angstrom=pixel_size)
    survey = ImageSurvey(0.4 * masks.box_pixel * masks.pixel_size_angstrom, 0.0, 0.0)
    return plan_run(preset.config(), table, survey).curriculum


@pytest.mark.parametrize("name", NAMES)
def test_the_run_has_the_papers_mask_series(name, particles):
    """So many different masks, each for so many whole epochs, from the first resolution to the last."""
    wanted = column(name)
    steps, epochs = map(int, wanted["Steps & Epochs"].split(" / ")[0].split(" x "))
    extent = 128 * float(wanted["Pixel size"].split(" / ")[0])
    start, end = (float(wanted[f"{which} resolution"].split(" / ")[0]) for which in ("Start", "End"))
    curriculum = curriculum_of(PRESETS[name], particles)
    assert curriculum.epochs == steps * epochs
    radii = []
    for epoch in range(curriculum.epochs):
        within = {stage_at(curriculum, (epoch + step / 7) / curriculum.epochs).mask_radius for step in range(7)}
        assert len(within) == 1
        radii += within
    assert radii == [radius for radius in sorted(set(radii)) for _ in range(epochs)]
    assert len(set(radii)) == steps
    assert radii[0] == pytest.approx(extent / start)
    assert radii[-1] == pytest.approx(min(extent / end, 63))  # Nyquist of 128 pixels is left out
    assert extent / end - radii[-1] < 1


@pytest.mark.parametrize("name", NAMES)
def test_settings_are_the_columns_and_else_the_defaults(name):
    wanted, config, default = column(name), PRESETS[name].config(), Config()
    assert (config.pose_mode, config.decoder_kind) == ("amortized", "FourierNet")
    assert config.curriculum.minibatch == int(wanted["Batch size"])
    copies = CopyChoice.of_settings(config.encoder, 0, torch.device("cpu")).copies(torch.arange(2), 0)
    assert len(copies) == AUGMENTATION[wanted["Augmentation"]][1]
    for untouched in (
        "seed",
        "device",
        "box",
        "diameter_angstrom",
        "invert",
        "image",
        "decoder",
        "search",
        "half_map_refinement",
    ):
        assert getattr(config, untouched) == getattr(default, untouched)


def test_options_beat_the_file_which_beats_the_preset(tmp_path):
    path = tmp_path / "settings.toml"
    path.write_text("end_resolution_angstrom = 12\nseed = 3\n[curriculum]\nminibatch = 20\n", encoding="utf-8")
    command = ["reconstruct", "x.star", "-o", "run", "--preset", "trpv1", "--config", str(path), "--seed", "4"]
    found, preset = _config(_parser().parse_args(command)), PRESETS["trpv1"].config()
    assert found == preset.changed(end_resolution_angstrom=12.0, seed=4, curriculum={"minibatch": 20})
    assert found.encoder.augmentation == "4x90"


def test_a_dry_run_plans_what_the_preset_says(particles, tmp_path, capsys):
    command = ["reconstruct", str(particles), "-o", str(tmp_path / "run"), "--dry-run"]
    assert main([*command, "--preset", "mastigoneme"]) == 0
    assert "30 masks over 150 epochs" in capsys.readouterr().out
    with pytest.raises(SystemExit) as caught:
        main([*command, "--preset", "myosin"])
    assert caught.value.code == 2
    assert "myosin" in capsys.readouterr().err
    assert not (tmp_path / "run").exists()


def test_presets_are_listed_as_the_table(capsys):
    assert main(["presets"]) == 0
    _, *lines = capsys.readouterr().out.splitlines()
    assert [line.split()[0] for line in lines] == NAMES
    for name, line in zip(NAMES, lines, strict=True):
        wanted = column(name)
        for row in ("Box size", "Pixel size", "Steps & Epochs", "Batch size"):
            assert f" {wanted[row]} " in line
        starts, ends = (wanted[f"{which} resolution"].split(" / ") for which in ("Start", "End"))
        assert " / ".join(f"{start} - {end}" for start, end in zip(starts, ends, strict=True)) in line
        assert wanted["Particle number"].replace(",", "") in line
        assert line.endswith(AUGMENTATION[wanted["Augmentation"]][0])


def test_a_preset_is_the_papers_method_and_not_our_own_additions():
    for preset in PRESETS.values():
        config = preset.config()
        assert config.encoder.heads == 1
        assert config.amortized.disturbance_degree > 0
