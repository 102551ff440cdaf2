"""A file appears whole or not at all."""

import os
from pathlib import Path

import pytest

from cryofifa.system.atomic_file import atomic_path


def fail_while_writing(path: Path) -> None:
    with atomic_path(path) as temporary:
        temporary.write_text("half")
        raise RuntimeError("disk full")


def test_the_file_takes_its_place_only_at_the_end(tmp_path: Path) -> None:
    path = tmp_path / "map.mrc.gz"
    path.write_bytes(b"old")
    with atomic_path(path) as temporary:
        assert temporary.parent == tmp_path
        assert temporary.name.endswith(".mrc.gz")
        temporary.write_bytes(b"new")
        assert path.read_bytes() == b"old"
    assert path.read_bytes() == b"new"
    assert list(tmp_path.iterdir()) == [path]


def test_a_failing_writer_leaves_the_old_file_and_nothing_else(tmp_path: Path) -> None:
    path = tmp_path / "particles.star"
    path.write_text("old")
    with pytest.raises(RuntimeError, match="disk full"):
        fail_while_writing(path)
    assert path.read_text() == "old"
    assert list(tmp_path.iterdir()) == [path]


def test_a_failing_first_write_leaves_nothing(tmp_path: Path) -> None:
    with pytest.raises(RuntimeError, match="disk full"):
        fail_while_writing(tmp_path / "particles.star")
    assert list(tmp_path.iterdir()) == []


def test_a_long_name_and_ordinary_permissions(tmp_path: Path) -> None:
    plain = tmp_path / "plain"
    plain.write_text("")
    path = tmp_path / ("n" * 250 + ".txt")
    with atomic_path(path) as temporary:
        temporary.write_text("")
    assert path.stat().st_mode == plain.stat().st_mode


def test_what_a_killed_program_left_of_the_same_file_goes_when_it_is_old(tmp_path: Path) -> None:
    """A younger one may still be written, and other files' are theirs."""
    old, young, other = (
        tmp_path / f".{name}.part.mrc" for name in ("a.mrc.00000000", "a.mrc.11111111", "b.mrc.00000000")
    )
    for path in (old, young, other):
        path.write_bytes(b"half")
    os.utime(old, (1, 1))
    os.utime(other, (1, 1))
    with atomic_path(tmp_path / "a.mrc") as temporary:
        temporary.write_bytes(b"whole")
    assert sorted(tmp_path.iterdir()) == sorted([young, other, tmp_path / "a.mrc"])
