"""Training targets of the encoder: images whose poses are known, which teach it in addition to the decoder's loss.

One copy of a particle is enough. The copies of an image show the same particle in 2n poses, the best of which counts,
so the encoder need not know all rotations: it is taught on the one copy that lies in the fundamental domain, that is,
seen from the upper hemisphere and turned least in the plane. Measured with the true map (one core, 50 s): median error
of the best copy 8.7 degrees on gpcr and 12 on ribosome, against 46 and 57 when every copy was taught.

Synthetic particles are projections of the decoder's present volume at random poses, with the minibatch's CTFs and masks
and fresh noise (ACE-EM, Yao et al. 2023: pose -> image -> pose). There are as many as one likes, their poses are exact,
and they are spread over all views, so predictions cannot collapse onto a few.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import torch
from jaxtyping import Float, Int
from torch import Tensor

from cryofifa.model.pose_encoder import PoseEncoder
from cryofifa.particles.poses import Poses
from cryofifa.physics.central_slice import FourierGrid
from cryofifa.physics.fourier import inverse_fourier_2d
from cryofifa.physics.image_formation import form_image
from cryofifa.physics.rotations import rotation_from_uniform, twist_about_view_radian
from cryofifa.train.image_copies import CopiedImages, Copies
from cryofifa.train.minibatch import Minibatch
from cryofifa.train.random_draws import RandomDraws

OTHER_HEADS = 0.05  # weight of the mean over heads beside the best (Rupprecht et al. 2017)
SHIFT_WEIGHT = 0.3  # of the squared shift error, in the encoder's shift scale, beside that of the rotation; measured

# masked images -> the encoder's two channels
EncoderInput = Callable[[Float[Tensor, "n y x"]], Float[Tensor, "n 2 y x"]]


@dataclass(frozen=True)
class TrainingTarget:
    """Inputs of the encoder and the poses that they show.

    Attributes:
        image: the encoder's two channels of each image.
        poses: the pose that each image shows.
    """

    image: Float[Tensor, "n 2 y x"]
    poses: Poses

    def loss(self, encoder: PoseEncoder) -> Float[Tensor, ""]:
        """Squared Frobenius distance of the best head's rotations, and squared error of the shifts in their own scale.

        Every target goes through the encoder as a batch of its own, so that real and synthetic particles have batch
        statistics of their own. Mixed, the encoder tells them apart instead of learning (measured on ribosome,
        amortized: it never leaves the start).
        """
        rotation, shift = encoder(self.image)
        by_head = (rotation - self.poses.rotation[:, None]).square().sum((-1, -2))
        # the other heads learn a little too, or a head that never wins would never learn to
        rotation_loss = ((1 - OTHER_HEADS) * by_head.amin(dim=1) + OTHER_HEADS * by_head.mean(dim=1)).mean()
        shift_loss = ((shift - self.poses.shift_angstrom) / encoder.shift_scale_angstrom).square().sum(-1).mean()
        return rotation_loss + SHIFT_WEIGHT * shift_loss


def fundamental_copy(copies: Copies, rotation: Float[Tensor, "n 3 3"]) -> Int[Tensor, "n 1"]:
    """Which copy of each image lies in the fundamental domain: seen from above and turned least in the plane."""
    every = torch.arange(len(copies), device=rotation.device).expand(len(rotation), -1)
    pose = copies.pose_of_copy(rotation[:, None].expand(-1, len(copies), -1, -1), every)
    below = pose[..., 2, 2] < 0
    # a twist is at most pi, so a copy seen from below never wins against one seen from above
    return (twist_about_view_radian(pose).abs() + 4 * below).argmin(dim=1, keepdim=True)


def training_target(seen: CopiedImages, poses: Poses) -> TrainingTarget:
    """The training target of particles of known pose: the fundamental copy of each, and that copy's pose."""
    copy = fundamental_copy(seen.copies, poses.rotation)
    rotation = seen.copies.pose_of_copy(poses.rotation[:, None], copy)[:, 0]
    shift = seen.copies.shift_of_copy(poses.shift_angstrom[:, None], copy)[:, 0]
    return TrainingTarget(seen.images(copy)[:, 0], Poses.found(rotation, shift))


@torch.no_grad()
def synthetic_particles(
    batch: Minibatch, count: int, grid: FourierGrid, copies: Copies, encoder_input: EncoderInput, draws: RandomDraws
) -> TrainingTarget:
    """`count` synthetic particles for every particle of the minibatch, with the CTF and the mask of that particle.

    The mask stays where it is, whatever the synthetic shift: a mask that followed the shift would give it away.

    Args:
        batch: the minibatch.
        count: synthetic particles per real one.
        grid: the sampled volume that they are projections of.
        copies: the copies that the encoder is taught on.
        encoder_input: turns masked images into the encoder's two channels.
        draws: the source of poses and noise.
    """
    n, plane = len(batch.particle), batch.plane
    pixels = plane.box_size**2
    uniform = draws.uniform(batch.particle, 3 * count).reshape(n * count, 3)
    normal = draws.normal(batch.particle, (2 + pixels) * count).reshape(n * count, 2 + pixels)
    rotation, shift = rotation_from_uniform(uniform), normal[:, :2] * batch.shift_sd_angstrom
    ctf, mask = (values.repeat_interleave(count, 0) for values in (batch.ctf, batch.mask))
    clean = form_image(grid.slices(rotation, plane), ctf, shift, plane) * plane.box_size
    noise = normal[:, 2:].unflatten(1, (plane.box_size, plane.box_size))
    image = (inverse_fourier_2d(plane.fill(clean)) + noise) * mask
    return training_target(CopiedImages.of_channels(copies, encoder_input(image)), Poses.found(rotation, shift))


def synthetic_loss(
    encoder: PoseEncoder,
    batch: Minibatch,
    count: int,
    grid: FourierGrid,
    copies: Copies,
    encoder_input: EncoderInput,
    draws: RandomDraws,
) -> Float[Tensor, ""]:
    """The encoder's loss on synthetic particles (see `synthetic_particles`), a scalar; 0 where `count` is 0."""
    if count == 0:
        return torch.zeros((), device=batch.mask.device)
    return synthetic_particles(batch, count, grid, copies, encoder_input, draws).loss(encoder)
