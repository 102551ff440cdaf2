"""A checkpoint on disk: tensors by name and what JSON can hold, in one file with a checksum."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save
from torch import Tensor

from cryofifa.errors import InputError
from cryofifa.system.atomic_file import atomic_path
from cryofifa.system.memory import is_out_of_memory


def write_checkpoint(path: Path, tensors: dict[str, Tensor], progress: dict[str, Any]) -> None:
    """Write all tensors of a run and its progress to one file, with a checksum.

    Args:
        path: the file (safetensors); an older one stays until the new one is complete.
        tensors: tensors by name.
        progress: what JSON can hold.

    Raises:
        InputError: if the disk is full or the folder cannot be written; the older checkpoint stays.
    """
    with atomic_path(path) as temporary:
        plain = {name: tensor.detach().contiguous().cpu() for name, tensor in tensors.items()}
        text = json.dumps(progress)
        # save_file writes to a file of its own naming, which nobody but the owner may read, and which a kill leaves
        temporary.write_bytes(save(plain, metadata={"progress": text, "sha256": _sha256(plain, text)}))


def read_checkpoint(path: Path, device: torch.device) -> tuple[dict[str, Tensor], dict[str, Any]]:
    """The tensors, on a device, and the progress that `write_checkpoint` wrote.

    Raises:
        InputError: if the file is damaged, or cannot be read now.
    """
    try:
        with path.open("rb"):  # which says why, where safetensors says of any file that it is absent
            pass
        with safe_open(path, framework="pt", device="cpu") as file:
            metadata = file.metadata() or {}
            tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
        if metadata["sha256"] != _sha256(tensors, metadata["progress"]):
            raise ValueError("its checksum is another")
        return {name: tensor.to(device) for name, tensor in tensors.items()}, json.loads(metadata["progress"])
    except (OSError, SafetensorError, KeyError, ValueError, MemoryError, RuntimeError) as error:
        if is_out_of_memory(error):
            raise InputError(
                f"{path}: there is not enough memory to read this checkpoint; give the same command where there is more"
            ) from None
        if isinstance(error, OSError) and error.errno is not None:
            raise InputError(
                f"{path}: this checkpoint cannot be read now ({error.strerror}); it may well be whole: make it "
                "readable, and give the same command again"
            ) from None
        if isinstance(error, RuntimeError) and not isinstance(error, RecursionError):
            raise
        raise InputError(
            f"{path}: this checkpoint is damaged ({error}); delete it, and the run begins anew with the same command"
        ) from None


def _sha256(tensors: dict[str, Tensor], progress: str) -> str:
    """Checksum of all that a checkpoint holds; without it a single wrong bit would become a wrong result."""
    digest = hashlib.sha256(progress.encode())
    for name, tensor in sorted(tensors.items()):
        digest.update(f"{name} {tensor.dtype} {tuple(tensor.shape)}".encode())
        digest.update(tensor.flatten().view(torch.uint8).numpy().data)
    return digest.hexdigest()
