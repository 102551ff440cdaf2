"""Preprocessed images of a run, kept where there is room: in memory, in a scratch file, or not at all.

Images are 16-bit numbers wherever they are kept, and rounded to them where they are not, so that results do not depend
on where. Noise of sd 1 is rounded by less than a thousandth, and half of the memory is enough.
"""

from __future__ import annotations

import hashlib
import json
import os
import re
import time
import weakref
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import asdict, dataclass
from importlib.metadata import version
from pathlib import Path
from typing import Protocol, runtime_checkable

import numpy as np
import torch
from jaxtyping import Float, Int
from torch import Tensor

from cryofifa.errors import InputError
from cryofifa.particles.preprocess import Frame, ParticleImages
from cryofifa.system.atomic_file import ABANDONED_SECONDS, atomic_path, remove_parts
from cryofifa.system.memory import GIB, allowed_bytes, allowed_gpu_bytes

BYTES_PER_PIXEL = 2
LARGEST = 65504.0  # largest 16-bit number; brighter pixels of junk are cut off
GPU_SHARE = 0.5  # of the allowed GPU memory, for images; the rest is for the networks at work; our choice


@runtime_checkable
class KeptImages(Protocol):
    """The images of a list of particles, read by position in that list (from 0)."""

    @property
    def box_size(self) -> int:
        """Side of the images in pixels."""
        ...

    @property
    def device(self) -> torch.device:
        """The device that images are read to."""
        ...

    def read(self, position: Int[Tensor, " n"]) -> Float[Tensor, "n y x"]:
        """The images at these positions, in this order, as 32-bit numbers on `device`."""
        ...

    def announce(self, position: Int[Tensor, " n"]) -> None:
        """Say which positions are read next, so that a file can be read ahead."""
        ...


class ImagesInMemory:
    """Images kept in one tensor, in the machine's memory or the GPU's.

    image: 16-bit images.
    device: that images are read to; the tensor's own by default.
    """

    def __init__(self, image: Float[Tensor, "n y x"], device: torch.device | None = None) -> None:
        self._image, self.device, self.box_size = image, device or image.device, image.shape[-1]

    def read(self, position: Int[Tensor, " n"]) -> Float[Tensor, "n y x"]:
        """The images of these rows, as they are held in memory."""
        return self._image[position.to(self._image.device)].to(self.device).float()

    def announce(self, position: Int[Tensor, " n"]) -> None:
        """As in `KeptImages`; there is nothing to read ahead."""


class ImagesOnDisk:
    """Images kept in a scratch file, one after another.

    The file is read, not mapped: mapped memory counts as the process's own, and a mapped file that is cut short kills
    the process.
    """

    def __init__(self, path: Path, box_size: int, device: torch.device) -> None:
        self._path, self.box_size, self.device = path, box_size, device
        self._file = os.open(path, os.O_RDONLY)
        weakref.finalize(self, os.close, self._file)

    def read(self, position: Int[Tensor, " n"]) -> Float[Tensor, "n y x"]:
        """As in `KeptImages`.

        Raises:
            InputError: if the file has been cut short.
        """
        images = np.empty((len(position), self.box_size, self.box_size), dtype=np.float16)
        order, runs = self._runs(position)
        filled = 0
        for offset, count in runs:
            part = images[filled : filled + count].data
            if os.preadv(self._file, [part], offset) != part.nbytes:
                raise InputError(f"{self._path}: was cut short; delete it, and run the same command again")
            filled += count
        found = torch.empty(images.shape)
        found[order] = torch.from_numpy(images).float()
        return found.to(self.device)

    def announce(self, position: Int[Tensor, " n"]) -> None:
        """As in `KeptImages`: asks the system to read these parts of the file ahead."""
        if hasattr(os, "posix_fadvise"):  # not on macOS
            for offset, count in self._runs(position)[1]:
                size = count * self.box_size**2 * BYTES_PER_PIXEL
                os.posix_fadvise(self._file, offset, size, os.POSIX_FADV_WILLNEED)

    def _runs(self, position: Int[Tensor, " n"]) -> tuple[Int[Tensor, " n"], list[tuple[int, int]]]:
        """Positions sorted as in the file; of each run of consecutive images the offset in bytes and their number."""
        position = position.cpu()
        order = position.argsort()
        rising = position[order].numpy()
        starts = np.flatnonzero(np.diff(rising, prepend=-2) != 1)
        counts = np.diff(starts, append=len(rising))
        offsets = rising[starts] * (self.box_size**2 * BYTES_PER_PIXEL)
        return order, list(zip(offsets.tolist(), counts.tolist(), strict=True))


class ImagesInStacks:
    """Images that are kept nowhere: read from the stacks and preprocessed each time."""

    def __init__(self, images: ParticleImages, frame: Frame, rows: np.ndarray, device: torch.device) -> None:
        self._images, self._frame, self._rows = images, frame, rows
        self.box_size, self.device = frame.box_size, device

    def read(self, position: Int[Tensor, " n"]) -> Float[Tensor, "n y x"]:
        """As in `KeptImages`.

        Raises:
            InputError: if a stack has been changed or cannot be read.
        """
        image = self._images.in_frame(self._rows[position.cpu().numpy()], self._frame)
        return _as_16_bit(image).to(self.device).float()

    def announce(self, position: Int[Tensor, " n"]) -> None:
        """As in `KeptImages`; stacks are not read ahead."""


@dataclass(frozen=True)
class ImageCache:
    """A folder of scratch files that several runs may share; the least recently used ones give way to new ones.

    A file that another run still reads disappears only when that run has ended.

    folder: where the scratch files lie.
    limit_gib: how much they may take together.
    """

    NAME = re.compile(r"cryofifa-[0-9a-f]{40}\.float16")

    folder: Path
    limit_gib: float

    def file(self, images: ParticleImages, frame: Frame, rows: np.ndarray) -> Path | None:
        """The scratch file with these images, from an earlier run or written now; None if they exceed the limit.

        rows: of the table of `images`, in the order in which they are kept.

        Raises:
            InputError: if the folder cannot be written, or the disk is full.
        """
        size = image_bytes(frame, len(rows))
        if size > self.limit_gib * GIB:
            return None
        path = self.folder / f"cryofifa-{_fingerprint(images, frame, rows)}.float16"
        try:
            self.folder.mkdir(parents=True, exist_ok=True)
            if path.is_file() and path.stat().st_size == size:
                os.utime(path)
                return path
            self._make_room(size)
        except OSError as error:
            raise InputError(f"{self.folder}: cannot be used as --cache ({error.strerror}); give another") from None
        with atomic_path(path) as partial, partial.open("wb") as file:
            for block in _blocks(images, frame, rows):
                file.write(block.cpu().numpy().data)
        return path

    def _make_room(self, size: int) -> None:
        """Remove the least recently used files until `size` bytes more are within the limit."""
        remove_parts(self.folder, self.NAME, time.time() - ABANDONED_SECONDS)
        found = []
        for path in self.folder.iterdir():
            if self.NAME.fullmatch(path.name):
                with suppress(FileNotFoundError):  # another process makes room too
                    found.append((path, path.stat()))
        used = sum(state.st_size for _, state in found)
        for path, state in sorted(found, key=lambda one: one[1].st_mtime):
            if used + size <= self.limit_gib * GIB:
                break
            path.unlink(missing_ok=True)
            used -= state.st_size


@dataclass(frozen=True)
class Room:
    """Where the user allows images to be kept.

    memory_gib: memory that a process may take in all; None leaves it to what is free.
    cache: folder of scratch files, if there is one.
    """

    memory_gib: float | None = None
    cache: ImageCache | None = None

    @classmethod
    def of_settings(cls, memory_gib: float | None, cache_folder: str | None, cache_gib: float) -> Room:
        """memory_gib: most of what is free, if None; cache_gib: largest size of the folder of scratch files, if any."""
        return cls(memory_gib, None if cache_folder is None else ImageCache(Path(cache_folder), cache_gib))


def keep_images(
    images: ParticleImages,
    frame: Frame,
    rows: np.ndarray,
    device: torch.device,
    room: Room,
    besides_bytes: int,
    say: Callable[[str], None],
) -> KeptImages:
    """Preprocess the images of these rows and keep them where there is room: GPU, memory, scratch file, or nowhere.

    besides_bytes: memory that the run still needs for other things.
    say: is given one line for the log if they are not kept in memory.

    Raises:
        InputError: if a stack or the cache's folder is at fault.
    """
    size = image_bytes(frame, len(rows))
    if device.type == "cuda" and size <= GPU_SHARE * allowed_gpu_bytes(device, room.memory_gib):
        return ImagesInMemory(_all(images, frame, rows, device))
    if size <= allowed_bytes(room.memory_gib) - besides_bytes:
        return ImagesInMemory(_all(images, frame, rows, torch.device("cpu")), device)
    too_many = f"{len(rows)} images of {frame.box_size} px ({size / GIB:.1f} GiB) have no room in memory"
    path = None if room.cache is None else room.cache.file(images, frame, rows)
    if path is not None:
        say(f"{too_many}; kept in {path}")
        return ImagesOnDisk(path, frame.box_size, device)
    say(f"{too_many}; read from the stacks each time (--cache with --cache-gib over {size / GIB:.1f} is faster)")
    return ImagesInStacks(images, frame, rows, device)


def image_bytes(frame: Frame, count: int) -> int:
    """Bytes that `count` images of this frame take when kept."""
    return count * frame.box_size**2 * BYTES_PER_PIXEL


def _all(images: ParticleImages, frame: Frame, rows: np.ndarray, device: torch.device) -> Tensor:
    held = torch.empty(len(rows), frame.box_size, frame.box_size, dtype=torch.float16, device=device)
    filled = 0
    for block in _blocks(images, frame, rows):
        held[filled : filled + len(block)] = block
        filled += len(block)
    return held


def _blocks(images: ParticleImages, frame: Frame, rows: np.ndarray) -> Iterator[Tensor]:
    return (_as_16_bit(images.in_frame(block, frame)) for block in images.blocks(rows))


def _as_16_bit(image: Float[Tensor, "n y x"]) -> Float[Tensor, "n y x"]:
    return image.clamp(-LARGEST, LARGEST).half()


def _fingerprint(images: ParticleImages, frame: Frame, rows: np.ndarray) -> str:
    """A hash of everything that the images depend on, so that a scratch file is never mistaken for another one."""
    known = [version("cryofifa"), images.stacks.marks(), asdict(frame)]
    digest = hashlib.sha256(json.dumps(known).encode())
    table = images.table
    digest.update(table.source_path.read_bytes())
    # what the file may lack and the user has given is not in its bytes
    given = (table.voltage_kilovolt, table.spherical_aberration_millimetre, table.amplitude_contrast)
    for column in (table.row, table.contrast_sign, *given):
        digest.update(column[rows].tobytes())
    return digest.hexdigest()[:40]
