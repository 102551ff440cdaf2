"""FSC of two half maps inside a mask, corrected for the mask's own correlation (Chen et al. 2013).

Beyond the shell where the unmasked curve falls under 0.8, the phases of both halves are replaced by random ones. What
still correlates there inside the mask comes from the mask:

    FSC_corrected = (FSC_masked - FSC_randomised) / (1 - FSC_randomised)

used from two shells beyond that point on (RELION's post-processing); before it, the masked curve stands.

Before masking, each half's spherical mean is taken out. It does not depend on the poses, both halves of a nearly round
particle share it, and a mask spreads its low frequencies over all shells, where the correction then takes away too much
or too little. Measured on apoferritin, whose map agrees with its model to 8.9 A: 12.2 A with the mean and 8.6 A without
(LOG.md); gpcr 6.6 and 6.6, ribosome 14.4 and 14.5.

Halves that shared one model down to a shell agree up to there whatever they show, and through the mask also some shells
beyond. So phases are randomised beyond that shell at the earliest, and the correction then holds from the next one on.

Few points correlate by chance. Unrelated maps stay under three over the square root of a shell's independent points
(after van Heel and Schatz 2005): the resolution ends where the curve falls under 0.143 or under that. Imposed symmetry
leaves only one independent point of as many as the group has members: of images of apoferritin without any detail
beyond 15 A, halves with O came to 0.3 to 0.5 there, where chance reaches 0.6 and not 0.12.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import torch
from jaxtyping import Complex, Float
from torch import Tensor

from cryofifa.physics.fourier import fourier_3d, inverse_fourier_3d
from cryofifa.physics.shell_correlation import first_crossing_angstrom, fourier_shell_correlation
from cryofifa.physics.shells import shell_counts, shell_numbers
from cryofifa.physics.spherical_mean import without_spherical_mean
from cryofifa.results.fsc import in_mask

RANDOMISED_FROM_FSC = 0.8  # phases are randomised from where the FSC falls under this; Chen et al. 2013, as RELION
CHANCE_SD = 3.0  # standard deviations that chance may reach; after van Heel & Schatz 2005
# How often random phases are drawn; the curves are averaged. Measured on halves of 48 voxels that are alike up to
# shell 8 and noise of their own beyond, in spheres of 4, 8 and 14: with one draw, 11 of 120 pairs agree beyond shell 8;
# with four or more draws, 2 of 120 do (LOG.md).
RANDOMISATIONS = 4
SHELLS_AFTER = 2  # the first randomised shells still share their neighbours' phases through the mask; as RELION


@dataclass(frozen=True)
class MaskedFsc:
    """The FSC curves of two half maps, over shells 0 .. N//2 of the box.

    Attributes:
        unmasked: FSC of the halves as they are; the other curves are of the halves without their spherical means.
        masked: FSC inside the mask.
        randomised: FSC inside the mask, with random phases in the outer shells.
        corrected: the masked curve corrected for the mask's own correlation.
        chance: the level that unrelated maps stay under; 0 in the shells that the halves shared.
    """

    unmasked: Float[Tensor, " shells"]
    masked: Float[Tensor, " shells"]
    randomised: Float[Tensor, " shells"]
    corrected: Float[Tensor, " shells"]
    chance: Float[Tensor, " shells"]

    def resolution_angstrom(self, threshold: float, box_angstrom: float) -> float:
        """The resolution in angstrom where the corrected curve falls under the threshold or under the chance level."""
        return first_crossing_angstrom(self.corrected - self.chance.clamp_min(threshold), 0.0, box_angstrom)


def masked_fsc(
    half_1: Float[Tensor, "z y x"],
    half_2: Float[Tensor, "z y x"],
    mask: Float[Tensor, "z y x"],
    shared_shell: int = 0,
    seed: int = 0,
    members: int = 1,
) -> MaskedFsc:
    """The FSC curves of two half maps inside a mask; a mask that is 1 everywhere leaves nothing to correct.

    Args:
        half_1, half_2: the half maps, without any filter.
        mask: from 0 to 1.
        shared_shell: the last shell in which the halves shared one model.
        seed: of the random phases.
        members: number of members of the point group that was imposed on both.
    """
    unmasked = fourier_shell_correlation(half_1, half_2)
    masked, randomised, corrected = corrected_for_mask(
        half_1, half_2, mask, unmasked, fourier_shell_correlation, shared_shell, seed
    )
    return MaskedFsc(unmasked, masked, randomised, corrected, chance_level(mask, shared_shell, members))


def corrected_for_mask(
    half_1: Float[Tensor, "z y x"],
    half_2: Float[Tensor, "z y x"],
    mask: Float[Tensor, "z y x"],
    unmasked: Float[Tensor, " shells"],
    correlate: Callable[[Float[Tensor, "z y x"], Float[Tensor, "z y x"]], Float[Tensor, "*directions shells"]],
    shared_shell: int,
    seed: int,
    randomisations: int = RANDOMISATIONS,
) -> tuple[Float[Tensor, "*directions shells"], ...]:
    """Curves of two half maps inside a mask: as they are, with random phases, and corrected by these.

    Args:
        half_1, half_2, mask, shared_shell, seed: as of `masked_fsc`.
        unmasked: FSC of the halves as they are, which says from which shell on phases are randomised.
        correlate: what is computed of two masked maps: one curve, or one for each of several directions.
        randomisations: how often random phases are drawn.
    """
    half_1, half_2 = without_spherical_mean(half_1), without_spherical_mean(half_2)
    masked = correlate(in_mask(half_1, mask), in_mask(half_2, mask))
    under = (unmasked[1:] < RANDOMISED_FROM_FSC).nonzero()
    if len(under) == 0:
        return masked, torch.zeros_like(masked), masked
    fallen, unshared = 1 + int(under[0]), shared_shell + 1
    first = max(fallen, unshared)
    corrected_from = fallen + SHELLS_AFTER if fallen > unshared else unshared
    generator = torch.Generator().manual_seed(seed)
    total = torch.zeros_like(masked)
    for _ in range(randomisations):
        drawn = [with_random_phases(half, first, generator) for half in (half_1, half_2)]
        total += correlate(*(in_mask(half, mask) for half in drawn))
    randomised = total / randomisations
    share = randomised.clamp(0, 0.999)
    corrected = (masked - share) / (1 - share)
    shell = torch.arange(masked.shape[-1], device=masked.device)
    return masked, randomised, torch.where(shell < corrected_from, masked, corrected)


def chance_level(mask: Float[Tensor, "z y x"], shared_shell: int, members: int = 1) -> Float[Tensor, " shells"]:
    """The FSC that unrelated maps stay under: CHANCE_SD / sqrt(independent points); 0 up to the shared shell.

    White noise under a mask m keeps the share mean(m^2)^2 / mean(m^4) of the box's independent points; a shell, which
    is one point thick, keeps the part of it that belongs to two dimensions (power 2/3). With imposed symmetry, one of
    `members` points is independent.
    """
    size = mask.shape[-1]
    points = shell_counts(shell_numbers(size, 3, mask.device), size // 2 + 1)
    share = mask.square().mean().square() / mask.pow(4).mean().clamp_min(1e-20)
    level = CHANCE_SD * (members / (points * share ** (2 / 3)).clamp_min(1e-20)).sqrt()
    return torch.where(torch.arange(len(level), device=level.device) > shared_shell, level, 0)


def with_random_phases(
    volume: Float[Tensor, "z y x"], from_shell: int, generator: torch.Generator
) -> Float[Tensor, "z y x"]:
    """The map with random phases in Fourier shell `from_shell` and all beyond, and its own amplitudes.

    The phases are those of white noise, so they have the Hermitian symmetry of a real map.
    """
    noise = torch.randn(volume.shape, generator=generator).to(volume)
    transform, drawn = fourier_3d(volume), fourier_3d(noise)
    beyond = shell_numbers(volume.shape[-1], 3, volume.device) >= from_shell
    return inverse_fourier_3d(torch.where(beyond, _with_phases_of(transform, drawn), transform))


def _with_phases_of(transform: Complex[Tensor, "z y x"], other: Complex[Tensor, "z y x"]) -> Complex[Tensor, "z y x"]:
    """The amplitudes of one transform with the phases of the other."""
    return transform.abs() * other / other.abs().clamp_min(1e-20)
