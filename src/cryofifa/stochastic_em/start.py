"""One independent start of ab initio: a map and poses from nothing, by stochastic expectation maximisation.

minibatch -> posterior of every image over random orientations and shifts -> running map of the last particles seen

The map remembers few particles, so it changes all the time and leaves a wrong shape again; the right one, which
explains far more, it keeps. Measured (LOG.md): sets with coloured noise, micelles and 40 % junk that a search for each
image's best pose never got right are found by most starts.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import ClassVar

import torch
from jaxtyping import Float, Int
from torch import Tensor

from cryofifa.names import STARTS
from cryofifa.particles.outlier_weight import bounded_influence
from cryofifa.particles.particle_size import ParticleSize
from cryofifa.particles.poses import Poses
from cryofifa.particles.signal_spectrum import SignalSpectrum
from cryofifa.physics.back_projection import BackProjector
from cryofifa.physics.central_slice import FourierGrid
from cryofifa.physics.fourier import HalfPlane, rescale_volume
from cryofifa.physics.mask import spherical_mask
from cryofifa.physics.point_groups import symmetry_members
from cryofifa.physics.resample import low_pass_ball
from cryofifa.physics.rotations import rotation_from_uniform
from cryofifa.physics.shift import displacement_phase
from cryofifa.settings.config import Config
from cryofifa.stochastic_em.posterior import Posterior, posterior_of
from cryofifa.stochastic_em.running_map import RunningMap
from cryofifa.stochastic_em.schedule import FINISHING_EPOCHS, StartSchedule
from cryofifa.system.processes import ALONE
from cryofifa.train.epoch_record import WINNER_ORIGINS, EpochRecord
from cryofifa.train.first_poses import random_poses
from cryofifa.train.minibatch import Minibatch, random_minibatches, seen_through
from cryofifa.train.particle_pass import ParticlePass, tensors_under
from cryofifa.train.pose_change import median_pose_change
from cryofifa.train.random_draws import RandomDraws
from cryofifa.train.working_set import WorkingSet

MOST_FOR_MEDIAN = 1000  # particles from which the usual brightness is estimated; our choice


class Start:
    """One start: its map, its poses, and one epoch of it.

    Args:
        config: settings of the run, with the seed of this start.
        schedule: how the start goes on.
        particles: images and optics at the working box, all of them in this process.
        signal: the particles' spectra.
        size: the particle's size.
        shift_range_angstrom: the largest shift that a particle may be given.
    """

    phase: ClassVar[str] = STARTS
    classes: ClassVar[int] = 1

    def __init__(
        self,
        config: Config,
        schedule: StartSchedule,
        particles: WorkingSet,
        signal: SignalSpectrum,
        size: ParticleSize,
        shift_range_angstrom: float,
    ) -> None:
        self.config, self.schedule, self.particles, self.size = config, schedule, particles, size
        self.shift_range_angstrom = shift_range_angstrom
        self.device, box = particles.image.device, particles.image.box_size
        self.plane = HalfPlane.of_box(box, particles.pixel_size_angstrom, device=self.device)
        self.symmetry = symmetry_members(config.symmetry, self.device)
        ball = size.image_mask(particles.pixel_size_angstrom)
        self.map = RunningMap(
            BackProjector.empty(box, self.device),
            signal.slice_power_in(self.plane.extent_angstrom, box // 2 + 1).to(self.device),
            spherical_mask(box, ball.radius_pixel, ball.edge_pixel, self.device),
        )
        self.poses = random_poses(len(particles), config.seed, self.device)
        # mean over the last epoch, per Fourier point, of |y|^2 - |y - CTF s|^2 over the posterior, bright junk bounded
        self.explained_power = 0.0
        self.rested_after: int | None = None  # epochs after which the start came to its end; None before
        self.so_far: ParticlePass | None = None  # the epoch that is under way
        self._usual_power = self._median_power()

    @property
    def epochs_in_all(self) -> int:
        """How many epochs the start has, as far as is known."""
        return (self.schedule.most_epochs if self.rested_after is None else self.rested_after) + FINISHING_EPOCHS

    def is_finished(self, epochs: int) -> bool:
        """Whether the start is at its end after so many epochs."""
        return epochs >= self.epochs_in_all

    def resolution_angstrom(self, epoch: int) -> float:
        """Resolution of the Fourier mask at the beginning of an epoch."""
        return self.plane.extent_angstrom / self._radius(epoch)

    def train_epoch(self, epoch: int, on_step: Callable[[int], None] | None = None) -> EpochRecord:
        """Go over all particles once, or over what is left of such an epoch, and return its record.

        After its end a start only counts its steps, for the others that are made beside it; nothing changes then.

        Args:
            epoch: number of the epoch, from 0.
            on_step: called after every step with the number of its particles; `state` may be taken there.
        """
        started, everyone = time.monotonic(), torch.arange(len(self.particles), device=self.device)
        draws = RandomDraws(self.config.seed, "order", epoch)
        minibatches = random_minibatches(everyone, self.config.starts.minibatch, draws, ALONE)
        so_far = self.so_far = self.so_far or ParticlePass(self.poses.copy(), torch.zeros(1, device=self.device))

        is_waiting = self.is_finished(epoch)

        def one_step(number: int, members: Int[Tensor, " n"]) -> Float[Tensor, " sums"]:
            if is_waiting:
                return torch.zeros(1, device=self.device)
            for following in minibatches[number + 1 : number + 2]:
                self.particles.image.announce(following)
            return self._step(members, epoch, number, epoch + number / len(minibatches))

        so_far.over(minibatches, one_step, on_step)
        self.so_far = None
        if not is_waiting:
            self.explained_power = float(so_far.sums) / len(self.particles)
        turned, moved = median_pose_change(so_far.before, self.poses, self.symmetry)
        # random poses of a symmetric particle differ by less, by the cube root of its group's members
        settled_degree = self.config.starts.settled_degree * len(self.symmetry) ** (-1 / 3)
        rests = turned is not None and turned < settled_degree
        if self.rested_after is None and (rests or epoch + 1 >= self.schedule.most_epochs):
            self.rested_after = epoch + 1
        radius = self._radius(epoch + 1)
        return EpochRecord(
            epoch=epoch,
            particles=len(self.particles),
            mask_radius_pixel=radius,
            resolution_angstrom=self.plane.extent_angstrom / radius,
            loss=float("nan"),  # nothing is learned by a loss here
            encoder_loss=float("nan"),
            pose_change_median_degree=turned,
            shift_change_median_angstrom=moved,
            winner_shares={origin: float(origin == "orientation set") for origin in WINNER_ORIGINS},
            particle_radius_angstrom=self.size.radius_angstrom,
            seconds=time.monotonic() - started,
            phase=self.phase,
        )

    def state(self) -> dict[str, Tensor]:
        """Everything that a resumed start needs, as tensors by name."""
        tensors = {f"poses.{name}": value for name, value in self.poses.columns().items()}
        if self.so_far is not None:
            tensors |= {f"epoch.{name}": value for name, value in self.so_far.state(ALONE).items()}
        rested = -1 if self.rested_after is None else self.rested_after
        sums = self.map.sums
        return tensors | {
            "map": torch.stack([sums.data_real, sums.data_imaginary, sums.weight]),
            "learned": torch.tensor([self.explained_power, rested], dtype=torch.float64),
        }

    def load_state(self, tensors: dict[str, Tensor]) -> None:
        """Restore what `state` gave, so that the start goes on from there."""
        self.poses = Poses.from_columns(tensors_under(tensors, "poses."))
        sums = self.map.sums
        for mine, kept in zip((sums.data_real, sums.data_imaginary, sums.weight), tensors["map"], strict=True):
            mine.copy_(kept)
        self.explained_power, rested = tensors["learned"].tolist()
        self.rested_after = None if rested < 0 else int(rested)
        epoch = tensors_under(tensors, "epoch.")
        self.so_far = ParticlePass.from_state(epoch, ALONE, "epoch") if epoch else None

    def volumes(self, size: int, radius: float) -> list[Float[Tensor, "z y x"]]:
        """The map at another number of voxels over the same extent, low-passed at a radius in Fourier pixels."""
        return [low_pass_ball(rescale_volume(self.map.volume(), size), radius)]

    def _step(self, members: Int[Tensor, " n"], epoch: int, number: int, epochs: float) -> Float[Tensor, " sums"]:
        """Let one minibatch change the map and its own poses; returns the sum of what the map explained."""
        finishing = None if self.rested_after is None else epochs - self.rested_after
        batch = self._minibatch(members, self._radius(epochs))
        influence = bounded_influence(batch.measured.abs().square().sum(dim=1), self._power_within(batch.plane))
        found = self._found(batch, influence, RandomDraws(self.config.seed, "orientations", epoch), number)
        self.poses.put(members, Poses.found(found.best_rotation, found.shift_angstrom))
        self.map.forget(min(1.0, len(members) / self.schedule.memory(len(self.particles), finishing)))
        self.map.add(found.data, found.weight, self._equivalent(found, epoch, number), batch.plane)
        return (found.explained * influence).sum()[None] / len(batch.plane)

    def _found(self, batch: Minibatch, influence: Float[Tensor, " n"], draws: RandomDraws, number: int) -> Posterior:
        """The posterior of a minibatch; while there is no map yet, every image counts in its random first pose."""
        if self.map.is_empty:
            phase = displacement_phase(batch.shift_angstrom, batch.plane.frequency_per_angstrom)
            data, weight = batch.measured * phase.conj() * batch.ctf, batch.ctf.square()
            counted = influence[:, None]
            none = torch.zeros_like(influence)
            return Posterior(
                batch.rotation, data * counted, weight * counted, batch.rotation, batch.shift_angstrom, none
            )
        grid = FourierGrid.from_volume(self.map.volume(), batch.plane.largest_radius)
        which = torch.tensor([number], device=self.device)
        uniform = draws.uniform(which, 3 * self.config.starts.orientations)
        orientations = rotation_from_uniform(uniform.reshape(-1, 3))
        return posterior_of(batch, influence, grid.symmetrised(self.symmetry), orientations, self.shift_range_angstrom)

    def _equivalent(self, found: Posterior, epoch: int, number: int) -> Float[Tensor, "orientations 3 3"]:
        """Every orientation in another of its equivalent poses each time, so that the map becomes symmetric."""
        rotation = found.rotation_volume_to_image
        draws, every = RandomDraws(self.config.seed, "symmetry", epoch), torch.tensor([number], device=self.device)
        return rotation @ self.symmetry[draws.integers(every, len(rotation), len(self.symmetry))[0]]

    def _minibatch(self, members: Int[Tensor, " n"], radius: float) -> Minibatch:
        image = self.particles.image.read(members)
        optics, plane = self.particles.ctf[members], self.plane.within(radius)
        shift_sd = self.shift_range_angstrom / 3
        return seen_through(
            plane, self.particles.noise, image, optics, members, self.poses.select(members), self.size, shift_sd
        )

    def _radius(self, epochs: float) -> float:
        return self.schedule.radius(epochs, None if self.rested_after is None else epochs - self.rested_after)

    def _median_power(self) -> Float[Tensor, " points"]:
        """Median over some images of their power summed up to every Fourier point."""
        some = torch.arange(len(self.particles), device=self.device)[:: max(1, len(self.particles) // MOST_FOR_MEDIAN)]
        batch = self._minibatch(some, self.plane.largest_radius)
        return batch.measured.abs().square().cumsum(dim=1).median(dim=0).values

    def _power_within(self, plane: HalfPlane) -> Float[Tensor, ""]:
        return self._usual_power[len(plane) - 1]
