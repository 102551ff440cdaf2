"""FSC of two half maps inside a mask, with what the mask itself correlates taken out (Chen et al. 2013).

Beyond the shell where the unmasked curve falls under 0.8, the phases of both halves are drawn at random. What
correlates there inside the mask all the same is the mask's doing:

    FSC_corrected = (FSC_masked - FSC_randomised) / (1 - FSC_randomised)

used from two shells beyond that point on (RELION's post-processing); before, the masked curve stands.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from jaxtyping import Complex, Float
from torch import Tensor

from cryofifa.physics.fourier import fourier_3d, inverse_fourier_3d
from cryofifa.physics.mask import distance_from_centre
from cryofifa.results.fsc import fourier_shell_correlation, in_mask

RANDOMISED_FROM_FSC = 0.8  # Chen et al. 2013; RELION's default
SHELLS_AFTER = 2  # the first randomised shells still share their neighbours' phases through the mask; RELION


@dataclass(frozen=True)
class MaskedFsc:
    """Curves over shells 0 .. N//2 of the box."""

    unmasked: Float[Tensor, " shells"]
    masked: Float[Tensor, " shells"]
    randomised: Float[Tensor, " shells"]
    corrected: Float[Tensor, " shells"]


def masked_fsc(
    half_1: Float[Tensor, "z y x"], half_2: Float[Tensor, "z y x"], mask: Float[Tensor, "z y x"], seed: int = 0
) -> MaskedFsc:
    """The four curves of two half maps; a mask that is 1 everywhere leaves nothing to correct."""
    unmasked = fourier_shell_correlation(half_1, half_2)
    masked = fourier_shell_correlation(in_mask(half_1, mask), in_mask(half_2, mask))
    under = (unmasked[1:] < RANDOMISED_FROM_FSC).nonzero()
    if len(under) == 0:
        return MaskedFsc(unmasked, masked, torch.zeros_like(masked), masked)
    first = 1 + int(under[0])
    generator = torch.Generator().manual_seed(seed)
    without = [in_mask(with_random_phases(half, first, generator), mask) for half in (half_1, half_2)]
    randomised = fourier_shell_correlation(*without)
    share = randomised.clamp(0, 0.999)
    corrected = (masked - share) / (1 - share)
    shell = torch.arange(len(masked), device=masked.device)
    return MaskedFsc(unmasked, masked, randomised, torch.where(shell < first + SHELLS_AFTER, masked, corrected))


def with_random_phases(
    volume: Float[Tensor, "z y x"], from_shell: int, generator: torch.Generator
) -> Float[Tensor, "z y x"]:
    """The map with the phases of these shells and all beyond drawn anew, its amplitudes kept.

    The phases are those of white noise, which have the symmetry of a real map.
    """
    noise = torch.randn(volume.shape, generator=generator).to(volume)
    transform, drawn = fourier_3d(volume), fourier_3d(noise)
    beyond = distance_from_centre(volume.shape[-1], 3, volume.device).round() >= from_shell
    return inverse_fourier_3d(torch.where(beyond, _with_phases_of(transform, drawn), transform))


def _with_phases_of(transform: Complex[Tensor, "z y x"], other: Complex[Tensor, "z y x"]) -> Complex[Tensor, "z y x"]:
    return transform.abs() * other / other.abs().clamp_min(1e-20)
