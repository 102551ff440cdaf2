"""Which copies the encoder sees: the same for every particle, or turned by new random angles in every epoch."""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from jaxtyping import Float, Int
from torch import Tensor

from cryofifa.config import EncoderSettings
from cryofifa.particles.augment import Copies
from cryofifa.train.random_draws import RandomDraws

FIXED_TURNS = {"4x90": 4, "8x45": 8}


@dataclass(frozen=True)
class CopyChoice:
    """One per run; random copies depend on seed, epoch and particle alone."""

    fixed: Copies | None
    random_turns: int
    seed: int

    @classmethod
    def of_settings(cls, settings: EncoderSettings, seed: int, device: torch.device) -> CopyChoice:
        turns = FIXED_TURNS.get(settings.augmentation)
        return cls(None if turns is None else Copies.fixed(turns).to(device), settings.random_turns, seed)

    def copies(self, particle: Int[Tensor, " n"], epoch: int) -> Copies:
        """The copies of one minibatch's particles."""
        if self.fixed is not None:
            return self.fixed
        circle_share = RandomDraws(self.seed, "augmentation", epoch).uniform(particle, self.random_turns)
        return Copies.turned(2 * math.pi * circle_share)


@dataclass(frozen=True)
class CopiedImages:
    """Images as the encoder sees them, in every copy; interpolated once, the copies are made when asked for."""

    copies: Copies
    base: Float[Tensor, "n bases 2 y x"]

    @classmethod
    def of_channels(cls, copies: Copies, channels: Float[Tensor, "n 2 y x"]) -> CopiedImages:
        return cls(copies, copies.base_images(channels))

    def images(self, copy: Int[Tensor, "n picked"]) -> Float[Tensor, "n picked 2 y x"]:
        return self.copies.of_base(self.base, copy)
