"""The device that a run computes on."""

from __future__ import annotations

import torch

from cryofifa.errors import InputError


def device_of(name: str) -> torch.device:
    """The torch device for the setting `--device`: cpu, cuda, or auto (cuda if there is one, else cpu).

    Raises:
        InputError: if cuda is asked for and torch finds no CUDA device.
    """
    if name == "cuda" and not torch.cuda.is_available():
        raise InputError("--device cuda: no CUDA device is available to torch; use --device cpu or auto")
    if name == "auto":
        name = "cuda" if torch.cuda.is_available() else "cpu"
    return torch.device(name)
