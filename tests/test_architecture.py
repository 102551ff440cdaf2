"""The package keeps its plan: arrows between rooms point down, nothing goes in circles, every file is a few pages.

What each room is for: docs/architecture.md.
"""

import re
import sys
from graphlib import TopologicalSorter
from pathlib import Path

import pytest

REPOSITORY = Path(__file__).resolve().parent.parent
PACKAGE = REPOSITORY / "src" / "cryofifa"
sys.path.append(str(REPOSITORY / "dev"))

import file_tree  # noqa: E402
import flow_picture  # noqa: E402
from import_graph import Import, circles, file_arrows, imports_of, module_paths, room_arrows, room_of  # noqa: E402

MOST_LINES = 350

# A room may import those named here and no others, wherever in a file the import stands. From below to above.
BASE = {"errors", "names", "system"}
SCIENCE = BASE | {"physics", "settings"}
FILES = {"conventions", "mrc_map"}
MAY_IMPORT: dict[str, set[str]] = {
    "errors": set(),
    "names": set(),
    "conventions": set(),
    "system": {"errors"},
    "mrc_map": BASE,
    "physics": {"errors"},
    "settings": {"errors", "physics"},
    "model": {"errors", "physics"},
    "particles": SCIENCE | FILES,
    "train": SCIENCE | {"model", "particles"},
    "half_map_refinement": SCIENCE | {"particles", "train"},
    "stochastic_em": SCIENCE | {"particles", "train"},
    "run": SCIENCE | FILES | {"model", "particles", "train", "stochastic_em", "half_map_refinement"},
    "variability": SCIENCE | {"particles", "half_map_refinement"},
    "results": SCIENCE | FILES | {"particles", "train", "half_map_refinement", "run", "variability"},
    "main_path": SCIENCE | {"particles", "train", "half_map_refinement", "run", "results"},
    "after_run": SCIENCE
    | FILES
    | {"particles", "train", "half_map_refinement", "run", "variability", "results", "main_path"},
    "(package)": SCIENCE | {"particles", "main_path", "after_run", "results"},
    "commands": SCIENCE | {"particles", "main_path", "after_run", "run", "results"},
    "cli": BASE | {"commands", "(package)"},
    "__main__": {"cli"},
}
# of some rooms that a room may import, these files alone
ONLY_FILES: dict[tuple[str, str], set[str]] = {
    ("settings", "physics"): {"physics.point_group_names"},  # the names of point groups
}


def against_the_plan(imports: list[Import]) -> list[str]:
    """One line per import that the tables above do not allow."""
    found = []
    for one in imports:
        start, end = room_of(one.importer), room_of(one.imported)
        line = f"{one.importer}, line {one.line}, imports {one.imported}"
        if start == end:
            continue
        if end not in MAY_IMPORT.get(start, set()):
            found.append(f"{line}: {start} may import {', '.join(sorted(MAY_IMPORT.get(start, set()))) or 'nothing'}")
        elif (start, end) in ONLY_FILES and one.imported not in ONLY_FILES[start, end]:
            found.append(f"{line}: {start} may import {', '.join(sorted(ONLY_FILES[start, end]))} of {end}")
    return found


def made_package(folder: Path, files: dict[str, str]) -> Path:
    package = folder / "house"
    for name, text in files.items():
        path = package / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    return package


@pytest.fixture(scope="module")
def imports() -> list[Import]:
    return imports_of(PACKAGE)


def test_the_plan_itself_has_no_circle():
    assert set(TopologicalSorter(MAY_IMPORT).static_order()) == set(MAY_IMPORT)


def test_every_room_is_in_the_plan_and_no_other():
    assert {room_of(module) for module in module_paths(PACKAGE)} == set(MAY_IMPORT)


def test_no_import_goes_against_the_plan(imports: list[Import]):
    assert against_the_plan(imports) == []


def test_no_file_and_no_room_imports_itself_by_a_detour(imports: list[Import]):
    assert circles(file_arrows(imports)) == []
    assert circles(room_arrows(imports)) == []


def test_no_command_imports_another(imports: list[Import]):
    within = [one for one in imports if room_of(one.importer) == room_of(one.imported)]
    assert [one for one in within if room_of(one.importer) in {"after_run", "commands"}] == []


@pytest.mark.parametrize("folder", ["src", "benchmarks", "examples", "dev"])
def test_no_file_is_too_long(folder: str):
    lines = {path: len(path.read_text(encoding="utf-8").splitlines()) for path in (REPOSITORY / folder).rglob("*.py")}
    assert lines
    assert {str(path.relative_to(REPOSITORY)): count for path, count in lines.items() if count > MOST_LINES} == {}


def test_the_list_of_files_is_up_to_date():
    page = file_tree.PAGE.read_text(encoding="utf-8")
    assert page == file_tree.page_with(file_tree.listing(PACKAGE), page), "run python dev/file_tree.py"


def test_the_picture_is_up_to_date():
    drawn = flow_picture.described(flow_picture.drawn_arrows(PACKAGE))
    assert drawn in flow_picture.PICTURE.read_text(encoding="utf-8"), "run python dev/flow_picture.py"


@pytest.mark.parametrize(
    "page", [REPOSITORY / "README.md", *sorted((REPOSITORY / "docs").glob("*.md"))], ids=lambda page: page.name
)
def test_files_named_on_a_page_exist(page: Path):
    named = re.findall(r"`((?:\w+/)*\w+\.py)`", page.read_text(encoding="utf-8").split(file_tree.BEGIN)[0])
    folders = ("src", "tests", "dev", "benchmarks", "examples")
    files = [
        f"/{path.relative_to(REPOSITORY).as_posix()}" for one in folders for path in (REPOSITORY / one).rglob("*.py")
    ]
    assert [name for name in named if not any(file.endswith(f"/{name}") for file in files)] == []


def test_imports_are_found_wherever_they_stand(tmp_path: Path):
    package = made_package(
        tmp_path,
        {
            "__init__.py": "",
            "errors.py": "",
            "low/__init__.py": "",
            "low/a.py": "import numpy\nfrom house.errors import Oops\nfrom . import b",
            "low/b.py": "def f():\n    class C:\n        import house.high.c as c",
            "high/__init__.py": "from .c import x",
            "high/c.py": "if typing.TYPE_CHECKING:\n    from ..low.a import A\nelse:\n    from house import low",
        },
    )
    assert {(one.importer, one.imported, one.when) for one in imports_of(package)} == {
        ("low.a", "errors", "at once"),
        ("low.a", "low.b", "at once"),
        ("low.b", "high.c", "in a function"),
        ("high", "high.c", "at once"),
        ("high.c", "low.a", "for types"),
        ("high.c", "low", "at once"),
    }


def test_circles_are_what_one_comes_back_to():
    arrows = [("a", "b"), ("b", "c"), ("c", "a"), ("c", "d"), ("d", "e"), ("f", "g"), ("g", "f")]
    assert circles(arrows) == [["a", "b", "c"], ["f", "g"]]
    assert circles([]) == []
