"""Ab initio: the first encoder and the decoder learn together, at the working box, until the curriculum ends.

In guided mode they begin with the poses of the best start (`stochastic_em/`), in amortized mode with random ones.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import ClassVar

import torch

from cryofifa.model.pose_encoder import INPUTS, PoseEncoder
from cryofifa.names import AB_INITIO
from cryofifa.particles.poses import Poses
from cryofifa.physics.central_slice import FourierGrid
from cryofifa.settings.config import Config
from cryofifa.system.processes import ALONE, Processes
from cryofifa.train.amortized import AmortizedInference
from cryofifa.train.candidates import clamp_length
from cryofifa.train.copy_selection import best_of_copies
from cryofifa.train.curriculum import Curriculum, Stage, stage_at
from cryofifa.train.encoder_features import features_of
from cryofifa.train.guided import GuidedInference
from cryofifa.train.image_copies import CopiedImages, CopyChoice
from cryofifa.train.minibatch import Inference, Minibatch, StepNumber
from cryofifa.train.training_loop import TrainingLoop
from cryofifa.train.working_set import WorkingSet


class AbInitio(TrainingLoop[PoseEncoder]):
    """Training from random poses, in one of two modes: guided by a search, or by the encoder alone (amortized).

    Args:
        config: settings of the run.
        curriculum: Fourier mask, search and learning rates at every point of ab initio.
        particles: images and optics at the working box.
        particle_radius_angstrom: the particle's radius as the run begins with it.
        shift_range_angstrom: the largest shift that a particle may be given.
        processes: the processes that train these networks together.
    """

    phase: ClassVar[str] = AB_INITIO

    def __init__(
        self,
        config: Config,
        curriculum: Curriculum,
        particles: WorkingSet,
        particle_radius_angstrom: float,
        shift_range_angstrom: float,
        processes: Processes = ALONE,
    ) -> None:
        super().__init__(config, curriculum, particles, particle_radius_angstrom, shift_range_angstrom, processes)
        self.copy_choice = CopyChoice.of_settings(config.encoder, config.seed, particles.image.device)
        self.inference: GuidedInference | AmortizedInference
        synthetic = config.synthetic_per_particle
        if config.pose_mode == "guided":
            self.inference = GuidedInference(self.networks.encoder, self.encoder_input, synthetic, self.search)
        else:
            self.inference = AmortizedInference(self.networks.encoder, self.encoder_input, synthetic, config.seed)

    @property
    def minibatches_per_sampling(self) -> int:
        """Minibatches between two samplings of the decoders, as [decoder] says."""
        return self.config.decoder.minibatches_per_sampling

    def new_encoder(self) -> PoseEncoder:
        """The first encoder with new weights, which predicts a rotation per head and a shift from one image."""
        settings = self.config.encoder
        return PoseEncoder(
            features_of(settings, INPUTS, self.plane.box_size),
            heads=settings.heads,
            shift_scale_angstrom=self.shift_range_angstrom / 3,
        )

    def begin_from(self, poses: Poses) -> None:
        """Begin with poses that a start has found instead of random ones; call once, before the first epoch."""
        self.poses.put(torch.arange(len(poses)), poses)

    def infer(
        self, batch: Minibatch, sampled: list[FourierGrid], stage: Stage, epoch: int, step: StepNumber
    ) -> Inference:
        """The poses of one minibatch by the mode of the run, and the loss that teaches the encoder."""
        seen = self._seen(batch, epoch) if stage.use_encoder else None
        return self.inference.infer(batch, seen, sampled, stage, epoch, step)

    def pose_by_encoder(self, on_step: Callable[[int], None] | None = None) -> None:
        """Pose every particle by the encoder alone, with the curriculum's last Fourier mask; no network learns.

        Each particle is remembered with the pose predicted from its best copy. There are two sweeps, because images
        are masked around the remembered shift: in the second one the masks lie where the first found the particles.

        Args:
            on_step: called after every minibatch of the second sweep with the number of its particles.
        """
        stage = stage_at(self.curriculum, 1.0)
        (grid,) = self.sampled_volumes(stage)
        for sweep in range(2):
            everyone = torch.arange(len(self.particles), device=self.device)
            for members in everyone.split(self.config.curriculum.minibatch):
                batch = self.minibatch(members, stage)
                seen = self._seen(batch, epoch=0)
                found = best_of_copies(self.networks.encoder, seen, batch.measured, batch.ctf, batch.plane, grid).poses
                found.shift_angstrom = clamp_length(found.shift_angstrom, self.shift_range_angstrom)
                self.poses.put(members, found)
                if on_step is not None and sweep == 1:
                    on_step(len(members))

    def _seen(self, batch: Minibatch, epoch: int) -> CopiedImages:
        copies = self.copy_choice.copies(batch.particle, epoch)
        return CopiedImages.of_channels(copies, self.encoder_input(batch.image * batch.mask))
