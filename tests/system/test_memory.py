"""What a process may take: the least of what the machine, its control groups and the user leave it."""

from pathlib import Path

import psutil
import pytest

from cryofifa.system.memory import FREE_SHARE, GIB, allowed_bytes, free_bytes

MIB = 2**20  # small, so that the machine itself has more


def control_group(folder: Path, limit: int | str, used: int, cached: int, version: int = 2) -> None:
    names = {1: ("memory.limit_in_bytes", "memory.usage_in_bytes", "total_inactive_file")}
    limit_file, used_file, cached_name = names.get(version, ("memory.max", "memory.current", "inactive_file"))
    folder.mkdir(parents=True, exist_ok=True)
    (folder / limit_file).write_text(f"{limit}\n")
    (folder / used_file).write_text(f"{used}\n")
    (folder / "memory.stat").write_text(f"anon 5\n{cached_name} {cached}\n")


@pytest.mark.parametrize(("version", "line", "root"), [(2, "0::/job/step", "."), (1, "4:memory:/job/step", "memory")])
def test_the_tightest_control_group_counts_and_cached_files_are_free(
    version: int, line: str, root: str, tmp_path: Path
):
    (tmp_path / "membership").write_text(f"7:blkio:/\n{line}\n")
    group = tmp_path / root / "job" / "step"
    control_group(group, "max" if version == 2 else 2**63 - 4096, 1 * MIB, 0, version)
    control_group(group.parent, 10 * MIB, 7 * MIB, 2 * MIB, version)
    assert free_bytes(tmp_path, tmp_path / "membership") == 5 * MIB
    control_group(group, 4 * MIB, 1 * MIB, 0, version)
    assert free_bytes(tmp_path, tmp_path / "membership") == 3 * MIB
    control_group(group, 4 * MIB, 9 * MIB, 0, version)
    assert free_bytes(tmp_path, tmp_path / "membership") == 0


def test_without_control_groups_the_machine_alone_counts(tmp_path: Path):
    free = free_bytes(tmp_path, tmp_path / "absent")
    assert free == pytest.approx(psutil.virtual_memory().available, rel=0.2)


def test_the_user_and_the_processes_beside_this_one_leave_less(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr("cryofifa.system.memory.free_bytes", lambda: 100 * GIB)
    monkeypatch.delenv("LOCAL_WORLD_SIZE", raising=False)
    assert allowed_bytes(None) == int(FREE_SHARE * 100 * GIB)
    monkeypatch.setenv("LOCAL_WORLD_SIZE", "4")
    assert allowed_bytes(None) == int(FREE_SHARE * 25 * GIB)
    used = psutil.Process().memory_info().rss
    assert allowed_bytes(used / GIB + 3) == pytest.approx(3 * GIB, rel=0.05)
    assert allowed_bytes(used / GIB / 2) == 0
    assert allowed_bytes(1000) == int(FREE_SHARE * 25 * GIB)
