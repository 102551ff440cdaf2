"""Random numbers that depend only on (seed, purpose, epoch, particle), never on process state.

A counter-based generator (splitmix64, Steele et al. 2014) on int64 tensors: the same numbers on any device, in any
order of asking, for any number of processes, and after a restart.

The name of a purpose is part of what is drawn: with another name come other numbers, and a run other results. So a name
stays as it is when words elsewhere change, which is why some purposes have old names: "bank" and "polish bank" draw
orientation sets (ab initio, half-map refinement), "imagined" and "imagined corrections" draw synthetic particles.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

import torch
from jaxtyping import Float, Int
from torch import Tensor


def _signed(value: int) -> int:
    """A 64-bit constant as the signed integer torch holds."""
    value &= (1 << 64) - 1
    return value - (1 << 64) if value >= 1 << 63 else value


_STEP = _signed(0x9E3779B97F4A7C15)
_MULTIPLY_FIRST = _signed(0xBF58476D1CE4E5B9)
_MULTIPLY_SECOND = _signed(0x94D049BB133111EB)


def _shift_right(value: Tensor, bits: int) -> Tensor:
    return (value >> bits) & ((1 << (64 - bits)) - 1)


def _scramble(value: Tensor) -> Tensor:
    value = value + _STEP
    value = (value ^ _shift_right(value, 30)) * _MULTIPLY_FIRST
    value = (value ^ _shift_right(value, 27)) * _MULTIPLY_SECOND
    return value ^ _shift_right(value, 31)


@lru_cache(maxsize=256)
def _word_of(seed: int, purpose: str, epoch: int) -> int:
    """What the numbers of all particles begin with; cached, as on a GPU small operations cost as much as large ones."""
    word = torch.zeros((), dtype=torch.long)
    for part in (seed, *purpose.encode(), epoch):
        word = _scramble(word ^ part)
    return int(word)


@dataclass(frozen=True)
class RandomDraws:
    """The source of random numbers for one purpose in one epoch.

    Attributes:
        seed: of the run.
        purpose: a short name, which is part of what is drawn (see above).
        epoch: number of the epoch or iteration, from 0.
    """

    seed: int
    purpose: str
    epoch: int = 0

    def _words(self, particles: Int[Tensor, " n"], count: int) -> Int[Tensor, "n count"]:
        word = _scramble(_word_of(self.seed, self.purpose, self.epoch) ^ particles)
        return _scramble(word[:, None] + _STEP * torch.arange(1, count + 1, device=particles.device))

    def uniform(self, particles: Int[Tensor, " n"], count: int) -> Float[Tensor, "n count"]:
        """`count` numbers for each particle, uniform in (0, 1)."""
        # 23 bits and a half: what float32 holds exactly, so that neither 0 nor 1 ever comes out
        return (_shift_right(self._words(particles, count), 41).float() + 0.5) / (1 << 23)

    def normal(self, particles: Int[Tensor, " n"], count: int) -> Float[Tensor, "n count"]:
        """`count` numbers for each particle from the standard normal distribution."""
        # inverse of the normal distribution's cumulative function
        return torch.special.ndtri(self.uniform(particles, count).double()).float()

    def integers(self, particles: Int[Tensor, " n"], count: int, below: int) -> Int[Tensor, "n count"]:
        """`count` integers for each particle, uniform in 0 .. below - 1."""
        return (self.uniform(particles, count) * below).long().clamp_max(below - 1)

    def order(self, particles: Int[Tensor, " n"]) -> Int[Tensor, " n"]:
        """The same particles in a random order."""
        return particles[self._words(particles, 1)[:, 0].argsort(stable=True)]
