"""Where the maps of a run lie: the first class's where other programs look, no two files in one place."""

from pathlib import Path

import pytest

from cryofifa.errors import InputError
from cryofifa.run.folder import RunFolder, map_to_write, run_of_maps


def test_the_first_map_has_the_names_that_other_programs_know(tmp_path: Path):
    files = RunFolder(tmp_path).map()
    assert files.combined == tmp_path / "map.mrc"
    assert [path.name for path in files.halves] == ["half1.mrc", "half2.mrc"]


def test_no_two_classes_share_a_file(tmp_path: Path):
    folder = RunFolder(tmp_path)
    every = [path for index in range(3) for path in (*folder.map(index).volumes, folder.map(index).fsc)]
    assert len(set(every)) == len(every) == 3 * 7
    assert all(path.is_relative_to(tmp_path) for path in every)


def test_a_folder_of_maps_is_known_as_its_runs(tmp_path: Path):
    """And what lies in it is not written over; a folder that is only called so is nobody's."""
    folder, elsewhere = RunFolder(tmp_path / "run"), tmp_path / "class2"
    folder.settings.parent.mkdir(parents=True)
    folder.settings.write_text("{}")
    for index in range(2):
        folder.map(index).folder.mkdir(exist_ok=True)
        assert run_of_maps(folder.map(index).folder) == (folder, index)
        with pytest.raises(InputError, match="a result of the run"):
            map_to_write(folder.map(index).combined, tmp_path / "source.mrc")
    elsewhere.mkdir()
    assert run_of_maps(elsewhere) == (RunFolder(elsewhere), 0)
