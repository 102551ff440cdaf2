"""Images that no statistics may see: blank, masked or damaged ones, found by a first look at every image of a run.

An image without noise around its particle would be divided by next to nothing when its background is made sd 1, and
one of them can outweigh a thousand particles. Pickers at the edges of micrographs and damaged files leave such images.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import Float32, Int64

from cryofifa.errors import InputError
from cryofifa.particles.preprocess import ParticleImages, background_pixels
from cryofifa.particles.stacks import LARGEST_PIXEL

MOST_SHARE = 0.5  # of all images: where more are unusable, something is wrong with the set as a whole
LEAST_SPREAD = 1e-6  # of the background, over the largest value: less is rounding
LEAST_OF_MEDIAN = 1e-5  # of the background's spread, over that of the set's median image: sets joined differ by 1e3
MOST_EQUAL = 0.75  # share of pixels that equal the one beside them: less is left of the micrograph; our choice
ROWS_NAMED = 20  # in a message; which others are meant, the files say

DAMAGED, BLANK, MOSTLY_BLANK, MASKED, NO_SIGNAL = (
    "NaN, infinity or values beyond 1e15",
    "blank",
    "blank in most pixels",
    "a constant background, as masked images have",
    "a CTF scale of 0",
)
WHAT_TO_DO = {MASKED: "extract the particles without a mask", NO_SIGNAL: "correct rlnCtfScalefactor or ctf/scale"}


@dataclass(frozen=True)
class UnusableImages:
    """The images that are left out, each with its fault.

    Attributes:
        of: how many images were looked at.
        rows: 0-based rows of the table, rising.
        fault: of each of them.
    """

    of: int
    rows: Int64[np.ndarray, " n"]
    fault: tuple[str, ...]

    def as_text(self, file_rows: Int64[np.ndarray, " all"]) -> str:
        """One line that says how many and which images cannot be used.

        file_rows: row in the particle file of every image that was looked at.
        """
        parts = []
        for fault in dict.fromkeys(self.fault):
            rows = file_rows[self.rows[[one == fault for one in self.fault]]]
            parts.append(f"{fault} in {named_rows(rows)}")
        return f"{len(self.rows)} of {self.of} images cannot be used (rows counted from 0): {'; '.join(parts)}"


def named_rows(rows: Int64[np.ndarray, " n"]) -> str:
    """These rows in words, ranges as 3-7; of many, the first ones."""
    breaks = np.flatnonzero(np.diff(rows) != 1) + 1
    runs = [f"{run[0]}" if len(run) == 1 else f"{run[0]}-{run[-1]}" for run in np.split(rows, breaks)]
    more = f" and {len(runs) - ROWS_NAMED} more" if len(runs) > ROWS_NAMED else ""
    return f"row{'s' * (len(rows) > 1)} {', '.join(runs[:ROWS_NAMED])}{more}"


def find_unusable(images: ParticleImages) -> UnusableImages:
    """Look at every image once.

    Raises:
        InputError: if more than half of the images are unusable, or a stack cannot be read.
    """
    count = len(images.table)
    fault = np.full(count, "", dtype=object)
    spread, equal = np.zeros(count), np.zeros(count)
    for rows, image in _as_stored(images):
        finite = np.isfinite(image).all(axis=(1, 2)) & (np.abs(image).max(axis=(1, 2)) < LARGEST_PIXEL)
        fault[rows[~finite]] = DAMAGED
        usable = torch.from_numpy(image[finite])
        largest = usable.abs().amax(dim=(1, 2)).clamp_min(1e-30)
        least = LEAST_SPREAD * largest
        varies = usable.std(dim=(1, 2)) > least
        background = background_pixels(usable).std(dim=1)
        spread[rows[finite]] = background.numpy()
        equal[rows[finite]] = (usable[:, :, 1:] == usable[:, :, :-1]).float().mean(dim=(1, 2)).numpy()
        fault[rows[finite][(background <= least).numpy()]] = MASKED
        fault[rows[finite][~varies.numpy()]] = BLANK
    good = fault == ""
    usual = float(np.median(spread[good])) if good.any() else 0.0
    fault[good & (spread < LEAST_OF_MEDIAN * usual)] = BLANK
    fault[(fault == "") & (equal > MOST_EQUAL)] = MOSTLY_BLANK
    fault[(fault == "") & (images.table.ctf_scale == 0)] = NO_SIGNAL
    rows = np.flatnonzero(fault != "")
    found = UnusableImages(count, rows, tuple(fault[rows]))
    if len(rows) > MOST_SHARE * count:
        usual_fault = max(set(found.fault), key=found.fault.count)
        raise InputError(
            f"{images.table.source_path}: {found.as_text(images.table.row)}; "
            + WHAT_TO_DO.get(usual_fault, "extract the particles again")
        )
    return found


def _as_stored(images: ParticleImages) -> Iterator[tuple[Int64[np.ndarray, " m"], Float32[np.ndarray, "m y x"]]]:
    """Rows and images as the stacks hold them, in blocks of one box."""
    everyone = np.arange(len(images.table))
    boxes = images.stacks.box_sizes(images.places(everyone))
    for box in np.unique(boxes):
        for rows in images.blocks(everyone[boxes == box]):
            yield rows, images.stacks.read_unchecked(images.places(rows))
