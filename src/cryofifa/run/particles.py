"""The particles of a run as its phases need them: a random subset for ab initio, then all of them at full size."""

from __future__ import annotations

import torch
from jaxtyping import Int
from torch import Tensor

from cryofifa.half_map_refinement.half_sets import half_sets
from cryofifa.half_map_refinement.particle_frame import ParticleFrame
from cryofifa.half_map_refinement.projection_matching import ProjectionMatching
from cryofifa.names import READ_PARTICLES
from cryofifa.particles.copies import find_copies
from cryofifa.particles.kept_images import KeptImages, Room, keep_images
from cryofifa.particles.poses import Poses
from cryofifa.particles.preprocess import Frame, ParticleImages
from cryofifa.physics.fourier import HalfPlane
from cryofifa.physics.point_groups import symmetry_members
from cryofifa.run.session import Session
from cryofifa.stochastic_em.start import Start
from cryofifa.system.processes import Processes
from cryofifa.train.ab_initio import AbInitio
from cryofifa.train.encoder_refinement import EncoderRefinement
from cryofifa.train.random_draws import RandomDraws
from cryofifa.train.working_set import WorkingSet


class RunParticles:
    """The particles of one run: images are read when a phase first needs them, and kept as long as phases share them.

    Args:
        run: the run.
        images: all of its particles.
    """

    def __init__(self, run: Session, images: ParticleImages) -> None:
        self._run, self.images = run, images
        # images of all particles, kept from the first judged start or the half-map refinement on
        self._full_size_images: KeptImages | None = None
        self._working_set: tuple[tuple[Frame, Processes], WorkingSet] | None = None

    def working_set(self, frame: Frame, processes: Processes) -> WorkingSet:
        """The particles that take part in ab initio, cut to a frame, with those images that are this process's own.

        Asked for again with the same arguments, the same working set is returned without reading images anew.
        """
        if self._working_set is None or self._working_set[0] != (frame, processes):
            run, chosen = self._run, self.of_ab_initio()
            self._working_set = None  # its memory is free before other images are read
            with run.timed(READ_PARTICLES):
                ctf = self.images.ctf_parameters()[_own(chosen, processes)].to(run.device)
                images = self._kept_images(frame, chosen, processes)
            found = WorkingSet(chosen, images, ctf, frame.pixel_size_angstrom, run.plan.noise)
            self._working_set = (frame, processes), found
        return self._working_set[1]

    def of_ab_initio(self) -> Int[Tensor, " chosen"]:
        """0-based rows of the random subset that takes part in ab initio, rising."""
        everyone, plan = torch.arange(len(self.images.table)), self._run.plan
        order = RandomDraws(self._run.config.seed, "subset").order(everyone)
        return order[: plan.ab_initio_particles].sort().values

    def matching(self, trained: Start | AbInitio | EncoderRefinement) -> ProjectionMatching:
        """Projection matching of all particles at full size, masked by the particle's size as a training knows it.

        The images are kept until `forget_full_size_images` is called.
        """
        run, frame = self._run, self._run.plan.full_size_frame
        if self._full_size_images is None:
            with run.timed(READ_PARTICLES):
                everyone = torch.arange(len(self.images.table))
                self._full_size_images = self._kept_images(frame, everyone, run.processes)
        kept_images = self._full_size_images
        particles = ParticleFrame(
            lambda rows: kept_images.read(run.processes.local_index(torch.from_numpy(rows))),
            self.images.ctf_parameters().to(run.device),
            HalfPlane.of_box(frame.box_size, frame.pixel_size_angstrom, device=run.device),
            trained.size,
            symmetry_members(run.config.symmetry, run.device),
            run.processes,
        )
        return ProjectionMatching(run.config, particles, run.plan.shift_range_angstrom, trained.classes)

    def forget_full_size_images(self) -> None:
        """Drop the images of all particles: the final map reads untouched images from the stacks, and needs memory."""
        self._full_size_images = None

    def before_half_map_refinement(self, trained: Start | AbInitio | EncoderRefinement) -> Poses:
        """A table of all particles with their half sets, in which those of a training have the poses it has found."""
        table, run = self.images.table, self._run
        group = find_copies(table, run.plan.copy_distance_angstrom).group
        half = half_sets(table.random_subset, group, run.config.seed, run.log.warning)
        poses, chosen = Poses.unknown(half.to(self._run.device)), trained.particles.particle
        if trained.poses.class_index is not None:
            poses.class_index = torch.full_like(half, -1).to(self._run.device)
        poses.put(chosen, trained.poses)
        poses.posed[chosen] = trained.poses.posed
        return poses

    def _kept_images(self, frame: Frame, rows: Int[Tensor, " n"], processes: Processes) -> KeptImages:
        """The images of those of these rows that are this process's own, cut to a frame."""
        run, own = self._run, _own(rows, processes).numpy()
        room = Room.of_settings(run.config.memory_gib, run.config.cache_folder, run.config.cache_gib)
        return keep_images(self.images, frame, own, run.device, room, run.plan.least_bytes, run.log.line)


def _own(rows: Int[Tensor, " n"], processes: Processes) -> Int[Tensor, " own"]:
    return processes.shard(rows, torch.arange(len(rows)))
