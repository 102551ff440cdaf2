"""A checkpoint is what was written, or one line says what is wrong; one that is whole is never called damaged."""

import os
import resource
import signal
import subprocess
import sys
from pathlib import Path

import pytest
import torch

from cryofifa.errors import InputError
from cryofifa.run.checkpoint_file import read_checkpoint, write_checkpoint
from cryofifa.run.progress import read_run_state
from cryofifa.system.atomic_file import PART
from cryofifa_testkit.permissions import permissions_count

CPU = torch.device("cpu")
TENSORS = {
    "half": torch.tensor([1, 2, 1]),
    "posed": torch.tensor([True, False, True]),
    "rotation": torch.eye(3).repeat(3, 1, 1),
    "step": torch.tensor(4.0),
    "empty": torch.zeros(0, 3),
}


@pytest.fixture
def checkpoint(tmp_path: Path) -> Path:
    path = tmp_path / "state.safetensors"
    write_checkpoint(path, TENSORS, {"epoch": 3})
    return path


def test_a_checkpoint_survives_its_file(checkpoint: Path) -> None:
    tensors, progress = read_checkpoint(checkpoint, CPU)
    assert progress == {"epoch": 3}
    assert tensors.keys() == TENSORS.keys()
    assert all(torch.equal(tensors[name], TENSORS[name]) for name in TENSORS)


def test_no_byte_of_a_checkpoint_can_change_unseen(checkpoint: Path) -> None:
    content = checkpoint.read_bytes()
    unseen = []
    for where in range(len(content)):
        changed = bytearray(content)
        changed[where] ^= 1
        checkpoint.write_bytes(changed)
        try:
            tensors, progress = read_checkpoint(checkpoint, CPU)
        except InputError:
            continue
        if progress != {"epoch": 3} or any(not torch.equal(tensors[name], TENSORS[name]) for name in TENSORS):
            unseen.append(where)
    assert unseen == []


@pytest.mark.parametrize("progress", [{"epoch": 3}, {"config": {}, "plan": {}}, {"config": {"x": 1}}])
def test_a_checkpoint_of_another_version_is_named(checkpoint: Path, progress: dict) -> None:
    write_checkpoint(checkpoint, TENSORS, progress)
    with pytest.raises(InputError, match=r"state\.safetensors: "):
        read_run_state(checkpoint, CPU)


def test_a_checkpoint_that_may_not_be_read_is_not_called_damaged(checkpoint: Path) -> None:
    checkpoint.chmod(0)
    with permissions_count(), pytest.raises(InputError, match="Permission denied") as caught:
        read_checkpoint(checkpoint, CPU)
    assert "damaged" not in str(caught.value)
    assert "delete" not in str(caught.value)


def test_a_checkpoint_that_memory_has_no_room_for_is_not_called_damaged(tmp_path: Path) -> None:
    path = tmp_path / "large.safetensors"
    write_checkpoint(path, {"large": torch.zeros(50_000_000)}, {})
    taken = int(Path("/proc/self/statm").read_text().split()[0]) * resource.getpagesize()
    before = resource.getrlimit(resource.RLIMIT_AS)
    resource.setrlimit(resource.RLIMIT_AS, (taken + 100_000_000, before[1]))
    try:
        with pytest.raises(InputError, match="not enough memory") as caught:
            read_checkpoint(path, CPU)
    finally:
        resource.setrlimit(resource.RLIMIT_AS, before)
    assert "damaged" not in str(caught.value)
    assert read_checkpoint(path, CPU)[0]["large"].shape == (50_000_000,)


def test_others_may_read_a_checkpoint_as_far_as_the_users_mask_says(tmp_path: Path) -> None:
    before = os.umask(0o027)
    try:
        write_checkpoint(tmp_path / "state.safetensors", TENSORS, {})
    finally:
        os.umask(before)
    assert (tmp_path / "state.safetensors").stat().st_mode & 0o777 == 0o640


def test_a_kill_while_writing_leaves_only_files_that_are_known_as_temporary(tmp_path: Path) -> None:
    """Stopped within the write by a limit on the file's size, whose signal kills."""
    killed = f"""
import resource, signal, torch
from pathlib import Path
from cryofifa.run.checkpoint_file import write_checkpoint
signal.signal(signal.SIGXFSZ, signal.SIG_DFL)  # Python ignores it
resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
resource.setrlimit(resource.RLIMIT_FSIZE, (1000, 1000))
write_checkpoint(Path({str(tmp_path)!r}) / "state.safetensors", {{"a": torch.zeros(1000)}}, {{}})
"""
    assert subprocess.run([sys.executable, "-c", killed], check=False).returncode == -signal.SIGXFSZ
    (left,) = tmp_path.iterdir()
    assert PART.fullmatch(left.name)
