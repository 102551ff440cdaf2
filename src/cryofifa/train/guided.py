"""Guided pose inference: the encoder proposes, memory and search compete, the decoder decides, the encoder learns.

Candidates of every particle are the encoder's predictions on a few copies, the remembered pose, small random
perturbations of it, and the best of a bank of fresh random rotations. Each is scored over a grid of shifts against
the sampled decoder, without gradient; the winner explains the particle in the gradient pass and is what the encoder is
taught, beside imagined particles. Measured: converges in minutes where the purely amortized mode is far behind.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import torch
from jaxtyping import Float, Int
from torch import Tensor

from cryofifa.config import SearchSettings
from cryofifa.model.pose_encoder import PoseEncoder
from cryofifa.physics.central_slice import FourierGrid
from cryofifa.physics.image_formation import squared_distance_over_shifts
from cryofifa.physics.shift import displacement_phase, shift_grid
from cryofifa.train.augmentation import CopiedImages
from cryofifa.train.candidates import (
    SHIFT_STEP_CYCLES,
    best_of_bank,
    clamp_length,
    rotations_around,
    shift_penalty,
)
from cryofifa.train.curriculum import Stage
from cryofifa.train.minibatch import InferredPoses, Minibatch
from cryofifa.train.random_draws import RandomDraws
from cryofifa.train.run_log import WINNER_ORIGINS
from cryofifa.train.teaching import EncoderInput, fundamental_copy, imagined_loss, lesson_of


@dataclass(frozen=True)
class GuidedInference:
    """Pose inference by guided search; one instance per run."""

    encoder: PoseEncoder
    encoder_input: EncoderInput
    imagined: int
    settings: SearchSettings
    seed: int
    particle_radius_angstrom: float
    shift_range_angstrom: float

    def infer(
        self, batch: Minibatch, seen: CopiedImages | None, grid: FourierGrid, stage: Stage, epoch: int, step: int
    ) -> InferredPoses:
        """Find the best pose of each particle and the loss that teaches it to the encoder.

        seen: the images as the encoder sees them, None while it rests.
        step: counts minibatches of the epoch (the bank is drawn once per minibatch).
        """
        if seen is None:
            with torch.no_grad():
                return self._search(batch, None, grid, stage, epoch, step)
        with torch.no_grad():
            found = self._search(batch, self._proposed(batch, seen, epoch), grid, stage, epoch, step)
        lesson = lesson_of(seen, found.rotation, found.shift_angstrom)
        draws = self._draws("imagined", epoch)
        imagined = imagined_loss(self.encoder, batch, self.imagined, grid, seen.copies, self.encoder_input, draws)
        return replace(found, teaching_loss=lesson.loss(self.encoder) + imagined)

    def _proposed(self, batch: Minibatch, seen: CopiedImages, epoch: int) -> Float[Tensor, "n copies 3 3"]:
        """The encoder's predictions: on the copy that it should know if memory is right, and on random others."""
        others = self.settings.encoder_copies - 1
        copy = torch.cat(
            [
                fundamental_copy(seen.copies, batch.rotation),
                self._draws("copies", epoch).integers(batch.particle, others, len(seen.copies)),
            ],
            dim=1,
        )
        self.encoder.eval()
        rotation, _ = self.encoder(seen.images(copy).flatten(0, 1))
        self.encoder.train()
        return seen.copies.pose_of_image(rotation.reshape(*copy.shape, 3, 3), copy)

    def _search(
        self, batch: Minibatch, proposed: Tensor | None, grid: FourierGrid, stage: Stage, epoch: int, step: int
    ) -> InferredPoses:
        """The best of all candidates; `proposed` are the encoder's, if it takes part yet."""
        rotation, origin = self._candidates(batch, proposed, grid, stage, epoch, step)
        winner, shift = self._best(batch, rotation, grid, stage, epoch)
        particles = torch.arange(len(winner), device=winner.device)
        nothing = torch.zeros((), device=winner.device)
        return InferredPoses(rotation[particles, winner], shift, origin[winner], nothing)

    def _draws(self, purpose: str, epoch: int) -> RandomDraws:
        return RandomDraws(self.seed, purpose, epoch)

    def _candidates(
        self, batch: Minibatch, proposed: Tensor | None, grid: FourierGrid, stage: Stage, epoch: int, step: int
    ) -> tuple[Float[Tensor, "n candidates 3 3"], Int[Tensor, " candidates"]]:
        settings, remembered = self.settings, batch.rotation
        cycles = max(1.0, stage.mask_radius * self.particle_radius_angstrom / batch.plane.extent_angstrom)
        draws = self._draws("perturbation", epoch)
        around = rotations_around(remembered, batch.particle, draws, settings, cycles)
        groups = {"memory": remembered[:, None], "perturbation": around}
        if proposed is not None:
            groups["encoder"] = proposed
        if stage.search_bank:
            groups["bank"] = best_of_bank(
                self._centred(batch),
                batch.ctf,
                grid,
                batch.plane,
                self._draws("bank", epoch),
                step,
                settings,
                self.particle_radius_angstrom,
                batch.shift_angstrom,
                batch.shift_sd_angstrom,
            )
        origin = [torch.full((group.shape[1],), WINNER_ORIGINS.index(name)) for name, group in groups.items()]
        return torch.cat(list(groups.values()), dim=1), torch.cat(origin).to(batch.particle.device)

    def _best(
        self, batch: Minibatch, rotation: Float[Tensor, "n candidates 3 3"], grid: FourierGrid, stage: Stage, epoch: int
    ) -> tuple[Int[Tensor, " n"], Float[Tensor, "n 2"]]:
        device = rotation.device
        step = SHIFT_STEP_CYCLES * batch.plane.extent_angstrom / stage.mask_radius
        offsets = shift_grid(step, 2, device)
        if stage.search_bank:
            offsets = torch.cat([offsets, shift_grid(self.shift_range_angstrom / 3, 2, device)])
        model = grid.slices(rotation, batch.plane) * batch.ctf[:, None]
        phase = displacement_phase(offsets, batch.plane.frequency_per_angstrom)
        distance = squared_distance_over_shifts(self._centred(batch), model, phase)
        penalty = shift_penalty(batch.shift_angstrom, offsets, batch.shift_sd_angstrom)
        distance = (distance + penalty[:, None]).flatten(1)
        if stage.temperature > 0:
            # adding Gumbel noise and taking the best draws from exp(-distance / temperature)
            uniform = self._draws("winner", epoch).uniform(batch.particle, distance.shape[1])
            distance = distance + stage.temperature * torch.log(-torch.log(uniform))
        best = distance.argmin(dim=1)
        shift = batch.shift_angstrom + offsets[best % len(offsets)]
        return best // len(offsets), clamp_length(shift, self.shift_range_angstrom)

    def _centred(self, batch: Minibatch) -> Tensor:
        return batch.measured * displacement_phase(batch.shift_angstrom, batch.plane.frequency_per_angstrom).conj()
