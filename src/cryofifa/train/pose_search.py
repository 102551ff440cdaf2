"""The search: candidates of every particle, each scored over a grid of shifts against the sampled decoder."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from jaxtyping import Float, Int
from torch import Tensor

from cryofifa.physics.central_slice import FourierGrid
from cryofifa.physics.image_formation import squared_distance_over_shifts
from cryofifa.physics.shift import displacement_phase
from cryofifa.settings.ab_initio import SearchSettings
from cryofifa.train.candidates import clamp_length, fine_shifts, rotations_around, shift_penalty, wide_shifts
from cryofifa.train.curriculum import Stage
from cryofifa.train.epoch_record import WINNER_ORIGINS
from cryofifa.train.minibatch import InferredPoses, Minibatch, StepNumber
from cryofifa.train.orientation_set import OrientationSet
from cryofifa.train.random_draws import RandomDraws


@dataclass(frozen=True)
class PoseSearch:
    """Finds the best of the remembered pose, small turns of it, an encoder's proposals and an orientation set."""

    settings: SearchSettings
    seed: int
    particle_radius_angstrom: float
    shift_range_angstrom: float

    @torch.no_grad()
    def best(
        self, batch: Minibatch, proposed: Tensor | None, grid: FourierGrid, stage: Stage, epoch: int, step: StepNumber
    ) -> InferredPoses:
        """The best of all candidates, without gradient; `proposed` are the encoder's, if it takes part yet."""
        rotation, origin = self._candidates(batch, proposed, grid, stage, epoch, step)
        winner, shift = self._best(batch, rotation, grid, stage, epoch)
        particles = torch.arange(len(winner), device=winner.device)
        nothing = torch.zeros((), device=winner.device)
        return InferredPoses(rotation[particles, winner], shift, origin[winner], nothing)

    def draws(self, purpose: str, epoch: int) -> RandomDraws:
        return RandomDraws(self.seed, purpose, epoch)

    def _candidates(
        self, batch: Minibatch, proposed: Tensor | None, grid: FourierGrid, stage: Stage, epoch: int, step: StepNumber
    ) -> tuple[Float[Tensor, "n candidates 3 3"], Int[Tensor, " candidates"]]:
        settings, remembered = self.settings, batch.rotation
        cycles = max(1.0, stage.mask_radius * self.particle_radius_angstrom / batch.plane.extent_angstrom)
        draws = self.draws("perturbation", epoch)
        around = rotations_around(remembered, batch.particle, draws, settings, cycles)
        groups = {"memory": remembered[:, None], "perturbation": around}
        if proposed is not None:
            groups["encoder"] = proposed
        if stage.searches_globally:
            # a new one for every minibatch: one shared by the six that share a sampled volume leads starts astray
            orientation_set = OrientationSet.drawn(
                self.draws("bank", epoch), step, grid, batch.plane, settings, self.particle_radius_angstrom
            )
            groups["orientation set"] = orientation_set.best(
                self._centred(batch),
                batch.ctf,
                batch.shift_angstrom,
                batch.shift_sd_angstrom,
                settings.best_orientations,
            )
        origin = [
            torch.full((group.shape[1],), WINNER_ORIGINS.index(name), device=group.device)
            for name, group in groups.items()
        ]
        return torch.cat(list(groups.values()), dim=1), torch.cat(origin)

    def _best(
        self, batch: Minibatch, rotation: Float[Tensor, "n candidates 3 3"], grid: FourierGrid, stage: Stage, epoch: int
    ) -> tuple[Int[Tensor, " n"], Float[Tensor, "n 2"]]:
        device = rotation.device
        offsets = fine_shifts(batch.plane.extent_angstrom, stage.mask_radius, device)
        if stage.searches_globally:
            offsets = torch.cat([offsets, wide_shifts(self.shift_range_angstrom, device)])
        model = grid.slices(rotation, batch.plane) * batch.ctf[:, None]
        phase = displacement_phase(offsets, batch.plane.frequency_per_angstrom)
        distance = squared_distance_over_shifts(self._centred(batch), model, phase)
        penalty = shift_penalty(batch.shift_angstrom, offsets, batch.shift_sd_angstrom)
        distance = (distance + penalty[:, None]).flatten(1)
        if stage.draws_winners:
            # adding Gumbel noise and taking the best draws from exp(-distance / temperature)
            uniform = self.draws("winner", epoch).uniform(batch.particle, distance.shape[1])
            distance = distance + stage.temperature * torch.log(-torch.log(uniform))
        best = distance.argmin(dim=1)
        shift = batch.shift_angstrom + offsets[best % len(offsets)]
        return best // len(offsets), clamp_length(shift, self.shift_range_angstrom)

    def _centred(self, batch: Minibatch) -> Tensor:
        return batch.measured * displacement_phase(batch.shift_angstrom, batch.plane.frequency_per_angstrom).conj()
