"""Sets too large for the machine are refused before anything of them is made."""

from pathlib import Path

import pytest

from cryofifa.errors import InputError
from cryofifa.particles.simulated.room import check_memory, check_room


def test_what_there_is_room_for_passes(tmp_path):
    check_room(tmp_path / "not" / "there" / "yet", 100, 32, 4, 1, 0.0)
    assert not (tmp_path / "not").exists()


@pytest.mark.parametrize(
    ("particles", "box", "word"), [(10**12, 64, "memory"), (10, 40_000, "memory"), (4_000_000, 512, "memory|disk")]
)
def test_what_there_is_none_for_is_refused(particles, box, word):
    with pytest.raises(InputError, match=word):
        check_room(Path("set"), particles, box, 4, 1, 0.3)


def test_the_message_says_how_much():
    with pytest.raises(InputError, match=r"volume would take 1e\+06 GiB of memory"):
        check_memory("volume", 10**6 * 2**30)
