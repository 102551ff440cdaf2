"""Local refinement (paper): a second encoder on full-size particles corrects the poses that ab initio found.

The first encoder no longer changes. While the decoder is frozen (fade-in) the second encoder learns what a correction
is; then the Fourier mask grows from coarse to the full-size end resolution and both learn. Corrections are in a unit
that depends on the stage, so that an output of 1 moves the particle's edge by the same share of a period at every
resolution.

As published, the pose that explains a particle is the corrected one. In guided mode it competes with small random turns
of the remembered pose, and the encoder is taught the winner. In both modes it also learns from synthetic particles
whose remembered pose is wrong by a known amount. Corrections add up: each epoch starts from the poses that the last one
found.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import roma
import torch
from jaxtyping import Float
from torch import Tensor

from cryofifa.model.correction_encoder import INPUTS, CorrectionEncoder
from cryofifa.names import ENCODER_REFINEMENT
from cryofifa.particles.poses import Poses
from cryofifa.physics.central_slice import FourierGrid
from cryofifa.physics.fourier import inverse_fourier_2d
from cryofifa.physics.image_formation import form_image
from cryofifa.physics.rotations import perturb_rotation, rotation_from_uniform
from cryofifa.train.ab_initio import AbInitio
from cryofifa.train.candidates import clamp_length
from cryofifa.train.curriculum import Stage
from cryofifa.train.encoder_features import features_of
from cryofifa.train.epoch_record import WINNER_ORIGINS
from cryofifa.train.minibatch import Inference, Minibatch, StepNumber
from cryofifa.train.random_draws import RandomDraws
from cryofifa.train.training_loop import TrainingLoop

TURN_CYCLES = 0.33  # turn of a correction of 1: radians times mask frequency times particle radius; as in the search
SHIFT_CYCLES = 0.2  # shift of a correction of 1: angstrom times mask frequency; our choice


@dataclass(frozen=True)
class CorrectionUnit:
    """The turn and the shift that a correction of 1 stands for at one stage."""

    turn_radian: float
    shift_angstrom: float

    @classmethod
    def of_stage(cls, stage: Stage, extent_angstrom: float, particle_radius_angstrom: float) -> CorrectionUnit:
        """The unit under the stage's Fourier mask, for images `extent_angstrom` wide."""
        frequency = stage.mask_radius / extent_angstrom
        return cls(TURN_CYCLES / max(1.0, frequency * particle_radius_angstrom), SHIFT_CYCLES / frequency)


class EncoderRefinement(TrainingLoop[CorrectionEncoder]):
    """Training of the second encoder, and with it of the decoder, on full-size particles."""

    phase: ClassVar[str] = ENCODER_REFINEMENT

    @property
    def minibatches_per_sampling(self) -> int:
        """Minibatches between two samplings of the decoder, as [encoder_refinement] says."""
        return self.config.encoder_refinement.minibatches_per_sampling

    def start_from(self, ab_initio: AbInitio) -> None:
        """Take over the decoder, the poses and what is known of the particles; call once, before the first epoch.

        The frames of ab initio and of full-size particles are equally wide, so a decoder's coordinates and values mean
        the same in both.
        """
        for index in range(self.networks.classes):
            found = ab_initio.networks.decoder(index)
            self.networks.decoder(index).start_from(found, ab_initio.curriculum.end_radius)
        self.poses = ab_initio.poses.copy()
        self.size = ab_initio.size
        self.shift_sd_angstrom = ab_initio.shift_sd_angstrom

    def new_encoder(self) -> CorrectionEncoder:
        """The second encoder with new weights, which predicts a turn and a shift to correct a pose by."""
        return CorrectionEncoder(features_of(self.config.encoder, INPUTS, self.plane.box_size))

    def infer(
        self, batch: Minibatch, sampled: list[FourierGrid], stage: Stage, epoch: int, step: StepNumber
    ) -> Inference:
        """The corrected poses of one minibatch (guided: the best of them and small turns), and the encoder's loss."""
        (grid,) = sampled
        unit = CorrectionUnit.of_stage(stage, batch.plane.extent_angstrom, self.size.radius_angstrom)
        turn, move = self.networks.encoder(self._compared(batch.image, batch, batch.rotation, grid))
        rotation = perturb_rotation(batch.rotation, turn * unit.turn_radian)
        shift = clamp_length(batch.shift_angstrom + move * unit.shift_angstrom, self.shift_range_angstrom)
        taught = self._synthetic_loss(batch, grid, unit, epoch)
        if self.config.pose_mode == "amortized":
            origin = torch.full_like(batch.particle, WINNER_ORIGINS.index("encoder"))
            return Inference(Poses.found(rotation, shift, origin=origin), taught)
        found = self.search.best(batch, rotation.detach()[:, None], sampled, stage, epoch, step)
        winning_turn = roma.rotmat_to_rotvec(found.rotation @ batch.rotation.mT) / unit.turn_radian
        winning_move = (found.shift_angstrom - batch.shift_angstrom) / unit.shift_angstrom
        learned = taught + _squared_error(turn, winning_turn) + _squared_error(move, winning_move)
        return Inference(found, learned)

    def _compared(
        self,
        image: Float[Tensor, "n y x"],
        batch: Minibatch,
        rotation: Float[Tensor, "n 3 3"],
        grid: FourierGrid,
    ) -> Float[Tensor, "n 3 y x"]:
        """What the second encoder sees: a particle's two channels and the projection at its remembered pose."""
        with torch.no_grad():
            projection = self._projection(batch, rotation, batch.shift_angstrom, grid) * batch.mask
            return torch.cat([self.encoder_input(image * batch.mask), projection[:, None]], dim=1)

    def _projection(
        self, batch: Minibatch, rotation: Float[Tensor, "n 3 3"], shift: Float[Tensor, "n 2"], grid: FourierGrid
    ) -> Float[Tensor, "n y x"]:
        plane = batch.plane
        transform = form_image(grid.slices(rotation, plane), batch.ctf, shift, plane) * plane.box_size
        return inverse_fourier_2d(plane.fill(transform))

    def _synthetic_loss(self, batch: Minibatch, grid: FourierGrid, unit: CorrectionUnit, epoch: int) -> Tensor:
        """The encoder's loss on synthetic particles, one per particle of the minibatch, with known corrections.

        Each has a random rotation, of which the encoder sees the projection, and an image whose pose is a little beside
        it. Shifts lie around those of the minibatch's particles, so that the masks of these fit.
        """
        with torch.no_grad():
            draws, pixels = RandomDraws(self.config.seed, "imagined corrections", epoch), batch.plane.box_size**2
            rotation = rotation_from_uniform(draws.uniform(batch.particle, 3))
            normal = draws.normal(batch.particle, 5 + pixels)
            turn, move = normal[:, :3], normal[:, 3:5]
            image = self._projection(
                batch,
                perturb_rotation(rotation, turn * unit.turn_radian),
                batch.shift_angstrom + move * unit.shift_angstrom,
                grid,
            ) + normal[:, 5:].unflatten(1, (batch.plane.box_size, batch.plane.box_size))
        found_turn, found_move = self.networks.encoder(self._compared(image, batch, rotation, grid))
        return _squared_error(found_turn, turn) + _squared_error(found_move, move)


def _squared_error(found: Float[Tensor, "n k"], true: Float[Tensor, "n k"]) -> Float[Tensor, ""]:
    return (found - true).square().sum(-1).mean()
