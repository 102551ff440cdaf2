"""What a run was made with and what it took: versions of programs, and peak memory."""

from __future__ import annotations

import platform
import resource
import sys
from importlib import metadata

import torch


def peak_memory_gib() -> float:
    """The most memory that this process has had so far, in GiB."""
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak / (2**30 if sys.platform == "darwin" else 2**20)


def peak_gpu_memory_gib() -> float | None:
    """The most memory that tensors of this process have had on a GPU so far, in GiB; None if no GPU was used."""
    return torch.cuda.max_memory_allocated() / 2**30 if torch.cuda.is_initialized() else None


def versions() -> dict[str, str]:
    """The versions of Python, of CryoFIFA and of the installed packages that its numbers depend on, by name."""
    names = ("cryofifa", "torch", "numpy", "scipy", "mrcfile", "starfile")
    found = {name: metadata.version(name) for name in names if _installed(name)}
    return {"python": platform.python_version(), **found}


def _installed(name: str) -> bool:
    try:
        metadata.version(name)
    except metadata.PackageNotFoundError:
        return False
    return True
