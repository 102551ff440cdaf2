"""Amortized pose inference, as published: the encoder predicts a pose from every copy of an image, and the best counts.

The predictions from all copies are scored without gradient. Forward and backward pass then run on the winning copy
alone, which gives the same gradient at a fraction of the cost. The minimum over the copies is what keeps the encoder
out of planar-symmetric local minima (cryoAI's symmetric loss).

The decoder's loss alone teaches the encoder too slowly to be of use on a CPU, so a loss on synthetic particles
(`training_targets.py`) is added to it. Measured on ribosome, one core: 14 degrees after 240 s, where without them poses
were still random after 360 s.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch

from cryofifa.model.pose_encoder import PoseEncoder
from cryofifa.particles.poses import Poses
from cryofifa.physics.central_slice import FourierGrid
from cryofifa.physics.rotations import perturb_rotation
from cryofifa.train.copy_selection import best_of_copies
from cryofifa.train.curriculum import Stage
from cryofifa.train.epoch_record import WINNER_ORIGINS
from cryofifa.train.image_copies import CopiedImages
from cryofifa.train.minibatch import Inference, Minibatch, StepNumber
from cryofifa.train.random_draws import RandomDraws
from cryofifa.train.training_targets import EncoderInput, synthetic_loss


@dataclass(frozen=True)
class AmortizedInference:
    """Pose inference by the encoder alone; one instance per run.

    Attributes:
        encoder: the network that predicts the poses.
        encoder_input: turns masked images into the encoder's two channels.
        synthetic: synthetic particles per real one that the encoder learns from.
        seed: of all random numbers of the run.
    """

    encoder: PoseEncoder
    encoder_input: EncoderInput
    synthetic: int
    seed: int

    def infer(
        self,
        batch: Minibatch,
        seen: CopiedImages | None,
        sampled: list[FourierGrid],
        stage: Stage,
        epoch: int,
        step: StepNumber,  # noqa: ARG002
    ) -> Inference:
        """The pose predicted from each particle's best copy, with gradient, and the loss on synthetic particles.

        In the first epochs of ab initio the rotations are disturbed at random, by as much as the stage says (paper).

        Args:
            batch: the particles.
            seen: their images as the encoder sees them, in every copy.
            sampled: the volume of each class; only the first is used.
            stage: what holds at this step of the curriculum.
            epoch: number of the epoch, from 0.
            step: not used here; other ways of inferring poses draw random numbers by it.
        """
        assert seen is not None, "without the encoder there is no pose"
        winner = best_of_copies(self.encoder, seen, batch.measured, batch.ctf, batch.plane, sampled[0])
        rotation, shift = self.encoder(seen.images(winner.copy)[:, 0])
        rotation = rotation.take_along_dim(winner.head[:, None, None, None], dim=1)
        rotation = seen.copies.pose_of_image(rotation, winner.copy)[:, 0]
        shift = seen.copies.shift_of_image(shift[:, None], winner.copy)[:, 0]
        draws = RandomDraws(self.seed, "imagined", epoch)
        taught = synthetic_loss(self.encoder, batch, self.synthetic, sampled[0], seen.copies, self.encoder_input, draws)
        if stage.disturbance_degree > 0:
            turn = RandomDraws(self.seed, "disturbance", epoch).normal(batch.particle, 3)
            rotation = perturb_rotation(rotation, turn * math.radians(stage.disturbance_degree) / math.sqrt(3))
        origin = torch.full_like(batch.particle, WINNER_ORIGINS.index("encoder"))
        return Inference(Poses.found(rotation, shift, origin=origin), taught)
