"""The pose search of ab initio: every particle's candidates, each scored over a grid of shifts against the decoder."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from jaxtyping import Complex, Float, Int
from torch import Tensor

from cryofifa.particles.poses import Poses
from cryofifa.physics.central_slice import FourierGrid
from cryofifa.physics.image_formation import squared_distance_over_shifts
from cryofifa.physics.shift import displacement_phase
from cryofifa.settings.ab_initio import SearchSettings
from cryofifa.train.candidates import clamp_length, fine_shifts, rotations_around, shift_penalty, wide_shifts
from cryofifa.train.curriculum import Stage
from cryofifa.train.epoch_record import WINNER_ORIGINS
from cryofifa.train.minibatch import Minibatch, StepNumber
from cryofifa.train.orientation_set import OrientationSet
from cryofifa.train.random_draws import RandomDraws


@dataclass(frozen=True)
class PoseSearch:
    """Finds the best of the remembered pose, small turns of it, an encoder's proposals and an orientation set.

    Attributes:
        settings: how many candidates there are of each kind, and how far they reach.
        seed: of all random numbers of the run.
        shift_range_angstrom: the largest shift that a particle may be given.
    """

    settings: SearchSettings
    seed: int
    shift_range_angstrom: float

    @torch.no_grad()
    def best(
        self,
        batch: Minibatch,
        proposed: Tensor | None,
        sampled: list[FourierGrid],
        stage: Stage,
        epoch: int,
        step: StepNumber,
    ) -> Poses:
        """The best of all candidates in all classes, without gradient; with one class, `class_index` stays None.

        Args:
            batch: the particles.
            proposed: the encoder's rotations (n, proposed, 3, 3); None where it does not take part.
            sampled: the volume of each class.
            stage: what holds at this step of the curriculum.
            epoch: number of the epoch, from 0.
            step: number of the minibatch in its epoch.
        """
        device = batch.rotation.device
        shifts = fine_shifts(batch.plane.extent_angstrom, stage.mask_radius, device)
        if stage.searches_globally:
            shifts = torch.cat([shifts, wide_shifts(self.shift_range_angstrom, device)])
        centred = batch.measured * displacement_phase(batch.shift_angstrom, batch.plane.frequency_per_angstrom).conj()
        rotations, distances, origin = [], [], torch.empty(0)
        for grid in sampled:
            rotation, origin = self._candidates(batch, centred, proposed, grid, stage, epoch, step)
            rotations.append(rotation)
            distances.append(self._distance(batch, centred, rotation, shifts, grid))
        rotation, distance = torch.cat(rotations, dim=1), torch.cat(distances, dim=1)
        if stage.draws_winners:
            # to add Gumbel noise and take the best is to draw with probability exp(-distance / temperature)
            uniform = self.draws("winner", epoch).uniform(batch.particle, distance.shape[1])
            distance = distance + stage.temperature * torch.log(-torch.log(uniform))
        best = distance.argmin(dim=1)
        candidate, shift = best // len(shifts), batch.shift_angstrom + shifts[best % len(shifts)]
        return Poses.found(
            rotation[torch.arange(len(best), device=device), candidate],
            clamp_length(shift, self.shift_range_angstrom),
            origin=origin[candidate % len(origin)],
            class_index=None if len(sampled) == 1 else candidate // len(origin),
        )

    def draws(self, purpose: str, epoch: int) -> RandomDraws:
        """The run's random numbers for one purpose in one epoch."""
        return RandomDraws(self.seed, purpose, epoch)

    def _candidates(
        self,
        batch: Minibatch,
        centred: Complex[Tensor, "n points"],
        proposed: Tensor | None,
        grid: FourierGrid,
        stage: Stage,
        epoch: int,
        step: StepNumber,
    ) -> tuple[Float[Tensor, "n candidates 3 3"], Int[Tensor, " candidates"]]:
        settings, remembered = self.settings, batch.rotation
        cycles = max(1.0, stage.mask_radius * batch.particle_radius_angstrom / batch.plane.extent_angstrom)
        draws = self.draws("perturbation", epoch)
        around = rotations_around(remembered, batch.particle, draws, settings, cycles)
        groups = {"memory": remembered[:, None], "perturbation": around}
        if proposed is not None:
            groups["encoder"] = proposed
        if stage.searches_globally:
            # a new set for every minibatch: one shared by the six that share a sampled volume leads starts astray
            orientation_set = OrientationSet.drawn(
                self.draws("bank", epoch), step, grid, batch.plane, settings, batch.particle_radius_angstrom
            )
            groups["orientation set"] = orientation_set.best(
                centred,
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

    def _distance(
        self,
        batch: Minibatch,
        centred: Complex[Tensor, "n points"],
        rotation: Float[Tensor, "n candidates 3 3"],
        shifts: Tensor,
        grid: FourierGrid,
    ) -> Float[Tensor, "n candidates_and_shifts"]:
        """-log likelihood of every candidate at every shift around the remembered one, over the mask's share."""
        model = grid.slices(rotation, batch.plane) * batch.ctf[:, None]
        phase = displacement_phase(shifts, batch.plane.frequency_per_angstrom)
        distance = squared_distance_over_shifts(centred, model, phase)
        penalty = shift_penalty(batch.shift_angstrom, shifts, batch.shift_sd_angstrom)
        return (distance + penalty[:, None]).flatten(1)
