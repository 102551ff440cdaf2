"""The phases of one run, each of which leaves a checkpoint behind: starts, ab initio, polish, final map."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

from cryofifa.config import Config
from cryofifa.errors import InputError, Stopped
from cryofifa.particles.kept_images import KeptImages, keep_images
from cryofifa.particles.particle_radius import radius_of_half_maps
from cryofifa.particles.preprocess import Frame, ParticleImages
from cryofifa.physics.asymmetric_unit import in_asymmetric_unit
from cryofifa.physics.auto_mask import mask_of_map
from cryofifa.physics.fourier import HalfPlane
from cryofifa.physics.point_groups import symmetry_rotations
from cryofifa.plan import RunPlan
from cryofifa.results.fsc import first_crossing_angstrom
from cryofifa.results.half_map_agreement import half_map_agreement
from cryofifa.results.start_agreement import starts_agree
from cryofifa.run_folder import RunFolder
from cryofifa.run_progress import RunProgress, read_run_state, write_run_state
from cryofifa.train.ab_initio import AbInitio
from cryofifa.train.curriculum import stage_at
from cryofifa.train.half_maps import HalfMaps, back_project_halves, solve_half_maps
from cryofifa.train.half_sets import half_sets
from cryofifa.train.local_refinement import LocalRefinement
from cryofifa.train.process_group import ALONE, Processes
from cryofifa.train.projection_matching import IterationSoFar, PolishState, ProjectionMatching, searches_due
from cryofifa.train.random_draws import RandomDraws
from cryofifa.train.run_log import EpochRecord, Progress, RunLog
from cryofifa.train.training_loop import PoseMemory, WorkingSet, tensors_under
from cryofifa.volume import decoder_density

START_SEED_STEP = 1_000_003  # between the seeds of independent starts; only that they differ matters


@dataclass
class Phases:
    """One run as it goes through its phases; call `resume` first."""

    config: Config
    images: ParticleImages
    plan: RunPlan
    device: torch.device
    folder: RunFolder
    log: RunLog
    processes: Processes = ALONE
    stop: Callable[[], bool] | None = None  # asked after every step; yes ends the run with a checkpoint
    history: list[EpochRecord] = field(default_factory=list)
    timings: dict[str, float] = field(default_factory=dict)  # seconds by phase
    tensors: dict[str, Tensor] = field(default_factory=dict)
    starts: list[float] = field(default_factory=list)  # what speaks for each finished start, as the plan judges
    start_history: list[EpochRecord] = field(default_factory=list)  # of the start that is being made
    end_merit: float | None = None  # the same of the end of ab initio, once it was held against the starts
    _polish_images: KeptImages | None = None  # all particles, from the first judged start or the polish to its end
    _kept_at: float = field(default_factory=time.monotonic)  # when the last checkpoint was written
    _clock: tuple[str, float] | None = None  # the phase that is being timed, and since when

    def resume(self) -> None:
        """Take up the checkpoint, if there is one; its plan counts.

        Raises:
            InputError: if the checkpoint is damaged, or the processes do not see the same one.
        """
        if not self.processes.any(self.processes.is_first and self.folder.checkpoint.exists()):
            return
        self.tensors, progress = read_run_state(self.folder.checkpoint, self.device)
        self.plan, self.history = progress.plan, progress.history
        self.timings, self.starts, self.start_history = progress.timings, progress.starts, progress.start_history
        self.end_merit = progress.end_merit
        mark = repr(self.timings)  # other in every checkpoint
        if self.processes.first_says(mark) != mark:
            raise InputError(
                f"{self.folder.checkpoint}: is another file here than the first process sees; "
                "all nodes must see the run's folder alike"
            )
        self.log.line(f"resumed after {len(self.history)} epochs")

    @property
    def visits_in_all(self) -> int:
        plan = self.plan
        epochs = plan.curriculum.epochs + (plan.starts - 1) * plan.start_epochs
        epochs += plan.refinement.epochs if plan.refinement else 0
        return plan.ab_initio_particles * epochs + plan.particles * self._polish_iterations

    @property
    def visits_done(self) -> int:
        losers = max(0, len(self.starts) - 1) * self.plan.start_epochs * self.plan.ab_initio_particles
        return losers + sum(record.particles for record in (*self.history, *self.start_history))

    def find_poses(self, progress: Progress) -> AbInitio:
        """Ab initio: train encoder and decoder together until the curriculum ends."""
        plan = self.plan
        with self._timed("read particles"):
            particles = self._working_set(plan.ab_initio_frame)
        for which in range(len(self.starts), plan.starts):
            self._make_start(which, particles, progress)
        ab_initio = self._new_ab_initio(self._best_start, particles)
        ab_initio.load_state(tensors_under(self.tensors, "ab_initio."))
        for epoch in range(self._epochs_done(ab_initio.phase), plan.curriculum.epochs):
            self.history.append(self._train_epoch(ab_initio, epoch, "ab initio", progress, "ab_initio"))
            self._keep(ab_initio=ab_initio.state())
        if plan.start_judge == "half maps" and self.end_merit is None:
            self._hold_against_best_start(ab_initio)
        return ab_initio

    def refine_poses(self, ab_initio: AbInitio, progress: Progress) -> AbInitio | LocalRefinement:
        """Local refinement by the second encoder at full size; without it, what ab initio found."""
        plan, curriculum = self.plan, self.plan.refinement
        if curriculum is None:
            return ab_initio
        with self._timed("read particles"):
            particles = self._working_set(plan.polish_frame)
        refinement = LocalRefinement(
            self.config,
            curriculum,
            particles,
            plan.particle_radius_angstrom,
            plan.shift_range_angstrom,
            self.processes,
        )
        if kept := tensors_under(self.tensors, "refinement."):
            refinement.load_state(kept)
        else:
            refinement.start_from(ab_initio)
        for epoch in range(self._epochs_done(refinement.phase), curriculum.epochs):
            record = self._train_epoch(refinement, epoch, "refinement", progress, "refinement")
            self.history.append(replace(record, epoch=len(self.history)))
            self._keep(refinement=refinement.state())
        return refinement

    @property
    def _polish_searches(self) -> int:
        shares = [record.winner_shares["bank"] for record in self.history if record.phase == "polish"]
        return searches_due(shares, self.config.polish)

    @property
    def _polish_iterations(self) -> int:
        """The plan's; every search after the first one is one more."""
        planned = self.plan.polish_iterations
        return planned and planned + self._polish_searches - 1

    def _epochs_done(self, phase: str) -> int:
        return sum(record.phase == phase for record in self.history)

    def _make_start(self, which: int, particles: WorkingSet, progress: Progress) -> None:
        """One independent start; it is kept if more speaks for it than for those before it."""
        name = f"start {which + 1} of {self.plan.starts}"
        start = self._new_ab_initio(which, particles)
        if kept := tensors_under(self.tensors, "start."):
            start.load_state(kept)
        last = self.plan.start_epochs - 1
        for epoch in range(len(self.start_history), last + 1):
            self.start_history.append(self._train_epoch(start, epoch, name, progress, "start"))
            if epoch < last:
                self._keep(start=start.state())
        merit, poses = self._judge(start)
        self.log.line(f"{name}: {self.plan.start_judge} {merit:.4f}")
        found = {f"start{which}": poses}
        if not self.starts or merit > max(self.starts):
            self.history = self.start_history
            found["ab_initio"] = start.state()
        self.starts.append(merit)
        self.start_history = []
        self._keep(start={}, **found)

    def _hold_against_best_start(self, ab_initio: AbInitio) -> None:
        """Go on from the poses that the best start was judged by, if more speaks for them than for those of the end.

        Measured on apoferritin: a start whose judged poses were half right (FSC 0.42 at 13.3 A) lost them afterwards.
        The networks stay those of the end: the start's have not seen the poses that it was judged by either.
        """
        self.end_merit, _ = self._judge(ab_initio)
        is_best = self.end_merit >= max(self.starts)
        goes_on = "it" if is_best else f"start {self._best_start + 1}"
        self.log.line(f"end of ab initio: {self.plan.start_judge} {self.end_merit:.4f}; {goes_on} goes on")
        if not is_best:
            for name, values in tensors_under(self.tensors, f"start{self._best_start}.").items():
                setattr(ab_initio.poses, name, values.clone())
        self._keep(ab_initio=ab_initio.state())

    def _judge(self, start: AbInitio) -> tuple[float, dict[str, Tensor]]:
        """What speaks for a start, and the rotations and shifts of which it speaks.

        All see the same particles through the same Fourier masks, so the power that they explain per Fourier point can
        be compared; the loss cannot, since its noise grows with the real-space mask. Half maps: what they agree on
        after every particle of the search was matched once to its half's map.
        """
        if self.plan.start_judge == "explained power":
            return start.explained_power, _poses_of(start.poses, slice(None))
        state, matching = self._first_polish_state(start), self._matching(start)
        state.half[~state.posed] = 0  # particles that no start has seen say nothing about it

        def after_block(_: int) -> None:
            if self.processes.any(self._is_asked_to_stop):
                raise Stopped

        with self._timed("judge starts"):
            matching.iterate(state, 0, search=True, on_block=after_block)
            maps = matching.half_maps(state)
            # ab initio's: a refinement, which shares more, has not been
            merit = half_map_agreement(maps.half_1, maps.half_2, self.plan.curriculum.end_radius)
        return merit, _poses_of(state, start.particles.particle)

    def _new_ab_initio(self, which: int, particles: WorkingSet) -> AbInitio:
        plan = self.plan
        config = replace(self.config, seed=self.config.seed + START_SEED_STEP * which)
        return AbInitio(
            config,
            plan.curriculum,
            particles,
            plan.particle_radius_angstrom,
            plan.shift_range_angstrom,
            self.processes,
        )

    def _train_epoch(
        self, training: AbInitio | LocalRefinement, epoch: int, name: str, progress: Progress, part: str
    ) -> EpochRecord:
        """One epoch; `part` is what the checkpoint calls the state of this training."""

        def after_step(particles: int) -> None:
            progress.advance(particles)
            self._after_step(lambda: {part: training.state()})

        with self._timed(training.phase):
            stage = stage_at(training.curriculum, epoch / training.curriculum.epochs)
            progress.stage(name, training.plane.extent_angstrom / stage.mask_radius, self._last_change)
            record = training.train_epoch(epoch, after_step)
        self.log.epoch(record)
        return record

    def agreeing_starts(self, rotation: Float[Tensor, "n 3 3"]) -> int:
        """How many of the starts, the one that went on included, were near the poses of the end when they were judged.

        Two starts halfway are both far from the end and so farther from each other: measured on gpcr, 13 and 14 degrees
        from the end, but over 20 apart.
        """
        found, group = rotation[self._ab_initio_rows()], symmetry_rotations(self.config.symmetry)
        others = [which for which in range(len(self.starts)) if which != self._best_start]
        return 1 + sum(starts_agree(self.tensors[f"start{which}.rotation"], found, group) for which in others)

    def polish_poses(self, trained: AbInitio | LocalRefinement, progress: Progress) -> PolishState:
        """Projection matching of all particles, each half against its own map, and their scores against the other's."""
        state = self._first_polish_state(trained)
        matching = self._matching(trained)
        if kept := tensors_under(self.tensors, "polish."):
            state = PolishState(**kept)
        if kept := tensors_under(self.tensors, "polish_iteration."):
            matching.so_far = IterationSoFar.from_state(kept, self.processes)

        def kept_of_iteration() -> dict[str, dict[str, Tensor]]:
            assert matching.so_far is not None
            state.merge(self.processes)
            return {"polish": dict(vars(state)), "polish_iteration": matching.so_far.state(self.processes)}

        def after_block(particles: int) -> None:
            progress.advance(particles)
            self._after_step(kept_of_iteration)

        while (iteration := self._epochs_done("polish")) < self._polish_iterations:
            search = iteration < self._polish_searches
            with self._timed("polish"):
                progress.expect(self.visits_in_all)
                progress.stage("polish", self.history[-1].resolution_angstrom, self._last_change)
                record = matching.iterate(state, iteration, search=search, on_block=after_block)
                record = replace(record, epoch=len(self.history))
            self.log.epoch(record)
            self.history.append(record)
            self._keep(polish=dict(vars(state)), polish_iteration={})
        state.rotation = in_asymmetric_unit(state.rotation, self.config.symmetry_members(self.device))
        with self._timed("score"):
            matching.score(state)
        self._polish_images = None  # the final map reads the untouched ones, and wants the memory
        return state

    def final_map(self, state: PolishState, taken: Bool[Tensor, " n"]) -> tuple[HalfMaps, float]:
        """Back-projection of the untouched full-size images; also the particle's radius as the map shows it.

        taken: the particles to use.
        """
        table = self.images.table
        plane = HalfPlane.of_box(table.box_size, self.images.pixel_size_angstrom, with_origin=True, device=self.device)
        with self._timed("final map"):
            sums = back_project_halves(
                self.images.normalised,
                self.images.ctf_parameters().to(self.device),
                state.rotation,
                state.shift_angstrom,
                torch.where(state.posed & taken, state.half, 0),
                plane,
                self.config.symmetry_members(self.device),
                self.processes,
            )
            radius_pixel, edge_pixel = self.config.image.volume_mask_pixel(
                self.plan.particle_radius_angstrom, plane.pixel_size_angstrom
            )
            maps = solve_half_maps(sums, radius_pixel, edge_pixel)
        radius = self.plan.particle_radius_angstrom
        if self.config.diameter_angstrom is None:
            radius = radius_of_half_maps(maps.half_1, maps.half_2, radius_pixel) * plane.pixel_size_angstrom
        return maps, radius

    def mask_of(self, maps: HalfMaps) -> Float[Tensor, "z y x"]:
        """A soft mask that follows the map, on its grid."""
        pixel_size = self.images.pixel_size_angstrom
        resolution = first_crossing_angstrom(maps.fsc, 0.143, maps.combined.shape[-1] * pixel_size)
        sphere = self.config.image.volume_mask_pixel(self.plan.particle_radius_angstrom, pixel_size)
        return mask_of_map(maps.combined, pixel_size, resolution, *sphere)

    def decoder_map(self, trained: AbInitio | LocalRefinement) -> Tensor:
        """What the network itself believes, on the input's grid and in the final map's scale."""
        plan = self.plan
        radius = trained.curriculum.end_radius
        return decoder_density(trained.decoder, plan, radius, plan.box_size, plan.pixel_size_angstrom)

    def _working_set(self, frame: Frame) -> WorkingSet:
        chosen = self._ab_initio_rows()
        ctf = self.images.ctf_parameters()[self._own(chosen)].to(self.device)
        images = self._kept_images(frame, chosen)
        return WorkingSet(chosen, images, ctf, frame.pixel_size_angstrom, self.plan.noise)

    def _kept_images(self, frame: Frame, rows: Int[Tensor, " n"]) -> KeptImages:
        """Of these rows, this process's own."""
        own = self._own(rows).numpy()
        return keep_images(self.images, frame, own, self.device, self.config.room, self.plan.least_bytes, self.log.line)

    def _own(self, rows: Int[Tensor, " n"]) -> Int[Tensor, " own"]:
        return self.processes.own(rows, torch.arange(len(rows)))

    def _ab_initio_rows(self) -> Int[Tensor, " chosen"]:
        """The random subset that takes part in ab initio."""
        everyone = torch.arange(len(self.images.table))
        return RandomDraws(self.config.seed, "subset").order(everyone)[: self.plan.ab_initio_particles].sort().values

    def _matching(self, trained: AbInitio | LocalRefinement) -> ProjectionMatching:
        frame = self.plan.polish_frame
        if self._polish_images is None:
            with self._timed("read particles"):
                self._polish_images = self._kept_images(frame, torch.arange(len(self.images.table)))
        kept_images = self._polish_images
        return ProjectionMatching(
            self.config,
            lambda rows: kept_images.read(self.processes.local(torch.from_numpy(rows))),
            self.images.ctf_parameters().to(self.device),
            HalfPlane.of_box(frame.box_size, frame.pixel_size_angstrom, device=self.device),
            trained.particle_radius_angstrom,
            self.plan.shift_range_angstrom,
            self.processes,
        )

    def _first_polish_state(self, trained: AbInitio | LocalRefinement) -> PolishState:
        half = half_sets(self.images.table, self.config.seed, self.log.warning)
        state, memory = PolishState.unposed(half.to(self.device)), trained.poses
        chosen = trained.particles.particle
        state.rotation[chosen], state.shift_angstrom[chosen] = memory.rotation, memory.shift_angstrom
        state.posed[chosen] = memory.posed
        return state

    def _after_step(self, state: Callable[[], dict[str, dict[str, Tensor]]]) -> None:
        """Within an epoch: write a checkpoint if it is time to, or if the run is to stop; any process can say so.

        Raises:
            Stopped: if it is.
        """
        stops, every = self._is_asked_to_stop, self.config.checkpoint_seconds
        due = every > 0 and time.monotonic() - self._kept_at >= every
        if self.processes.any(stops or due):
            self._keep(**state())
            if self.processes.any(stops):
                raise Stopped

    @property
    def _is_asked_to_stop(self) -> bool:
        return self.stop is not None and self.stop()

    def _keep(self, **parts: dict[str, Tensor]) -> None:
        """Write a checkpoint; the run can go on from here. What was kept of the same parts before is dropped.

        The first process writes it, and the others wait: none of them ends before it is there.
        """
        prefixes = tuple(f"{part}." for part in parts)
        self.tensors = {name: tensor for name, tensor in self.tensors.items() if not name.startswith(prefixes)}
        for part, tensors in parts.items():
            self.tensors |= {f"{part}.{name}": tensor for name, tensor in tensors.items()}
        self._book_time()
        progress = RunProgress(
            self.config, self.plan, self.history, self.timings, self.starts, self.start_history, self.end_merit
        )
        if self.processes.is_first:
            write_run_state(self.folder.checkpoint, self.tensors, progress)
        self.processes.wait()
        self._kept_at = time.monotonic()

    @property
    def _best_start(self) -> int:
        return max(range(len(self.starts)), key=lambda which: self.starts[which])

    @property
    def _last_change(self) -> float | None:
        return self.history[-1].pose_change_median_degree if self.history else None

    @contextmanager
    def _timed(self, name: str) -> Iterator[None]:
        if self.processes.any(self._is_asked_to_stop):  # the checkpoint is that of the phase before
            raise Stopped
        self._clock = name, time.monotonic()
        yield
        self._book_time()
        self._clock = None

    def _book_time(self) -> None:
        """Count the time of the running phase so far."""
        if self._clock is not None:
            (name, since), now = self._clock, time.monotonic()
            self.timings[name] = self.timings.get(name, 0.0) + now - since
            self._clock = name, now


def _poses_of(poses: PoseMemory | PolishState, chosen: Tensor | slice) -> dict[str, Tensor]:
    """Rotations and shifts of the chosen particles, by name."""
    return {name: getattr(poses, name)[chosen].clone() for name in ("rotation", "shift_angstrom")}
