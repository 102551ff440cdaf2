"""Particle images, read from their MRC stacks when they are needed."""

import threading
from collections import OrderedDict

import numpy as np
from jaxtyping import Float32, Int64

from cryofifa.errors import InputError
from cryofifa.particles.stack_header import StackHeader, read_stack_header
from cryofifa.particles.table import ParticleTable

# Each open map holds a file handle; systems allow 256 to 1,024 of them, and sets have thousands of stacks.
MOST_OPEN_MAPS = 64
LARGEST_PIXEL = 1e15  # the power of an image of larger ones is no 32-bit number


class ImageStacks:
    """Images of a particle table, memory-mapped: memory does not grow with the size of the set.

    May be sent to worker processes (open maps stay behind) and read from several threads.

    Args:
        table: the particles.
        most_open_maps: how many stacks are kept open at once.

    Raises:
        InputError: if a stack is absent, unreadable, truncated, has another box than the table, or has fewer
            images than the table asks of it.
    """

    def __init__(self, table: ParticleTable, most_open_maps: int = MOST_OPEN_MAPS) -> None:
        self.table = table
        self.most_open_maps = most_open_maps
        self._headers: dict[int, StackHeader] = {}
        used = np.unique(table.stack_index)
        largest_frame = np.full(len(table.stack_paths), -1, dtype=np.int64)
        np.maximum.at(largest_frame, table.stack_index, table.frame_index)
        for stack in used.tolist():
            header = read_stack_header(table.stack_paths[stack])
            self._check(header, int(largest_frame[stack]))
            self._headers[stack] = header
        self._open_maps: OrderedDict[int, np.memmap] = OrderedDict()
        self._lock = threading.Lock()

    @property
    def box_size(self) -> int:
        """Side of the images in pixels."""
        return self.table.box_size

    def __len__(self) -> int:
        return len(self.table)

    def __getstate__(self) -> dict:
        state = {name: value for name, value in self.__dict__.items() if name != "_lock"}
        return state | {"_open_maps": OrderedDict()}

    def __setstate__(self, state: dict) -> None:
        self.__dict__ |= state
        self._lock = threading.Lock()

    def read(self, rows: Int64[np.ndarray, " m"]) -> Float32[np.ndarray, "m box box"]:
        """Images of these 0-based rows of the table, in this order, times their contrast sign.

        Raises:
            InputError: if an image holds NaN, infinity or numbers near it; names file and image, counted from 1.
        """
        rows = np.asarray(rows, dtype=np.int64)
        images = np.empty((len(rows), self.box_size, self.box_size), dtype=np.float32)
        stacks, frames = self.table.stack_index[rows], self.table.frame_index[rows]
        # Stack by stack and front to back, as a disc likes it.
        order = np.lexsort((frames, stacks))
        for part in np.split(order, np.flatnonzero(np.diff(stacks[order])) + 1):
            if part.size == 0:
                continue
            stack = int(stacks[part[0]])
            read = self._map(stack)[frames[part]].astype(np.float32)
            usable = np.abs(read).max(axis=(1, 2)) < LARGEST_PIXEL
            if not usable.all():
                raise InputError(
                    f"{self.table.stack_paths[stack]}: image {frames[part][~usable][0] + 1} (counted from 1) "
                    f"holds NaN, infinity or more than {LARGEST_PIXEL:g}; leave the particle out with --ind or extract "
                    "it again"
                )
            images[part] = read
        images *= self.table.contrast_sign[rows].astype(np.float32)[:, None, None]
        return images

    def _check(self, header: StackHeader, largest_frame: int) -> None:
        if header.box_size != self.box_size:
            first = next(iter(self._headers.values()), None)
            beside = self.table.source_path if first is None else first.path
            raise InputError(
                f"{header.path}: images of {header.box_size} pixels, but {beside} has {self.box_size}; "
                "all particles need one box size: extract them again"
            )
        if largest_frame >= header.n_frames:
            raise InputError(
                f"{header.path}: has {header.n_frames} images, but {self.table.source_path} asks for image "
                f"{largest_frame + 1} (counted from 1); is it the right stack?"
            )

    def _map(self, stack: int) -> np.memmap:
        with self._lock:
            if stack in self._open_maps:
                self._open_maps.move_to_end(stack)
                return self._open_maps[stack]
            while len(self._open_maps) >= self.most_open_maps:
                self._open_maps.popitem(last=False)
            header = self._headers[stack]
            shape = (header.n_frames, header.box_size, header.box_size)
            try:
                mapped = np.memmap(header.path, header.dtype, "r", header.offset_bytes, shape)
            except (OSError, ValueError) as error:
                raise InputError(f"{header.path}: can no longer be read ({error})") from error
            self._open_maps[stack] = mapped
            return mapped
