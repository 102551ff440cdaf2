"""Where the maps of a run lie: the first class's where other programs look, no two files in one place."""

from pathlib import Path

from cryofifa.run.folder import RunFolder


def test_the_first_map_has_the_names_that_other_programs_know(tmp_path: Path):
    files = RunFolder(tmp_path).map()
    assert files.combined == tmp_path / "map.mrc"
    assert [path.name for path in files.halves] == ["half1.mrc", "half2.mrc"]


def test_no_two_classes_share_a_file(tmp_path: Path):
    folder = RunFolder(tmp_path)
    every = [path for index in range(3) for path in (*folder.map(index).volumes, folder.map(index).fsc)]
    assert len(set(every)) == len(every) == 3 * 7
    assert all(path.is_relative_to(tmp_path) for path in every)
