"""Amortized pose inference as published: the encoder's own prediction, the best of its copies.

The candidates of all copies are scored without gradient; forward and backward then run on the winning copy alone,
which gives the same gradient at a fraction of the cost. The min over copies is what keeps the encoder out of
planar-symmetric local minima (cryoAI's symmetric loss).

The decoder's loss alone teaches the encoder too slowly to be of use on a CPU; imagined particles (`teaching.py`) are
added to it. Measured on ribosome, one core: 14 degrees after 240 s, where without them poses were still random after
360 s.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from jaxtyping import Int
from torch import Tensor

from cryofifa.model.pose_encoder import PoseEncoder
from cryofifa.particles.augment import Copies
from cryofifa.physics.central_slice import FourierGrid
from cryofifa.physics.image_formation import form_image
from cryofifa.physics.rotations import perturb_rotation
from cryofifa.train.curriculum import Stage
from cryofifa.train.minibatch import InferredPoses, Minibatch
from cryofifa.train.random_draws import RandomDraws
from cryofifa.train.teaching import EncoderInput, imagined_particles


@dataclass(frozen=True)
class AmortizedInference:
    """Pose inference by the encoder alone; one instance per run."""

    encoder: PoseEncoder
    copies: Copies
    encoder_input: EncoderInput
    imagined: int
    seed: int

    def infer(
        self,
        batch: Minibatch,
        encoder_base: Tensor | None,
        grid: FourierGrid,
        stage: Stage,
        epoch: int,
        step: int,  # noqa: ARG002
    ) -> InferredPoses:
        """The best copy's prediction, with gradient; disturbed a little in the early epochs."""
        assert encoder_base is not None, "without the encoder there is no pose"
        with torch.no_grad():
            winner = self._best_copy(batch, encoder_base, grid)
        draws = RandomDraws(self.seed, "imagined", epoch)
        lesson = imagined_particles(batch, self.imagined, grid, self.copies, self.encoder_input, draws)
        seen = self.copies.of_base(encoder_base, winner)[:, 0]
        # one pass, so that real and imagined particles share their batch statistics
        rotation, shift = self.encoder(torch.cat([seen, lesson.image]))
        teaching_loss = lesson.loss(self.encoder, rotation[len(seen) :], shift[len(seen) :])
        rotation = self.copies.pose_of_image(rotation[: len(seen), None], winner)[:, 0]
        shift = self.copies.shift_of_image(shift[: len(seen), None], winner)[:, 0]
        if stage.disturbance_degree > 0:
            turn = RandomDraws(self.seed, "disturbance", epoch).normal(batch.particle, 3)
            rotation = perturb_rotation(rotation, turn * math.radians(stage.disturbance_degree) / math.sqrt(3))
        return InferredPoses(rotation, shift, torch.zeros_like(batch.particle), teaching_loss)

    def _best_copy(self, batch: Minibatch, encoder_base: Tensor, grid: FourierGrid) -> Int[Tensor, "n 1"]:
        n, count = len(batch.particle), len(self.copies)
        copy = torch.arange(count, device=batch.particle.device).expand(n, count)
        self.encoder.eval()
        rotation, shift = self.encoder(self.copies.of_base(encoder_base, copy).flatten(0, 1))
        self.encoder.train()
        rotation = self.copies.pose_of_image(rotation.reshape(n, count, 3, 3), copy).flatten(0, 1)
        shift = self.copies.shift_of_image(shift.reshape(n, count, 2), copy).flatten(0, 1)
        predicted = form_image(
            grid.slices(rotation, batch.plane), batch.ctf.repeat_interleave(count, 0), shift, batch.plane
        ).reshape(n, count, -1)
        return (predicted - batch.measured[:, None]).abs().square().sum(-1).argmin(dim=1, keepdim=True)
