"""Align one map to another: rotate it, shift it and, where the hand is wrong, mirror it.

    aligned(x) = V'(Q x + e),      V'(x, y, z) = V(x, y, -z) if mirrored else V
    F_aligned(k) = F_V'(Q k) exp(+2 pi i Q k . e)

Both maps are whitened per shell, so what is maximised is a weighted sum of the FSC over shells.  A coarse search over
all rotations (shifts by FFT) on the innermost shells is followed by Gauss-Newton on more and more shells.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor

from cryofifa.errors import InputError
from cryofifa.physics.central_slice import FourierGrid
from cryofifa.physics.resample import resample_volume
from cryofifa.physics.rotations import rotation_from_uniform
from cryofifa.physics.symmetry_average import mean_of_turned
from cryofifa.results.fourier_fit import FourierFit
from cryofifa.results.fsc import in_soft_sphere

_SMALLEST_BOX = 8  # voxels; fewer show no orientation
_COARSE_RADIUS = 8  # Fourier pixels; neighbouring rotations differ by two thirds of a period at this radius
_COARSE_ROTATIONS = 4096  # rotations about 15 degrees apart
_KEPT_PER_HAND = (12, 3)  # placements kept after the coarse search, and after the first refinement
_SEARCH_MASK_SHARE = 0.48  # radius of the soft sphere around both maps, as a share of the box

_FINALIST_SHARE = 0.7  # placements with less than this share of the best score are not refined on all shells
_FINER_POINTS = 2500  # a random subset ranks rotations well enough
_CENTRE_VOTERS = 50  # best placements of the coarse search, whose median says where the centre is


@dataclass(frozen=True)
class AlignedVolume:
    """The aligned volume, on the reference's grid and in its frame, and how it was placed.

    Attributes:
        volume: the aligned volume.
        mirrored: whether the volume was mirrored in z first.
        rotation_reference_to_volume: Q of the formula above, acting on (x, y, z) columns.
        shift_angstrom: e (x, y, z), where the reference's origin lies in the (mirrored) volume.
        correlation: Pearson's correlation of both maps under a soft sphere of radius 0.48 box.
    """

    volume: Float[Tensor, "z y x"]
    mirrored: bool
    rotation_reference_to_volume: Float[Tensor, "3 3"]
    shift_angstrom: Float[Tensor, " 3"]
    correlation: float


def align_volumes(
    volume: Float[Tensor, "z y x"],
    pixel_size_angstrom: float,
    reference: Float[Tensor, "z2 y2 x2"],
    reference_pixel_size_angstrom: float,
    *,
    initial: Sequence[tuple[bool, Float[Tensor, "3 3"]]] | None = None,
) -> AlignedVolume:
    """Align `volume` to `reference` over all rotations, shifts and both hands.

    Args:
        volume: the map to align.
        pixel_size_angstrom: of that map.
        reference: the map to align it to; boxes and pixel sizes may differ.
        reference_pixel_size_angstrom: of the reference.
        initial: pairs (mirrored, rotation_reference_to_volume) to start from instead of the search over all rotations
            and both hands; they may be off by some 10 degrees. Shifts are always searched.

    Raises:
        InputError: if a map has less than 8 voxels across or is constant, or the fields of view differ by more than a
            factor of two.
    """
    size = reference.shape[-1]
    smallest = min(size, volume.shape[-1])
    if smallest < _SMALLEST_BOX:
        raise InputError(f"a map to align is {smallest} voxels across; it needs {_SMALLEST_BOX} at least")
    field, reference_field = volume.shape[-1] * pixel_size_angstrom, size * reference_pixel_size_angstrom
    if not 0.5 <= field / reference_field <= 2.0:
        raise InputError(
            f"the map is {field:.0f} angstrom wide and the reference {reference_field:.0f}; "
            "they cannot show the same particle: check the voxel sizes of both"
        )
    volume = resample_volume(volume.float(), pixel_size_angstrom, reference_pixel_size_angstrom, size)
    masked = in_soft_sphere(reference.float(), _SEARCH_MASK_SHARE)
    if not (float(volume.std()) > 0 and float(masked.std()) > 0):
        raise InputError("a map to align is constant: there is nothing to align")
    target = FourierGrid.from_volume(masked, size // 2)
    # The other hand is the mirror image: voxel N//2 + z goes to N//2 - z.
    moving = {hand: _grid(mirror_z(volume) if hand else volume) for hand in (False, True)}

    if initial is None:
        rotations = rotation_from_uniform(
            torch.quasirandom.SobolEngine(3).draw(_COARSE_ROTATIONS).clamp(1e-6, 1 - 1e-6)
        )
        by_hand = {False: rotations, True: rotations}
    else:
        by_hand = {
            hand: torch.stack([rotation.float() for mirrored, rotation in initial if mirrored == hand])
            for hand in {mirrored for mirrored, _ in initial}
        }
    last_radius = size // 2 - 1
    radii = [radius for radius in (1.5 * _COARSE_RADIUS, 2.25 * _COARSE_RADIUS) if radius < last_radius]
    finalists = []
    for hand, rotations in by_hand.items():
        coarse = FourierFit(moving[hand], target, size, min(_COARSE_RADIUS, last_radius))
        ranked = coarse.search(hand, rotations)
        refined = sorted((coarse.refined(p) for p in ranked[: _KEPT_PER_HAND[0]]), key=lambda p: -p.score)
        placements = refined[: _KEPT_PER_HAND[1]]
        if initial is None and radii:
            # The orientation of a round particle shows in finer detail only; its centre is known by now.
            finer = FourierFit(moving[hand], target, size, radii[-1], _FINER_POINTS)
            centres = torch.stack([p.rotation @ p.shift_voxel for p in ranked[:_CENTRE_VOTERS]])
            centre = centres.median(dim=0).values
            placements += finer.ranked(hand, rotations, centre)[: _KEPT_PER_HAND[0]]
        for radius in radii:
            comparison = FourierFit(moving[hand], target, size, radius)
            refined = sorted((comparison.refined(p) for p in placements), key=lambda p: -p.score)
            placements = refined[: _KEPT_PER_HAND[1]]
        finalists.append(placements[0])
    # All shells decide, but only between finalists that are close.
    best_score = max(placement.score for placement in finalists)
    finished = []
    for placement in finalists:
        # maps that have nothing in common may correlate negatively everywhere
        if placement.score < best_score - (1 - _FINALIST_SHARE) * abs(best_score):
            continue
        comparison = FourierFit(moving[placement.mirrored], target, size, last_radius)
        # Twice, because the second time weighs the shells by the FSC that the first time has reached.
        finished.append(comparison.refined(comparison.refined(placement)))
    best = max(finished, key=lambda p: p.score)
    whole = mirror_z(volume) if best.mirrored else volume
    shift = best.rotation @ best.shift_voxel
    aligned = turned_volume(whole, best.rotation, shift)
    a, b = in_soft_sphere(aligned, _SEARCH_MASK_SHARE), masked
    correlation = torch.corrcoef(torch.stack([a.flatten(), b.flatten()]))[0, 1]
    return AlignedVolume(
        aligned,
        best.mirrored,
        best.rotation,
        shift * reference_pixel_size_angstrom,
        float(correlation),
    )


def mirror_z(volume: Float[Tensor, "z y x"]) -> Float[Tensor, "z y x"]:
    """The mirror image V'(x, y, z) = V(x, y, -z) about the origin N//2; in an even box the first plane stays."""
    flipped = volume.flip(0)
    return flipped.roll(1, 0) if volume.shape[0] % 2 == 0 else flipped


def turned_volume(
    volume: Float[Tensor, "z y x"], rotation: Float[Tensor, "3 3"], shift_voxel: Float[Tensor, " 3"]
) -> Float[Tensor, "z y x"]:
    """The volume V(Q x + e), up to the Nyquist shell; x and the shift e are (x, y, z) in voxels, from N//2."""
    return mean_of_turned(volume, rotation[None], shift_voxel)


def _grid(volume: Tensor) -> FourierGrid:
    return FourierGrid.from_volume(in_soft_sphere(volume, _SEARCH_MASK_SHARE), volume.shape[-1] // 2)
