"""The training loop: one epoch is one pass over the particles in random order.

minibatch -> mask -> encode -> search -> slice -> CTF, shift, mask -> loss -> loss ranking -> Adam

Of several processes each takes its own particles of every minibatch. What depends on the whole minibatch (loss ranking,
batch statistics, gradients) is exchanged between them.
"""

from __future__ import annotations

import time
from abc import ABC, abstractmethod
from collections.abc import Callable
from typing import ClassVar, Generic

import torch
from jaxtyping import Float, Int
from torch import Tensor

from cryofifa.particles.outlier_weight import bounded_influence
from cryofifa.particles.particle_radius import radius_of_volume
from cryofifa.particles.particle_size import ParticleSize
from cryofifa.particles.poses import Poses, known
from cryofifa.particles.preprocess import encoder_channels
from cryofifa.physics.central_slice import FourierGrid
from cryofifa.physics.fourier import HalfPlane
from cryofifa.physics.image_formation import form_image, mask_transform
from cryofifa.physics.point_groups import symmetry_members
from cryofifa.settings.config import Config
from cryofifa.system.memory import allowed_bytes_on
from cryofifa.system.processes import ALONE, Processes
from cryofifa.train.batch_statistics import with_shared_statistics
from cryofifa.train.curriculum import Curriculum, Stage, stage_at, stages_of_epoch
from cryofifa.train.decoder_choice import decoder_learning_rate, decoder_of
from cryofifa.train.epoch_record import WINNER_ORIGINS, EpochRecord, count_of_origins
from cryofifa.train.first_poses import random_poses
from cryofifa.train.loss_ranking import gradient_weight
from cryofifa.train.map_filter_choice import map_filter_of
from cryofifa.train.minibatch import Inference, Minibatch, StepNumber, random_minibatches, seen_through
from cryofifa.train.networks import Encoder, Networks
from cryofifa.train.particle_pass import ParticlePass, tensors_under
from cryofifa.train.pose_change import median_pose_change
from cryofifa.train.pose_search import PoseSearch
from cryofifa.train.random_draws import RandomDraws
from cryofifa.train.step_graph import RecordedSteps, recordable_stream
from cryofifa.train.working_set import WorkingSet

SETTLING_DEGREE = 20.0  # median pose change under which the decoder's map may say how large the particle is; our choice
DECODER_SHARE = 0.4  # of the memory that a run may still take, for the decoder's backward pass; our choice


class TrainingLoop(ABC, Generic[Encoder]):
    """Networks, remembered poses, and the loop over one epoch; a subclass says how poses are inferred.

    Args:
        config: settings of the run.
        curriculum: Fourier mask, search and learning rates at every point of the training.
        particles: images and optics at the working box.
        particle_radius_angstrom: the particle's radius as the run begins with it.
        shift_range_angstrom: the largest shift that a particle may be given.
        processes: the processes that train these networks together.
    """

    phase: ClassVar[str]

    def __init__(
        self,
        config: Config,
        curriculum: Curriculum,
        particles: WorkingSet,
        particle_radius_angstrom: float,
        shift_range_angstrom: float,
        processes: Processes = ALONE,
    ) -> None:
        self.config, self.curriculum, self.particles, self.processes = config, curriculum, particles, processes
        self.shift_range_angstrom = shift_range_angstrom
        # the decoder's map is looked at within this: before it tightens the radius, images and voxels are masked to it
        self.size = ParticleSize(particle_radius_angstrom, config.diameter_angstrom is not None, config.image)
        self.reach_angstrom = self.size.mask_radius_angstrom
        self.shift_sd_angstrom = shift_range_angstrom / 3
        self.device = particles.image.device
        self.plane = HalfPlane.of_box(particles.image.box_size, particles.pixel_size_angstrom, device=self.device)
        self.networks = self._new_networks()
        self.symmetry, self.map_filter = symmetry_members(config.symmetry, self.device), map_filter_of(config)
        self.search = PoseSearch(config.search_within_symmetry, config.seed, shift_range_angstrom)
        # mean over the last epoch, per Fourier point, of |y|^2 - |y - prediction|^2, bright junk bounded
        self.explained_power = 0.0
        self.poses = random_poses(len(particles), config.seed, self.device, self.networks.classes)
        self.so_far: ParticlePass | None = None  # the epoch that is under way
        self.recorded_steps = RecordedSteps.on(self.device, processes)

    @property
    def classes(self) -> int:
        """How many structures are learned."""
        return self.networks.classes

    @property
    @abstractmethod
    def minibatches_per_sampling(self) -> int:
        """Minibatches between two samplings of the decoders."""

    @abstractmethod
    def new_encoder(self) -> Encoder:
        """The encoder with new weights, which is trained beside the decoders."""

    @abstractmethod
    def infer(
        self, batch: Minibatch, sampled: list[FourierGrid], stage: Stage, epoch: int, step: StepNumber
    ) -> Inference:
        """The poses that explain a minibatch, and the loss that teaches the encoder.

        Args:
            batch: the particles.
            sampled: the volume of each class.
            stage: what holds at this step of the curriculum.
            epoch: number of the epoch, from 0.
            step: number of the minibatch in its epoch.
        """

    def train_epoch(self, epoch: int, on_step: Callable[[int], None] | None = None) -> EpochRecord:
        """Train for one pass over the particles, or for what is left of one, and return its record.

        Args:
            epoch: number of the epoch, from 0.
            on_step: called after every step with the number of its particles; `state` may be taken there.
        """
        started, draws = time.monotonic(), RandomDraws(self.config.seed, "order", epoch)
        everyone = torch.arange(len(self.particles), device=self.device)
        minibatches = random_minibatches(everyone, self.config.curriculum.minibatch, draws, self.processes)
        stages = stages_of_epoch(self.curriculum, epoch, len(minibatches))
        sums = torch.zeros(3 + len(WINNER_ORIGINS), device=self.device)
        so_far = self.so_far = self.so_far or ParticlePass(self.poses.copy(), sums)

        def one_step(number: int, members: Int[Tensor, " n"]) -> Float[Tensor, " sums"]:
            stage, sampled = stages[number], so_far.sampled
            for following in minibatches[number + 1 : number + 2]:
                self.particles.image.announce(self._rows_held(following))
            if not sampled or number % self.minibatches_per_sampling == 0 or stage.mask_radius > sampled[0].radius:
                so_far.sampled = self.sampled_volumes(stage)
            return self.recorded_steps(members, self.images_of(members), so_far.sampled, number)

        with recordable_stream(self.device), self.recorded_steps.of_epoch(epoch, stages, self._step):
            so_far.over(minibatches, one_step, on_step)
        self.so_far = None
        self.poses.all_gather(self.processes)
        return self._end_of_epoch(epoch, stages[-1], so_far, started)

    def _step(
        self,
        members: Int[Tensor, " n"],
        image: Float[Tensor, "own y x"],
        sampled: list[FourierGrid],
        stage: Stage,
        epoch: int,
        step: StepNumber,
    ) -> Float[Tensor, " sums"]:
        """Learn from one minibatch; returns this process's sums of loss, training loss, explained power and winners."""
        everyone, members = members, self.processes.shard(members, members)
        batch = self.minibatch_of(members, image, stage)
        found = self.infer(batch, sampled, stage, epoch, step)
        # each time the decoder learns a particle in another of its equivalent poses, and so becomes symmetric
        which = RandomDraws(self.config.seed, "symmetry", epoch).integers(members, 1, len(self.symmetry))[:, 0]
        equivalent = found.poses.rotation @ self.symmetry[which]
        slices = self.networks.slices(equivalent, found.poses.class_index, batch.plane)
        predicted = form_image(slices, batch.ctf, found.poses.shift_angstrom, batch.plane)
        predicted = mask_transform(predicted, batch.mask, batch.plane)
        loss = (predicted - batch.measured).abs().square().mean(dim=-1)
        power = batch.measured.abs().square().mean(dim=-1)
        # how much a particle counts depends on all losses of the minibatch, not on this process's alone
        ranked = self.processes.all_gather(torch.stack([loss.detach(), power], dim=1), everyone)
        every_loss, every_power = ranked.unbind(dim=1)
        weight = self.processes.shard(gradient_weight(every_loss, stage.keep_fraction), everyone)
        influence = self.processes.shard(bounded_influence(every_power), everyone)
        # both losses are means over this process's particles, which are this share of the minibatch
        share = len(members) / len(everyone)
        self.networks.learn(share * ((weight * loss).mean() + found.training_loss), stage, self.processes)
        self.poses.put(members, found.poses)
        explained = (power - loss.detach()) * influence
        winners = count_of_origins(known(found.poses.origin))
        training = found.training_loss.detach() * len(members)
        return torch.cat([torch.stack([loss.detach().sum(), training, explained.sum()]), winners])

    def _end_of_epoch(self, epoch: int, stage: Stage, so_far: ParticlePass, started: float) -> EpochRecord:
        """Keep what the epoch showed of shifts, radius and explained power, and make its record.

        started: when the epoch began, by time.monotonic().
        """
        self.shift_sd_angstrom = self._seen_shift_sd()
        turned, moved = median_pose_change(so_far.before, self.poses, self.symmetry)
        if turned is not None and turned < SETTLING_DEGREE:
            self.size = self.size.tightened(self._radius_of_decoder(stage))
        means = self.processes.all_reduce(so_far.sums) / len(self.particles)
        loss, encoder_loss, self.explained_power, *origins = means.tolist()
        return EpochRecord(
            epoch=epoch,
            particles=len(self.particles),
            mask_radius_pixel=stage.mask_radius,
            resolution_angstrom=self.plane.extent_angstrom / stage.mask_radius,
            loss=loss,
            encoder_loss=encoder_loss,
            pose_change_median_degree=turned,
            shift_change_median_angstrom=moved,
            winner_shares=dict(zip(WINNER_ORIGINS, origins, strict=True)),
            particle_radius_angstrom=self.size.radius_angstrom,
            seconds=time.monotonic() - started,  # only now has a GPU come to the end of the epoch
            phase=self.phase,
        )

    def state(self) -> dict[str, Tensor]:
        """Everything that a resumed run needs, as tensors by name; all processes must call it at the same time."""
        self.poses.all_gather(self.processes)
        tensors = {f"poses.{name}": value for name, value in self.poses.columns().items()} | self.networks.state()
        if self.so_far is not None:
            tensors |= {f"epoch.{name}": value for name, value in self.so_far.state(self.processes).items()}
        learned = [self.size.radius_angstrom, self.shift_sd_angstrom, self.explained_power]
        return tensors | {"learned": torch.tensor(learned, dtype=torch.float64)}

    def load_state(self, tensors: dict[str, Tensor]) -> None:
        """Restore what `state` gave, so that training goes on from there.

        Raises:
            InputError: if it was taken within an epoch by another number of processes.
        """
        self.poses = Poses.from_columns(tensors_under(tensors, "poses."))
        self.networks.load_state(tensors)
        radius_angstrom, self.shift_sd_angstrom, self.explained_power = tensors["learned"].tolist()
        self.size = self.size.of_radius(radius_angstrom)
        epoch = tensors_under(tensors, "epoch.")
        self.so_far = ParticlePass.from_state(epoch, self.processes, "epoch") if epoch else None

    def resolution_angstrom(self, epoch: int) -> float:
        """Resolution of the Fourier mask at the beginning of an epoch."""
        return self.plane.extent_angstrom / stage_at(self.curriculum, epoch / self.curriculum.epochs).mask_radius

    def volumes(self, size: int, radius: float) -> list[Float[Tensor, "z y x"]]:
        """Every class's volume at this number of voxels over the extent, up to a radius in Fourier pixels."""
        return [self.networks.decoder(index).volume(size, radius) for index in range(self.networks.classes)]

    def sampled_volumes(self, stage: Stage) -> list[FourierGrid]:
        """The volumes that candidates are scored with: every class's decoder on a grid, symmetric and map-filtered."""
        sampled = self.networks.sampled(stage.mask_radius, self.symmetry, self.processes)
        return [self.map_filter.sampled(grid, self.plane.extent_angstrom) for grid in sampled]

    def encoder_input(self, masked: Float[Tensor, "n y x"]) -> Float[Tensor, "n 2 y x"]:
        """The encoder's two channels (paper): the masked particle, and a Butterworth low-passed copy."""
        settings = self.config.image
        return encoder_channels(masked, settings.butterworth_resolution_share, settings.butterworth_order)

    def images_of(self, members: Int[Tensor, " n"]) -> Float[Tensor, "own y x"]:
        """The images, as they are kept, of those members that are this process's own."""
        return self.particles.image.read(self._rows_held(members))

    def minibatch(self, members: Int[Tensor, " n"], stage: Stage) -> Minibatch:
        """A minibatch of this process's own members."""
        return self.minibatch_of(members, self.images_of(members), stage)

    def minibatch_of(self, members: Int[Tensor, " n"], image: Float[Tensor, "n y x"], stage: Stage) -> Minibatch:
        """A minibatch of members whose images, as they are kept, are given; seen through the stage's Fourier mask."""
        plane, optics = self.plane.within(stage.mask_radius), self.particles.ctf[self.processes.local_index(members)]
        poses = self.poses.select(members)
        return seen_through(
            plane, self.particles.noise, image, optics, members, poses, self.size, self.shift_sd_angstrom
        )

    def _new_networks(self) -> Networks[Encoder]:
        config = self.config
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(config.seed)
            encoder = with_shared_statistics(self.new_encoder(), self.processes)
            decoders = [decoder_of(config, self.plane.box_size, self.plane.pixel_size_angstrom, self.size)]
        share = DECODER_SHARE / len(decoders)
        for decoder in decoders:
            decoder.fit_into(int(share * allowed_bytes_on(self.device, config.memory_gib)))
        return Networks(encoder, decoders, config.encoder.learning_rate, decoder_learning_rate(config), self.device)

    def _rows_held(self, members: Int[Tensor, " n"]) -> Int[Tensor, " own"]:
        """Rows, among the images that this process holds, of those members that are its own."""
        return self.processes.local_index(self.processes.shard(members, members))

    def _seen_shift_sd(self) -> float:
        """Standard deviation along an axis of the shifts found so far, within what the search can tell."""
        spread = float(self.poses.shift_angstrom[self.poses.posed].square().mean().sqrt())
        return min(max(spread, 0.05 * self.size.radius_angstrom), self.shift_range_angstrom)

    def _radius_of_decoder(self, stage: Stage) -> float:
        """The particle's radius in angstrom as the decoders' maps show it: that of the largest class."""
        pixel_size_angstrom = self.plane.pixel_size_angstrom
        reach_pixel = self.reach_angstrom / pixel_size_angstrom
        volumes = (
            self.networks.decoder(index).volume(self.plane.box_size, stage.mask_radius)
            for index in range(self.networks.classes)
        )
        return max(radius_of_volume(volume, reach_pixel) for volume in volumes) * pixel_size_angstrom
