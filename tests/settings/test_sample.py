"""Files of a sample's settings: what is named changes, what is wrong is one line."""

import tomllib
from pathlib import Path

import pytest

from cryofifa.errors import InputError
from cryofifa.settings.sample import REALISTIC, ModelSettings, SampleSettings, read_sample, sample_as_dict

RECIPES = Path(__file__).resolve().parents[2] / "docs" / "recipes.md"


def written(folder: Path, text: str) -> Path:
    path = folder / "sample.toml"
    path.write_text(text, encoding="utf-8")
    return path


def test_what_a_file_names_changes_and_all_else_stays(tmp_path):
    path = written(
        tmp_path, '[noise]\nspectrum = "white"\n\n[[model]]\nstructure = "b.cif"\nshare = 0.25\nselect = "A"\n'
    )
    found = read_sample(path, REALISTIC)
    assert found.noise.spectrum == "white"
    assert found.model == (ModelSettings("b.cif", 0.25, "A"),)
    assert (found.junk, found.imaging, found.views) == (REALISTIC.junk, REALISTIC.imaging, REALISTIC.views)
    assert read_sample(written(tmp_path, ""), SampleSettings()) == SampleSettings()


def test_the_recipe_names_every_setting_and_is_read(tmp_path):
    text = RECIPES.read_text(encoding="utf-8").split("```toml\n")[1].split("```")[0]
    found = read_sample(written(tmp_path, text), SampleSettings())
    named = tomllib.loads(text)
    wanted = sample_as_dict(found)
    assert {name: set(table) for name, table in named.items() if name != "model"} == {
        name: set(table) for name, table in wanted.items() if name != "model"
    }
    assert set(named["model"][0]) == set(wanted["model"][0])


@pytest.mark.parametrize(
    ("text", "word"),
    [
        ("[nose]\n", "unknown setting 'nose'"),
        ("[noise]\ncolor = 1\n", "unknown setting 'color'"),
        ("[views]\npreferred_share = 1.5\n", "preferred_share is 1.5"),
        ("[gradient]\nsd = inf\n", "sd is inf"),
        ("[imaging]\nleast_b_factor = 9\n", "must not exceed"),
        ("[junk]\n" + "".join(f"{kind} = 0\n" for kind in SampleSettings().junk.weights), "at least one kind"),
        ("[[model]]\nshare = 0.5\n", "needs structure"),
        ('[[model]]\nstructure = "a.mrc"\nshare = 0.5\n' * 3, "must not exceed 1"),
        ('[[model]]\nstructure = "a.mrc"\nshare = -1.0\n', "share is -1"),
        ("model = 3\n", "[[model]]"),
        ('[micelle]\naxis = "up"\n', "'longest', 'x', 'y', 'z'"),
        ("colour", "is not TOML"),
    ],
)
def test_what_is_wrong_is_one_line_that_names_the_file(tmp_path, text, word):
    with pytest.raises(InputError) as caught:
        read_sample(written(tmp_path, text), SampleSettings())
    message = str(caught.value)
    assert word in message
    assert "sample.toml" in message
    assert "\n" not in message
