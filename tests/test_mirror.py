"""A file of tests lies where what it tests lies: src/cryofifa/ROOM/X.py is tested by tests/ROOM/test_X.py.

A second file for one module is test_X_MORE.py; what a room promises as a whole is in tests/ROOM/test_ROOM_MORE.py. What
spans rooms, whole runs above all, is in tests/contracts; what is about the repository, in tests itself.
"""

from pathlib import Path

import pytest

TESTS = Path(__file__).resolve().parent
PACKAGE = TESTS.parent / "src" / "cryofifa"
OF_THE_REPOSITORY = {"conftest.py", "test_architecture.py", "test_mirror.py"}


def without_a_place(tests: Path, package: Path) -> list[str]:
    """Files of tests that are for no module, no folder and no room of the package, by their names and places."""
    found = []
    for path in sorted(tests.rglob("*.py")):
        file = path.relative_to(tests)
        if file.parts[0] == "contracts" or str(file) in OF_THE_REPOSITORY:
            continue
        room = package / file.parent
        names = {one.stem for one in room.iterdir() if one.suffix == ".py" or one.is_dir()} if room.is_dir() else set()
        words = file.stem.split("_")
        about = {"_".join(words[1:end]) for end in range(2, len(words) + 1)}
        if words[0] != "test" or not about & (names | {room.name}):
            found.append(str(file))
    return found


def test_every_file_of_tests_is_where_its_module_is() -> None:
    assert without_a_place(TESTS, PACKAGE) == []


@pytest.mark.parametrize(
    ("file", "right"),
    [
        ("room/test_wall.py", True),
        ("room/test_wall_with_a_window.py", True),
        ("room/test_cupboard.py", True),
        ("room/test_room_is_tidy.py", True),
        ("contracts/test_anything.py", True),
        ("conftest.py", True),
        ("room/test_walls.py", False),
        ("room/wall.py", False),
        ("other/test_wall.py", False),
        ("test_wall.py", False),
        ("room/conftest.py", False),
    ],
)
def test_places_are_told_apart(tmp_path: Path, file: str, right: bool) -> None:
    for made in (tmp_path / "package" / "room" / "wall.py", tmp_path / "package" / "room" / "cupboard" / "a.py"):
        made.parent.mkdir(parents=True, exist_ok=True)
        made.touch()
    path = tmp_path / "tests" / file
    path.parent.mkdir(parents=True)
    path.touch()
    assert without_a_place(tmp_path / "tests", tmp_path / "package") == ([] if right else [file])
