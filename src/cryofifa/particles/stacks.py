"""Particle images, read from their MRC stacks when they are needed."""

import hashlib
import os
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import replace
from io import BufferedReader

import numpy as np
import torch
from jaxtyping import Float32, Int64, Num

from cryofifa.errors import InputError
from cryofifa.particles.byte_stacks import bytes_are_unsigned
from cryofifa.particles.files.table import ParticleTable
from cryofifa.particles.stack_header import StackHeader, read_stack_header

IMAGES_IN_PART = 64  # images that one thread reads in one go; our choice
LARGEST_PIXEL_SIZE_ERROR = 0.02  # calibrated pixel sizes differ by less from what headers have; our choice
LARGEST_PIXEL = 1e15  # the power of an image with larger values overflows 32-bit numbers


class ImageStacks:
    """Images of a particle table, read from the files each time, so that memory does not grow with the size of the set.

    May be sent to worker processes and read from several threads. Files are not mapped into memory: a mapped file that
    is cut short kills the process without a message.

    Args:
        table: the particles.

    Raises:
        InputError: if a stack is absent, unreadable, truncated, has another box than the particle file says of its
            images, or has fewer images than the table asks of it.
    """

    def __init__(self, table: ParticleTable) -> None:
        self.table = table
        self._headers: dict[int, StackHeader] = {}
        self._marks: dict[int, str] = {}
        self._states: dict[int, tuple[int, int]] = {}
        used = np.unique(table.stack_index)
        largest_frame = np.full(len(table.stack_paths), -1, dtype=np.int64)
        np.maximum.at(largest_frame, table.stack_index, table.frame_index)
        first_row = dict(zip(*np.unique(table.stack_index, return_index=True), strict=True))
        for stack in used.tolist():
            header = read_stack_header(table.stack_paths[stack])
            self._check(header, int(largest_frame[stack]), int(first_row[stack]))
            self._headers[stack] = header
            with self._opened(stack) as file:
                self._states[stack] = _state(file)
                if header.dtype.itemsize == 1 and bytes_are_unsigned(file, header):
                    self._headers[stack] = replace(header, dtype=np.dtype("u1"))
                self._marks[stack] = self._mark(stack, file)

    def box_sizes(self, rows: Int64[np.ndarray, " m"]) -> Int64[np.ndarray, " m"]:
        """Side in pixels of the square images of these 0-based rows, as their stacks have them."""
        of_stack = np.zeros(len(self.table.stack_paths), dtype=np.int64)
        for stack, header in self._headers.items():
            of_stack[stack] = header.box_size
        return of_stack[self.table.stack_index[rows]]

    def what_headers_contradict(self) -> list[str]:
        """One line each: stacks whose headers have another pixel size than the table, and stacks of unsigned bytes."""
        said, rows = [], np.unique(self.table.stack_index, return_index=True)[1]
        other = [
            (header, self.table.pixel_size_angstrom[row])
            for row in rows.tolist()
            if (header := self._headers[int(self.table.stack_index[row])]).pixel_size_angstrom is not None
            and abs(header.pixel_size_angstrom / self.table.pixel_size_angstrom[row] - 1) > LARGEST_PIXEL_SIZE_ERROR
        ]
        if other:
            header, pixel_size = other[0]
            said.append(
                f"{header.path}: pixels of {header.pixel_size_angstrom:.4g} A by its header, of {pixel_size:.4g} A by "
                f"{self.table.source_path}{_as_others(len(other))}: the latter is used; is it right?"
            )
        unsigned = [header for header in self._headers.values() if header.dtype == np.uint8]
        if unsigned:
            others = _as_others(len(unsigned))
            said.append(f"{unsigned[0].path}: its bytes (MRC mode 0) look unsigned{others}, and are read as such")
        return said

    def __len__(self) -> int:
        """The number of particles."""
        return len(self.table)

    def marks(self) -> dict[str, str]:
        """A mark of every stack in use, which tells it from another stack of the same name; by number and file name."""
        return {f"{stack} {self.table.stack_paths[stack].name}": mark for stack, mark in self._marks.items()}

    def read(self, rows: Int64[np.ndarray, " m"]) -> Float32[np.ndarray, "m box box"]:
        """Images of these 0-based rows of the table, in this order, times their contrast sign.

        All of these images must have one box.

        Raises:
            InputError: if an image holds NaN, infinity or values near it (names file and image, counted from 1), or
                a stack has been changed since it was first looked at.
        """
        return self._read(rows, self._checked)

    def read_unchecked(self, rows: Int64[np.ndarray, " m"]) -> Float32[np.ndarray, "m box box"]:
        """As `read`, whatever values the images hold: NaN and infinity too."""
        return self._read(rows, lambda images, _stack, _frames: images)

    def _read(
        self,
        rows: Int64[np.ndarray, " m"],
        check: Callable[[np.ndarray, int, np.ndarray], np.ndarray],
    ) -> Float32[np.ndarray, "m box box"]:
        rows = np.asarray(rows, dtype=np.int64)
        box_size = int(self.box_sizes(rows[:1])[0]) if len(rows) else self.table.box_size
        images = np.empty((len(rows), box_size, box_size), dtype=np.float32)
        stacks, frames = self.table.stack_index[rows], self.table.frame_index[rows]
        # Stack by stack and front to back, which is fastest on a disc.
        order = np.lexsort((frames, stacks))
        of_stacks = np.split(order, np.flatnonzero(np.diff(stacks[order])) + 1)
        parts = [
            part[first : first + IMAGES_IN_PART] for part in of_stacks for first in range(0, len(part), IMAGES_IN_PART)
        ]

        def read_part(part: Int64[np.ndarray, " some"]) -> None:
            stack = int(stacks[part[0]])
            with self._opened(stack) as file:
                self._check_unchanged(stack, file)
                read = self._frames(stack, file, frames[part]).astype(np.float32)
            images[part] = check(read, stack, frames[part])
            images[part] *= self.table.contrast_sign[rows[part]].astype(np.float32)[:, None, None]

        # threads help: most of the time goes into the conversion to float32, where they do not wait for each other
        with ThreadPoolExecutor(torch.get_num_threads()) as readers:
            list(readers.map(read_part, parts))
        return images

    def _checked(self, images: np.ndarray, stack: int, frames: np.ndarray) -> np.ndarray:
        """Images of one stack, checked for values that cannot be computed with."""
        usable = np.abs(images).max(axis=(1, 2)) < LARGEST_PIXEL
        if not usable.all():
            raise InputError(
                f"{self.table.stack_paths[stack]}: image {frames[~usable][0] + 1} (counted from 1) holds NaN, infinity "
                f"or more than {LARGEST_PIXEL:g}; leave the particle out with --ind or extract it again"
            )
        return images

    def _check(self, header: StackHeader, largest_frame: int, row: int) -> None:
        """Check that a stack has the box that the particle file says of its images, and enough of them.

        row: the first row of the table whose image lies in it.
        """
        stated = self.table.stated_box_size
        if stated is not None and stated[row] != header.box_size:
            raise InputError(
                f"{header.path}: images of {header.box_size} px, but {self.table.source_path} says {stated[row]} px "
                f"(particle row {self.table.row[row]}, counted from 0); the pixel size may be wrong, too: "
                "give the stack that belongs to the file, or correct the file"
            )
        if largest_frame >= header.n_frames:
            raise InputError(
                f"{header.path}: has {header.n_frames} images, but {self.table.source_path} asks for image "
                f"{largest_frame + 1} (counted from 1); is it the right stack?"
            )

    def _check_unchanged(self, stack: int, file: BufferedReader) -> None:
        """Check that a stack is still what it was; a new time stamp alone (a copy, touch) is no change."""
        state = _state(file)
        if state == self._states[stack]:
            return
        if self._mark(stack, file) != self._marks[stack]:
            raise self._changed(stack)
        self._states[stack] = state

    def _mark(self, stack: int, file: BufferedReader) -> str:
        """A hash of the file's size and its first and last image: hashing all would take as long as reading them."""
        ends = self._frames(stack, file, np.array([0, self._headers[stack].n_frames - 1]))
        return hashlib.sha256(f"{_state(file)[0]} ".encode() + ends.tobytes()).hexdigest()[:16]

    def _frames(
        self, stack: int, file: BufferedReader, frames: Int64[np.ndarray, " m"]
    ) -> Num[np.ndarray, "m box box"]:
        header = self._headers[stack]
        image_bytes = header.box_size**2 * header.dtype.itemsize
        raw = np.empty((len(frames), image_bytes), dtype=np.uint8)
        for image, frame in zip(raw, frames.tolist(), strict=True):
            file.seek(header.offset_bytes + frame * image_bytes)
            if file.readinto(image.data) != image_bytes:
                raise self._changed(stack)
        return raw.view(header.dtype).reshape(len(frames), header.box_size, header.box_size)

    @contextmanager
    def _opened(self, stack: int) -> Iterator[BufferedReader]:
        path = self._headers[stack].path
        try:
            with path.open("rb") as file:
                yield file
        except OSError as error:
            raise InputError(f"{path}: can no longer be read ({error.strerror or error})") from error

    def _changed(self, stack: int) -> InputError:
        return InputError(
            f"{self._headers[stack].path}: was changed while the run was reading it; put the old stack back and give "
            "the same command again, or start anew in another folder"
        )


def _as_others(count: int) -> str:
    return "" if count == 1 else f", as those of {count - 1} more stacks do"


def _state(file: BufferedReader) -> tuple[int, int]:
    """Size of the file in bytes, and the time of its last change."""
    found = os.fstat(file.fileno())
    return found.st_size, found.st_mtime_ns
