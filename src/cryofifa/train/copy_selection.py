"""Poses by the encoder alone: its predictions on every copy of a particle, of which the decoder chooses the best."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from jaxtyping import Complex, Float, Int
from torch import Tensor

from cryofifa.model.pose_encoder import PoseEncoder
from cryofifa.particles.poses import Poses
from cryofifa.physics.central_slice import FourierGrid
from cryofifa.physics.fourier import HalfPlane
from cryofifa.physics.image_formation import form_image
from cryofifa.train.image_copies import CopiedImages


@dataclass(frozen=True)
class WinningCopies:
    """Which prediction won for each particle: from which copy, by which head, and the pose of the particle itself."""

    copy: Int[Tensor, "n 1"]
    head: Int[Tensor, " n"]
    poses: Poses


@torch.no_grad()
def predictions(
    encoder: PoseEncoder, seen: CopiedImages, copy: Int[Tensor, "n chosen"]
) -> tuple[Float[Tensor, "n candidates 3 3"], Float[Tensor, "n candidates 2"]]:
    """Rotations and shifts of the particles themselves, as predicted from some of their copies, without gradient.

    There is a candidate for every copy and head; those of the same copy lie side by side.

    Args:
        encoder: predicts one rotation per head, and one shift, from each copy.
        seen: the images as the encoder sees them.
        copy: which copies of each particle are looked at.
    """
    was_training = encoder.training
    encoder.eval()
    rotation, shift = encoder(seen.images(copy).flatten(0, 1))
    encoder.train(was_training)
    heads = rotation.shape[1]
    shift = shift.reshape(*copy.shape, 2).repeat_interleave(heads, 1)
    copy = copy.repeat_interleave(heads, 1)
    rotation = rotation.reshape(*copy.shape, 3, 3)
    return seen.copies.pose_of_image(rotation, copy), seen.copies.shift_of_image(shift, copy)


@torch.no_grad()
def best_of_copies(
    encoder: PoseEncoder,
    seen: CopiedImages,
    measured: Complex[Tensor, "n points"],
    ctf: Float[Tensor, "n points"],
    plane: HalfPlane,
    grid: FourierGrid,
) -> WinningCopies:
    """Predict poses from every copy, without gradient, and keep the one whose projection is nearest to the image.

    Args:
        encoder: predicts one rotation per head, and one shift, from each copy.
        seen: the images as the encoder sees them.
        measured: FT(M_R * X) / box at the points of `plane`.
        ctf: contrast transfer function at the same points.
        plane: the Fourier points that are compared.
        grid: the sampled volume.
    """
    n, count = len(measured), len(seen.copies)
    particles = torch.arange(n, device=measured.device)
    rotation, shift = predictions(encoder, seen, torch.arange(count, device=measured.device).expand(n, count))
    candidates = rotation.shape[1]
    heads = candidates // count
    predicted = form_image(
        grid.slices(rotation.flatten(0, 1), plane), ctf.repeat_interleave(candidates, 0), shift.flatten(0, 1), plane
    ).reshape(n, candidates, -1)
    best = (predicted - measured[:, None]).abs().square().sum(-1).argmin(dim=1)
    found = Poses.found(rotation[particles, best], shift[particles, best])
    return WinningCopies((best // heads)[:, None], best % heads, found)
