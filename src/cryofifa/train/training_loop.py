"""The training loop: one epoch is one pass over the particles in random order.

minibatch -> mask -> encode -> search -> slice -> CTF, shift, mask -> loss -> junk filter -> Adam

Of several processes each takes its own particles of every minibatch; what the minibatch decides is decided by all.
"""

from __future__ import annotations

import time
from abc import ABC, abstractmethod
from collections.abc import Callable
from typing import ClassVar, Generic, TypeVar

import torch
from jaxtyping import Float, Int
from torch import Tensor, nn

from cryofifa.particles.outlier_weight import bounded_influence
from cryofifa.particles.particle_radius import radius_of_volume
from cryofifa.particles.preprocess import encoder_channels
from cryofifa.physics.central_slice import FourierGrid
from cryofifa.physics.ctf import contrast_transfer
from cryofifa.physics.fourier import HalfPlane, fourier_2d
from cryofifa.physics.image_formation import form_image, mask_transform
from cryofifa.physics.mask import circular_mask
from cryofifa.physics.point_groups import symmetry_members
from cryofifa.settings.config import Config
from cryofifa.system.memory import allowed_bytes_on
from cryofifa.system.processes import ALONE, Processes
from cryofifa.train.batch_statistics import with_shared_statistics
from cryofifa.train.curriculum import Curriculum, Stage, stage_at
from cryofifa.train.decoder_choice import decoder_learning_rate, decoder_of
from cryofifa.train.epoch_record import WINNER_ORIGINS, EpochRecord, count_of_origins
from cryofifa.train.loss_ranking import gradient_weight
from cryofifa.train.minibatch import InferredPoses, Minibatch, StepNumber
from cryofifa.train.pose_change import median_pose_change
from cryofifa.train.pose_memory import EpochSoFar, PoseMemory, tensors_under
from cryofifa.train.pose_search import PoseSearch
from cryofifa.train.random_draws import RandomDraws
from cryofifa.train.step_graph import StepGraph, recordable_stream
from cryofifa.train.working_set import WorkingSet

SETTLING_DEGREE = 20.0  # median pose change under which the decoder's map may say how large the particle is; our choice
DECODER_SHARE = 0.4  # of the memory that a run may still take, for the decoder's way back; our choice

Encoder = TypeVar("Encoder", bound=nn.Module)


class TrainingLoop(ABC, Generic[Encoder]):
    """Networks, optimiser and pose memory, and the loop over one epoch; what infers the poses is the subclass's."""

    phase: ClassVar[str]
    encoder: Encoder

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
        device = particles.image.device
        self.particle_radius_angstrom = particle_radius_angstrom
        self.shift_range_angstrom = shift_range_angstrom
        # of the decoder's map: before it tightens the radius, images are masked to this, and voxels too
        self.reach_angstrom = self.mask_radius_angstrom
        self.shift_sd_angstrom = shift_range_angstrom / 3
        self.plane = HalfPlane.of_box(particles.image.box_size, particles.pixel_size_angstrom, device=device)
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(config.seed)
            self.encoder = with_shared_statistics(self.new_encoder(), processes).to(device)
            decoder = decoder_of(config, self.plane.box_size, self.plane.pixel_size_angstrom, particle_radius_angstrom)
        self.decoder = decoder.to(device)
        self.decoder.fit_into(int(DECODER_SHARE * allowed_bytes_on(device, config.memory_gib)))
        self.decoder_learning_rate = decoder_learning_rate(config)
        self.optimiser = torch.optim.Adam(
            [
                {"params": self.encoder.parameters(), "lr": config.encoder.learning_rate},
                {"params": self.decoder.parameters(), "lr": self.decoder_learning_rate},
            ],
            fused=True,
            capturable=device.type == "cuda",
        )
        # processes that sum over each other cannot be recorded
        self.step_graph = StepGraph() if device.type == "cuda" and processes.alone else None
        self.symmetry = symmetry_members(config.symmetry, device)
        self.search = PoseSearch(
            config.search_within_symmetry, config.seed, particle_radius_angstrom, shift_range_angstrom
        )
        # of the last epoch, per Fourier point: mean |y|^2 - |y - prediction|^2, bright junk bounded
        self.explained_power = 0.0
        self.poses = PoseMemory.random(len(particles), config.seed, device)
        self.so_far: EpochSoFar | None = None  # of an epoch that is not at its end

    @property
    @abstractmethod
    def minibatches_per_sampling(self) -> int:
        """Minibatches between two samplings of the decoder."""

    @abstractmethod
    def new_encoder(self) -> Encoder:
        """The network that is trained beside the decoder."""

    @abstractmethod
    def infer(self, batch: Minibatch, grid: FourierGrid, stage: Stage, epoch: int, step: StepNumber) -> InferredPoses:
        """The poses that a minibatch is to be explained with, and what teaches the encoder."""

    def train_epoch(self, epoch: int, on_step: Callable[[int], None] | None = None) -> EpochRecord:
        """One pass over the particles, or what is left of one; returns what happened.

        on_step: called after every step with the number of its particles; `state` may be taken there.
        """
        started, minibatches = time.monotonic(), self._minibatches(epoch)
        stages = [
            stage_at(self.curriculum, (epoch + step / len(minibatches)) / self.curriculum.epochs)
            for step in range(len(minibatches))
        ]
        so_far = self.so_far = self.so_far or EpochSoFar(
            self.poses.copy(), torch.zeros(3 + len(WINNER_ORIGINS), device=self.plane.index_xy.device)
        )
        with recordable_stream(self.plane.index_xy.device):
            step_of_epoch = self._recorded_steps(epoch, stages)
            for step in range(so_far.steps, len(minibatches)):
                members, stage = minibatches[step], stages[step]
                for following in minibatches[step + 1 : step + 2]:
                    self.particles.image.announce(
                        self.processes.local_index(self.processes.shard(following, following))
                    )
                if (
                    so_far.grid is None
                    or step % self.minibatches_per_sampling == 0
                    or stage.mask_radius > so_far.grid.radius
                ):
                    so_far.grid = self.sampled_volume(stage)
                so_far.sums += step_of_epoch(members, so_far.grid, step)
                so_far.steps = step + 1
                if on_step is not None:
                    on_step(len(members))
        self.so_far = None
        self.poses = self.poses.merged(self.processes)
        before, stage = so_far.before, stages[-1]
        self.shift_sd_angstrom = self._seen_shift_sd()
        turned, moved = median_pose_change(before, self.poses, self.symmetry)
        if turned is not None and turned < SETTLING_DEGREE:
            self.particle_radius_angstrom = self._tightened_radius(stage)
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
            particle_radius_angstrom=self.particle_radius_angstrom,
            seconds=time.monotonic() - started,
            phase=self.phase,
        )

    def state(self) -> dict[str, Tensor]:
        """Everything that a resumed run needs, by name; all processes take it together."""
        tensors = {f"poses.{name}": value for name, value in vars(self.poses.merged(self.processes)).items()}
        for part, module in (("encoder", self.encoder), ("decoder", self.decoder)):
            tensors |= {f"{part}.{name}": value for name, value in module.state_dict().items()}
        for index, slots in self.optimiser.state_dict()["state"].items():
            tensors |= {f"optimiser.{index}.{name}": value for name, value in slots.items()}
        if self.so_far is not None:
            tensors |= {f"epoch.{name}": value for name, value in self.so_far.state(self.processes).items()}
        known = [self.particle_radius_angstrom, self.shift_sd_angstrom]
        return tensors | {"known": torch.tensor(known, dtype=torch.float64)}

    def load_state(self, tensors: dict[str, Tensor]) -> None:
        """Go on where `state` was taken."""
        self.poses = PoseMemory(**tensors_under(tensors, "poses."))
        self.load_networks(tensors)
        slots: dict[int, dict[str, Tensor]] = {}
        for name, value in tensors_under(tensors, "optimiser.").items():
            index, slot = name.split(".")
            slots.setdefault(int(index), {})[slot] = value
        self.optimiser.load_state_dict({**self.optimiser.state_dict(), "state": slots})
        self.particle_radius_angstrom, self.shift_sd_angstrom = tensors["known"].tolist()
        epoch = tensors_under(tensors, "epoch.")
        self.so_far = EpochSoFar.from_state(epoch, self.processes) if epoch else None

    def load_networks(self, tensors: dict[str, Tensor]) -> None:
        """Encoder and decoder as `state` took them."""
        self.encoder.load_state_dict(tensors_under(tensors, "encoder."))
        self.decoder.load_state_dict(tensors_under(tensors, "decoder."))

    def _minibatches(self, epoch: int) -> list[Int[Tensor, " n"]]:
        """All particles in random order, a share of every minibatch for each process."""
        everyone = torch.arange(len(self.particles), device=self.plane.index_xy.device)
        order = self.processes.balanced(RandomDraws(self.config.seed, "order", epoch).order(everyone))
        minibatches = list(order.split(self.config.curriculum.minibatch))
        # batch statistics need more than one particle, and every process one
        if len(minibatches) > 1 and len(minibatches[-1]) < max(2, self.processes.count):
            minibatches[-2:] = [torch.cat(minibatches[-2:])]
        return minibatches

    def _recorded_steps(self, epoch: int, stages: list[Stage]) -> Callable[[Tensor, FourierGrid, int], Tensor]:
        """The epoch's steps of a minibatch, a sampled volume and a number; on a GPU each is recorded if it can be."""

        def plain(members: Tensor, grid: FourierGrid, step: int) -> Tensor:
            return self._step(members, self.images_of(members), grid, stages[step], epoch, step)

        graph, device = self.step_graph, self.plane.index_xy.device
        if graph is None:
            return plain
        graph.forget()
        # sent at once, for each transfer would make the GPU wait
        numbers = torch.tensor([stage.numbers for stage in stages], device=device)
        count = torch.arange(len(stages), device=device)

        def recorded(members: Tensor, grid: FourierGrid, step: int) -> Tensor:
            stage, radius = stages[step], grid.radius

            def again(members: Tensor, image: Tensor, values: Tensor, numbers: Tensor, step: Tensor) -> Tensor:
                grid = FourierGrid(values, radius)
                return self._step(members, image, grid, stage.with_numbers(numbers), epoch, step)

            alike = (stage.lasting, radius, len(members))
            image = self.images_of(members)
            return graph(alike, again, members, image, grid.real_imaginary, numbers[step], count[step])

        return recorded

    def _step(
        self,
        members: Int[Tensor, " n"],
        image: Float[Tensor, "own y x"],
        grid: FourierGrid,
        stage: Stage,
        epoch: int,
        step: StepNumber,
    ) -> Float[Tensor, " sums"]:
        """One minibatch; returns this process's sums of loss, teaching loss, explained power and winners' origins."""
        everyone, members = members, self.processes.shard(members, members)
        batch = self.minibatch_of(members, image, stage)
        poses = self.infer(batch, grid, stage, epoch, step)
        # the network learns every particle in one of its equivalent poses at a time, and so becomes symmetric
        which = RandomDraws(self.config.seed, "symmetry", epoch).integers(members, 1, len(self.symmetry))[:, 0]
        slices = self.decoder.slices(poses.rotation @ self.symmetry[which], batch.plane)
        predicted = form_image(slices, batch.ctf, poses.shift_angstrom, batch.plane)
        predicted = mask_transform(predicted, batch.mask, batch.plane)
        loss = (predicted - batch.measured).abs().square().mean(dim=-1)
        power = batch.measured.abs().square().mean(dim=-1)
        # what a particle counts is said by all losses of the minibatch, not by this process's
        ranked = self.processes.all_gather(torch.stack([loss.detach(), power], dim=1), everyone)
        every_loss, every_power = ranked.unbind(dim=1)
        weight = self.processes.shard(gradient_weight(every_loss, stage.keep_fraction), everyone)
        influence = self.processes.shard(bounded_influence(every_power), everyone)
        encoder_group, decoder_group = self.optimiser.param_groups
        encoder_group["lr"] = self.config.encoder.learning_rate * stage.encoder_rate
        decoder_group["lr"] = self.decoder_learning_rate * stage.decoder_rate
        self.optimiser.zero_grad(set_to_none=True)
        # both are means over this process's particles: its share of the minibatch's
        share = len(members) / len(everyone)
        (share * ((weight * loss).mean() + poses.teaching_loss)).backward()
        self.processes.all_reduce_gradients(p for group in self.optimiser.param_groups for p in group["params"])
        self.optimiser.step()
        self.poses.rotation[members] = poses.rotation.detach()
        self.poses.shift_angstrom[members] = poses.shift_angstrom.detach()
        self.poses.posed.index_fill_(0, members, 1)
        explained = (power - loss.detach()) * influence
        winners = count_of_origins(poses.origin)
        teaching = poses.teaching_loss.detach() * len(members)
        return torch.cat([torch.stack([loss.detach().sum(), teaching, explained.sum()]), winners])

    def sampled_volume(self, stage: Stage) -> FourierGrid:
        """What candidates are scored with: the decoder sampled, and made exactly symmetric."""
        return self.decoder.sampled(stage.mask_radius, self.processes.map_sharded).symmetrised(self.symmetry)

    def encoder_input(self, masked: Float[Tensor, "n y x"]) -> Float[Tensor, "n 2 y x"]:
        settings = self.config.image
        return encoder_channels(masked, settings.butterworth_resolution_share, settings.butterworth_order)

    def images_of(self, members: Int[Tensor, " n"]) -> Float[Tensor, "own y x"]:
        """Those that are this process's own."""
        return self.particles.image.read(self.processes.local_index(self.processes.shard(members, members)))

    def minibatch(self, members: Int[Tensor, " n"], stage: Stage) -> Minibatch:
        """Of this process's own members."""
        return self.minibatch_of(members, self.images_of(members), stage)

    def minibatch_of(self, members: Int[Tensor, " n"], image: Float[Tensor, "n y x"], stage: Stage) -> Minibatch:
        """The members as the physics wants them; image: as they are kept."""
        plane, held = self.plane.within(stage.mask_radius), self.processes.local_index(members)
        noise = self.particles.noise
        image = noise.whitened(image, plane.pixel_size_angstrom)
        shift = self.poses.shift_angstrom[members]
        # the particle sits at minus its shift from the centre, and the mask goes with it
        mask_centre = -shift if self.config.image.mask_follows_shift else torch.zeros_like(shift)
        mask = circular_mask(
            plane.box_size,
            self.mask_radius_angstrom / plane.pixel_size_angstrom,
            self.config.image.mask_edge_share * self.particle_radius_angstrom / plane.pixel_size_angstrom,
            mask_centre / plane.pixel_size_angstrom,
            device=image.device,
        )
        measured = plane.gather(fourier_2d(image * mask)) / plane.box_size
        ctf = contrast_transfer(self.particles.ctf[held], plane.frequency_per_angstrom)
        ctf = ctf * noise.whitening_gain(plane.frequency_per_angstrom.norm(dim=-1))
        return Minibatch(
            particle=members,
            image=image,
            mask=mask,
            measured=measured,
            ctf=ctf,
            plane=plane,
            rotation=self.poses.rotation[members],
            shift_angstrom=shift,
            shift_sd_angstrom=self.shift_sd_angstrom,
        )

    @property
    def mask_radius_angstrom(self) -> float:
        return self.config.image.mask_margin * self.particle_radius_angstrom

    def _seen_shift_sd(self) -> float:
        """Spread of the shifts found so far along an axis, within what the search can tell."""
        spread = float(self.poses.shift_angstrom[self.poses.posed].square().mean().sqrt())
        return min(max(spread, 0.05 * self.particle_radius_angstrom), self.shift_range_angstrom)

    def _tightened_radius(self, stage: Stage) -> float:
        """The particle's radius as the decoder's map shows it: never grows, and only where nobody gave it."""
        if self.config.diameter_angstrom is not None:
            return self.particle_radius_angstrom
        volume = self.decoder.volume(self.plane.box_size, stage.mask_radius)
        pixel_size_angstrom = self.plane.pixel_size_angstrom
        seen = radius_of_volume(volume, self.reach_angstrom / pixel_size_angstrom) * pixel_size_angstrom
        return min(self.particle_radius_angstrom, max(seen, 0.8 * self.particle_radius_angstrom))
