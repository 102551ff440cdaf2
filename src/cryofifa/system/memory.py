"""How much memory a run may take: what the user allows, or most of what is free."""

from __future__ import annotations

import errno
import os
from collections.abc import Iterator
from pathlib import Path

import psutil
import torch

from cryofifa.errors import InputError

FREE_SHARE = 0.7  # of the free memory, at most; the rest is for other programs and for errors of estimates
GIB = 2**30
OUT_OF_MEMORY = ("can't allocate memory", "Cannot allocate memory", "can't start new thread")  # in messages
CGROUPS = Path("/sys/fs/cgroup")


def allowed_bytes(limit_gib: float | None) -> int:
    """Bytes that this process may still take of the machine's memory.

    limit_gib: the limit of this process in all. Without one it may take most of what is free, divided by the number of
        processes of the run on this machine.
    """
    text = os.environ.get("LOCAL_WORLD_SIZE", "1")  # a process alone may have any value there
    free = int(FREE_SHARE * free_bytes() / max(1, int(text) if text.isdecimal() else 1))
    if limit_gib is None:
        return free
    return min(free, max(0, int(limit_gib * GIB) - psutil.Process().memory_info().rss))


def allowed_bytes_on(device: torch.device, limit_gib: float | None) -> int:
    """Bytes that this process may still take on its device: of the GPU's memory, or of the machine's."""
    return allowed_gpu_bytes(device, limit_gib) if device.type == "cuda" else allowed_bytes(limit_gib)


def allowed_gpu_bytes(device: torch.device, limit_gib: float | None) -> int:
    """Bytes that this process may still take of the GPU's memory; `limit_gib` as in `allowed_bytes`."""
    free, _ = torch.cuda.mem_get_info(device)
    # memory that torch holds in reserve is free for torch
    reserve = torch.cuda.memory_reserved(device) - torch.cuda.memory_allocated(device)
    allowed = int(FREE_SHARE * (free + reserve))
    if limit_gib is None:
        return allowed
    return min(allowed, max(0, int(limit_gib * GIB) - torch.cuda.memory_allocated(device)))


def check_room(needed_bytes: float, what: str) -> None:
    """Check that the machine has room for what is about to be made, before it is made.

    what: what takes the memory, as the beginning of a sentence.

    Raises:
        InputError: if it has not.
    """
    free = allowed_bytes(None)
    if needed_bytes > free:
        raise InputError(
            f"{what} takes about {needed_bytes / GIB:.3g} GiB of memory, and {free / GIB:.3g} GiB may be used; make it "
            "smaller, or use a machine with more"
        )


def is_out_of_memory(error: Exception) -> bool:
    """Whether an error means that memory was not enough, for a tensor or for the stack of a thread."""
    if isinstance(error, (MemoryError, torch.OutOfMemoryError)) or getattr(error, "errno", None) == errno.ENOMEM:
        return True
    # on a CPU torch raises a plain RuntimeError, the second one where a file is mapped
    return any(words in str(error) for words in OUT_OF_MEMORY)


def free_bytes(cgroups: Path = CGROUPS, membership: Path = Path("/proc/self/cgroup")) -> int:
    """Bytes free on this machine, or in the container or batch job that this process runs in (its control group).

    cgroups: the folder of Linux's control groups.
    membership: the file that lists the groups this process is in.
    """
    return min([psutil.virtual_memory().available, *_left_in_groups(cgroups, membership)])


def _left_in_groups(cgroups: Path, membership: Path) -> Iterator[int]:
    """What every control group that this process is in still allows, those above it included."""
    try:
        lines = membership.read_text().splitlines()
    except OSError:  # not Linux
        return
    for line in lines:
        _, controllers, name = line.split(":", 2)
        if controllers == "":  # version 2
            root, files = cgroups, ("memory.max", "memory.current", "inactive_file")
        elif controllers == "memory":  # version 1
            root, files = cgroups / "memory", ("memory.limit_in_bytes", "memory.usage_in_bytes", "total_inactive_file")
        else:
            continue
        group = root / name.strip("/")
        # any group above may have a limit too; a container may see its own group as the root
        for folder in (group, *group.parents):
            if folder.is_relative_to(root) and (left := _left_in_group(folder, *files)) is not None:
                yield left


def _left_in_group(folder: Path, limit_file: str, used_file: str, cached_name: str) -> int | None:
    """What one control group still allows; None if it has no limit."""
    try:
        limit, used = (folder / limit_file).read_text().strip(), int((folder / used_file).read_text())
        statistics = dict(line.split() for line in (folder / "memory.stat").read_text().splitlines())
        cached = int(statistics.get(cached_name, "0"))  # the page cache is given up when memory is needed
        return None if limit == "max" else max(0, int(limit) - used + cached)
    except (OSError, ValueError):
        return None
