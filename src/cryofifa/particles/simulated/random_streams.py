"""Random numbers of a simulated set: a stream for each ingredient, and within it one for each row.

So that an ingredient, or a row more, leaves all other numbers as they are, and so that images can be made in blocks.
"""

from enum import IntEnum

import numpy as np


class Stream(IntEnum):
    """What random numbers are for. Their values are part of what a seed means: they must stay."""

    PARTICLES = 0
    NOISE = 1
    JUNK = 2
    MICELLE = 3
    NEIGHBOURS = 4
    GRADIENT = 5
    VIEWS = 6
    IMAGING = 7
    MODELS = 8
    FRAGMENTS = 9


def generator_of(seed: int, stream: Stream, row: int | None = None) -> np.random.Generator:
    """The random numbers of a stream, or of one row of it."""
    return np.random.default_rng([seed, stream] if row is None else [seed, stream, row])
