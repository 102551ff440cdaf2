"""What every test of particle files finds in its folder."""

from pathlib import Path

import pytest

from cryofifa_testkit.particle_files import write_stack


@pytest.fixture(autouse=True)
def stack(tmp_path: Path) -> Path:
    """The stack that the tests' particle files name."""
    return write_stack(tmp_path / "stack.mrcs")
