"""The particles of a run as its phases want them: cut to a frame, this process's own, all or a random subset."""

from __future__ import annotations

import torch
from jaxtyping import Int
from torch import Tensor

from cryofifa.particles.kept_images import KeptImages, keep_images
from cryofifa.particles.preprocess import Frame, ParticleImages
from cryofifa.physics.fourier import HalfPlane
from cryofifa.run_so_far import RunSoFar
from cryofifa.train.ab_initio import AbInitio
from cryofifa.train.half_sets import half_sets
from cryofifa.train.local_refinement import LocalRefinement
from cryofifa.train.polish_state import PolishState
from cryofifa.train.process_group import Processes
from cryofifa.train.projection_matching import ProjectionMatching
from cryofifa.train.random_draws import RandomDraws
from cryofifa.train.training_loop import WorkingSet


class RunParticles:
    """Particles of one run, read as its plan says."""

    def __init__(self, run: RunSoFar, images: ParticleImages) -> None:
        self._run, self.images = run, images
        self._polish_images: KeptImages | None = None  # all particles, from the first judged start or the polish on
        self._working_set: tuple[tuple[Frame, Processes], WorkingSet] | None = None

    def working_set(self, frame: Frame, processes: Processes) -> WorkingSet:
        """Those that take part in ab initio, shared among these processes; the last one that was asked for is kept."""
        if self._working_set is None or self._working_set[0] != (frame, processes):
            run, chosen = self._run, self.of_ab_initio()
            self._working_set = None  # before others are read
            with run.timed("read particles"):
                ctf = self.images.ctf_parameters()[_own(chosen, processes)].to(run.device)
                images = self._kept_images(frame, chosen, processes)
            found = WorkingSet(chosen, images, ctf, frame.pixel_size_angstrom, run.plan.noise)
            self._working_set = (frame, processes), found
        return self._working_set[1]

    def of_ab_initio(self) -> Int[Tensor, " chosen"]:
        """Rows of the random subset that takes part in ab initio."""
        everyone, plan = torch.arange(len(self.images.table)), self._run.plan
        order = RandomDraws(self._run.config.seed, "subset").order(everyone)
        return order[: plan.ab_initio_particles].sort().values

    def matching(self, trained: AbInitio | LocalRefinement) -> ProjectionMatching:
        """Of all particles; their images are kept until `forget_polish_images`."""
        run, frame = self._run, self._run.plan.polish_frame
        if self._polish_images is None:
            with run.timed("read particles"):
                everyone = torch.arange(len(self.images.table))
                self._polish_images = self._kept_images(frame, everyone, run.processes)
        kept_images = self._polish_images
        return ProjectionMatching(
            run.config,
            lambda rows: kept_images.read(run.processes.local(torch.from_numpy(rows))),
            self.images.ctf_parameters().to(run.device),
            HalfPlane.of_box(frame.box_size, frame.pixel_size_angstrom, device=run.device),
            trained.particle_radius_angstrom,
            run.plan.shift_range_angstrom,
            run.processes,
        )

    def forget_polish_images(self) -> None:
        """The final map reads the untouched ones, and wants the memory."""
        self._polish_images = None

    def before_polish(self, trained: AbInitio | LocalRefinement) -> PolishState:
        """The poses that a training has found, among all particles."""
        half = half_sets(self.images.table, self._run.config.seed, self._run.log.warning)
        state, memory = PolishState.unposed(half.to(self._run.device)), trained.poses
        chosen = trained.particles.particle
        state.rotation[chosen], state.shift_angstrom[chosen] = memory.rotation, memory.shift_angstrom
        state.posed[chosen] = memory.posed
        return state

    def _kept_images(self, frame: Frame, rows: Int[Tensor, " n"], processes: Processes) -> KeptImages:
        """Of these rows, those that are this process's own among these."""
        run, own = self._run, _own(rows, processes).numpy()
        return keep_images(self.images, frame, own, run.device, run.config.room, run.plan.least_bytes, run.log.line)


def _own(rows: Int[Tensor, " n"], processes: Processes) -> Int[Tensor, " own"]:
    return processes.own(rows, torch.arange(len(rows)))
