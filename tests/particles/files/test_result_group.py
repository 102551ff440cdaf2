"""Result groups as cryoSPARC exports them, read with a reader of YAML that is not ours."""

from pathlib import Path

import numpy as np
import pytest

from cryofifa.particles.files.cs_writer import write_particles_cs
from cryofifa.particles.files.read import read_particles
from cryofifa.particles.files.result_group import write_result_group
from cryofifa_testkit.particle_files import some_poses, write_star

# A group that cryoSPARC 4.4.1 exported, as a public guide shows it: results and their types.
EXPORTED_BY_CRYOSPARC = {
    "alignments2D": "particle.alignments2D",
    "alignments3D": "particle.alignments3D",
    "blob": "particle.blob",
    "ctf": "particle.ctf",
    "location": "particle.location",
    "pick_stats": "particle.pick_stats",
}


def as_tables(text: str) -> dict[str, object]:
    """Nested mappings of two blanks per level, which is all the YAML that these files use."""
    whole: dict[str, object] = {}
    levels = [whole]
    for line in text.splitlines():
        depth = (len(line) - len(line.lstrip())) // 2
        key, _, value = line.strip().partition(":")
        del levels[depth + 1 :]
        if value:
            levels[depth][key.strip("'")] = value.strip().strip("'")
        else:
            levels.append({})
            levels[depth][key.strip("'")] = levels[-1]
    return whole


def test_results_and_types_are_cryosparcs(tmp_path: Path) -> None:
    fields = ["uid", *(f"{group}/a" for group in EXPORTED_BY_CRYOSPARC), "blob/b", "alignments_class_0/pose"]
    group = as_tables(write_result_group(tmp_path / "J3 x.cs", fields, 456024).read_text())
    assert set(group) == {"created", "group", "results", "version"}
    assert isinstance(group["group"], dict)
    assert group["group"]["type"] == "particle"
    results = group["results"]
    assert isinstance(results, dict)
    wanted = {**EXPORTED_BY_CRYOSPARC, "alignments_class_0": "particle.alignments3D"}
    assert {name: result["type"] for name, result in results.items()} == wanted
    assert {result["metafile"] for result in results.values()} == {">J3 x.cs"}
    assert {result["num_items"] for result in results.values()} == {"456024"}


@pytest.mark.usefixtures("stack")
def test_the_group_of_a_written_file_names_its_fields(tmp_path: Path) -> None:
    write_particles_cs(tmp_path / "out.cs", read_particles(write_star(tmp_path / "a.star")), some_poses())
    results = as_tables((tmp_path / "out.csg").read_text())["results"]
    assert isinstance(results, dict)
    records = np.load(tmp_path / "out.cs", allow_pickle=False)
    assert set(results) == {name.split("/")[0] for name in records.dtype.names or () if name != "uid"}
    for result in results.values():
        assert (tmp_path / result["metafile"].removeprefix(">")).samefile(tmp_path / "out.cs")
        assert int(result["num_items"]) == len(records)


@pytest.mark.parametrize("name", ["it's.cs", "a: b.cs"])
def test_names_are_quoted(tmp_path: Path, name: str) -> None:
    text = write_result_group(tmp_path / name, ["blob/path"], 1).read_text()
    assert f"metafile: '>{name.replace(chr(39), chr(39) * 2)}'" in text
