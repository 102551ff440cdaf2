"""Amortized pose inference as published: the encoder's own prediction, the best of its copies.

The candidates of all copies are scored without gradient; forward and backward then run on the winning copy alone,
which gives the same gradient at a fraction of the cost. The min over copies is what keeps the encoder out of
planar-symmetric local minima (cryoAI's symmetric loss).
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from torch import Tensor

from cryofifa.config import SearchSettings
from cryofifa.model.pose_encoder import PoseEncoder
from cryofifa.particles.augment import Copies
from cryofifa.physics.central_slice import FourierGrid
from cryofifa.physics.image_formation import form_image
from cryofifa.physics.rotations import perturb_rotation
from cryofifa.train.curriculum import Stage
from cryofifa.train.minibatch import InferredPoses, Minibatch
from cryofifa.train.random_draws import RandomDraws


@dataclass(frozen=True)
class AmortizedInference:
    """Pose inference by the encoder alone; one instance per run."""

    encoder: PoseEncoder
    copies: Copies
    settings: SearchSettings
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
            winner = self._best_copy(batch, encoder_base, grid)[:, None]
        rotation, shift = self.encoder(self.copies.of_base(encoder_base, winner)[:, 0])
        winner = winner[:, 0]
        rotation = self.copies.pose_of_image(rotation, winner)
        shift = self.copies.shift_of_image(shift, winner)
        if stage.disturbance_degree > 0:
            turn = RandomDraws(self.seed, "disturbance", epoch).normal(batch.particle, 3)
            rotation = perturb_rotation(rotation, turn * math.radians(stage.disturbance_degree) / math.sqrt(3))
        origin = torch.zeros_like(batch.particle)
        return InferredPoses(rotation, shift, origin, torch.zeros((), device=rotation.device))

    def _best_copy(self, batch: Minibatch, encoder_base: Tensor, grid: FourierGrid) -> Tensor:
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
        return (predicted - batch.measured[:, None]).abs().square().sum(-1).argmin(dim=1)
