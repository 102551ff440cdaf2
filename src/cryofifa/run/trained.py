"""The trained networks of a run, read from its checkpoint with the plan and the particle's size."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor

from cryofifa.errors import InputError
from cryofifa.model.volume_decoder import VolumeDecoder
from cryofifa.names import AB_INITIO_PART, ENCODER_REFINEMENT_PART
from cryofifa.particles.particle_size import ParticleSize
from cryofifa.particles.preprocess import Frame
from cryofifa.run.folder import RunFolder
from cryofifa.run.plan import RunPlan
from cryofifa.run.progress import read_run_state
from cryofifa.settings.config import Config
from cryofifa.train.ab_initio import AbInitio
from cryofifa.train.decoder_choice import decoder_of
from cryofifa.train.encoder_refinement import EncoderRefinement
from cryofifa.train.particle_pass import tensors_under
from cryofifa.train.working_set import WorkingSet


@dataclass(frozen=True)
class TrainedRun:
    """What a run has learned, as its last checkpoint has it.

    Attributes:
        folder: the run's folder.
        config: settings of the run.
        plan: plan of the run.
        networks: state of ab initio's encoder and decoders by name, as `Networks.load_weights` takes it.
        latest_decoders: state of the decoders, after local refinement where there was one.
        decoder_frame: window, box and pixel size of the images that these decoders have learned from.
        mask_radius: Fourier radius up to which they are trained, in Fourier pixels of the plan's frames.
        size: the particle's size, as the run has tightened it.
    """

    folder: RunFolder
    config: Config
    plan: RunPlan
    networks: dict[str, Tensor]
    latest_decoders: dict[str, Tensor]
    decoder_frame: Frame
    mask_radius: float
    size: ParticleSize

    def decoder(self, class_index: int = 0) -> VolumeDecoder:
        """The decoder of one class (from 0) with its latest weights."""
        frame = self.decoder_frame
        decoder = decoder_of(
            self.config, frame.box_size, frame.pixel_size_angstrom, self.plan.particle_size(self.config)
        )
        decoder.load_state_dict(tensors_under(self.latest_decoders, f"{class_index}."))
        return decoder

    def ab_initio(self, particles: WorkingSet) -> AbInitio:
        """Ab initio with the trained networks, on other particles in the plan's ab-initio frame."""
        plan = self.plan
        ab_initio = AbInitio(
            self.config, plan.curriculum, particles, plan.particle_radius_angstrom, plan.shift_range_angstrom
        )
        ab_initio.networks.load_weights(self.networks)
        ab_initio.size = self.size
        return ab_initio


def read_trained_run(run: Path, device: torch.device) -> TrainedRun:
    """Read what a finished or still running run has learned.

    Args:
        run: the run's folder.
        device: where its tensors are loaded.

    Raises:
        InputError: if the folder is no run, or it has left no checkpoint yet.
    """
    folder = RunFolder(run)
    if not folder.settings.exists():
        raise InputError(f"{folder.path}: is not the folder of a run; give the folder that reconstruct -o made")
    too_early = f"{folder.path}: the run has left no checkpoint yet; wait for its first start to end"
    if not folder.checkpoint.exists():
        raise InputError(too_early)
    tensors, progress = read_run_state(folder.checkpoint, device)
    plan, history = progress.plan, progress.history
    refined = [record for record in history if record.phase == EncoderRefinement.phase]
    learned = refined or [record for record in history if record.phase == AbInitio.phase]
    if not learned:  # a single start is kept from its beginning on, when its networks have not learned yet
        raise InputError(too_early)
    curriculum = plan.encoder_refinement if refined and plan.encoder_refinement is not None else plan.curriculum
    return TrainedRun(
        folder=folder,
        config=progress.config,
        plan=plan,
        networks=tensors_under(tensors, f"{AB_INITIO_PART}."),
        latest_decoders=tensors_under(tensors, f"{ENCODER_REFINEMENT_PART if refined else AB_INITIO_PART}.decoder."),
        decoder_frame=plan.full_size_frame if refined else plan.ab_initio_frame,
        mask_radius=(curriculum.end_radius if len(learned) >= curriculum.epochs else learned[-1].mask_radius_pixel),
        size=plan.particle_size(progress.config).of_radius(learned[-1].particle_radius_angstrom),
    )
