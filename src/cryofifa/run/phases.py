"""The phases of one run, each of which leaves a checkpoint behind: ab initio, encoder refinement,
half-map refinement, final map."""

from __future__ import annotations

from dataclasses import replace

import torch
from jaxtyping import Bool, Float
from torch import Tensor

from cryofifa.half_map_refinement.half_maps import HalfMaps, back_project_halves, solve_half_maps
from cryofifa.half_map_refinement.state import HalfMapPoses, IterationSoFar
from cryofifa.particles.particle_radius import radius_of_half_maps
from cryofifa.particles.preprocess import ParticleImages
from cryofifa.physics.asymmetric_unit import in_asymmetric_unit
from cryofifa.physics.auto_mask import mask_of_map
from cryofifa.physics.fourier import HalfPlane
from cryofifa.physics.point_groups import symmetry_members
from cryofifa.physics.shell_correlation import first_crossing_angstrom
from cryofifa.run.decoder_density import decoder_density
from cryofifa.run.log import Progress
from cryofifa.run.particles import RunParticles
from cryofifa.run.session import RunSoFar
from cryofifa.run.starts import Starts
from cryofifa.train.ab_initio import AbInitio
from cryofifa.train.encoder_refinement import EncoderRefinement


class Phases:
    """One run as it goes through its phases, from where it stands."""

    def __init__(self, run: RunSoFar, images: ParticleImages) -> None:
        self._run, self._images = run, images
        self._particles = RunParticles(run, images)
        self.starts = Starts(run, self._particles)

    def find_poses(self, bar: Progress) -> AbInitio:
        """Ab initio: train encoder and decoder together until the curriculum ends."""
        run = self._run
        ab_initio = self.starts.best_of_all(bar)

        def state() -> dict[str, dict[str, Tensor]]:
            return {"ab_initio": ab_initio.state()}

        for epoch in range(run.progress.epochs_done(ab_initio.phase), run.plan.curriculum.epochs):
            run.progress.history.append(run.train_epoch(ab_initio, epoch, "ab initio", bar, state))
            run.keep(**state())
        if not run.processes.alone:  # on a GPU, whose sums are in no fixed order, each has come to its own
            ab_initio.load_state({name: run.processes.broadcast(values) for name, values in ab_initio.state().items()})
        self.starts.hold_against_best(ab_initio, bar)
        return ab_initio

    def refine_poses(self, ab_initio: AbInitio, bar: Progress) -> AbInitio | EncoderRefinement:
        """Local refinement by the second encoder at full size; without it, what ab initio found."""
        run, plan, curriculum = self._run, self._run.plan, self._run.plan.encoder_refinement
        if curriculum is None:
            return ab_initio
        refinement = EncoderRefinement(
            run.config,
            curriculum,
            self._particles.working_set(plan.full_size_frame, run.processes),
            plan.particle_radius_angstrom,
            plan.shift_range_angstrom,
            run.processes,
        )
        if kept := run.kept("encoder_refinement"):
            refinement.load_state(kept)
        else:
            refinement.start_from(ab_initio)
        history = run.progress.history

        def state() -> dict[str, dict[str, Tensor]]:
            return {"encoder_refinement": refinement.state()}

        for epoch in range(run.progress.epochs_done(refinement.phase), curriculum.epochs):
            record = run.train_epoch(refinement, epoch, "encoder refinement", bar, state)
            history.append(replace(record, epoch=len(history)))
            run.keep(**state())
        return refinement

    def refine_against_half_maps(self, trained: AbInitio | EncoderRefinement, bar: Progress) -> HalfMapPoses:
        """Projection matching of all particles, each half against its own map, and their scores against the other's."""
        run, progress = self._run, self._run.progress
        state = self._particles.before_half_map_refinement(trained)
        matching = self._particles.matching(trained)
        if kept := run.kept("half_map_refinement"):
            state = HalfMapPoses(**kept)
        if kept := run.kept("half_map_iteration"):
            matching.so_far = IterationSoFar.from_state(kept, run.processes)

        def kept_of_iteration() -> dict[str, dict[str, Tensor]]:
            assert matching.so_far is not None
            state.merge(run.processes)
            return {
                "half_map_refinement": dict(vars(state)),
                "half_map_iteration": matching.so_far.state(run.processes),
            }

        def after_block(particles: int) -> None:
            bar.advance(particles)
            run.after_step(kept_of_iteration)

        while (iteration := progress.epochs_done("half-map refinement")) < progress.half_map_iterations:
            search = iteration < progress.half_map_searches
            with run.timed("half-map refinement"):
                bar.stage(
                    "half-map refinement", progress.history[-1].resolution_angstrom, progress.last_pose_change_degree
                )
                record = matching.iterate(state, iteration, search=search, on_block=after_block)
            record = replace(record, epoch=len(progress.history))
            run.log.epoch(record)
            progress.history.append(record)
            bar.expect(progress.visits_in_all)
            run.keep(half_map_refinement=dict(vars(state)), half_map_iteration={})
        state.rotation = in_asymmetric_unit(state.rotation, symmetry_members(run.config.symmetry, run.device))
        with run.timed("score"):
            matching.score(state)
        self._particles.forget_full_size_images()
        return state

    def final_map(self, state: HalfMapPoses, taken: Bool[Tensor, " n"]) -> tuple[HalfMaps, float] | None:
        """Back-projection of the untouched full-size images; also the particle's radius as the map shows it.

        None in all processes but the first, which alone writes it: its grids are large.

        taken: the particles to use.
        """
        run, images = self._run, self._images
        radius = run.plan.particle_radius_angstrom
        plane = HalfPlane.of_box(images.table.box_size, images.pixel_size_angstrom, with_origin=True, device=run.device)
        with run.timed("final map"):
            sums = back_project_halves(
                images.normalised,
                images.ctf_parameters().to(run.device),
                state.rotation,
                state.shift_angstrom,
                torch.where(state.posed & taken, state.half, 0),
                plane,
                symmetry_members(run.config.symmetry, run.device),
                run.processes,
            )
            if not run.processes.is_first:
                return None
            radius_pixel, edge_pixel = run.config.image.volume_mask_pixel(radius, plane.pixel_size_angstrom)
            maps = solve_half_maps(sums, radius_pixel, edge_pixel)
        if run.config.diameter_angstrom is None:
            radius = radius_of_half_maps(maps.half_1, maps.half_2, radius_pixel) * plane.pixel_size_angstrom
        return maps, radius

    def mask_of(self, maps: HalfMaps) -> Float[Tensor, "z y x"]:
        """A soft mask that follows the map, on its grid."""
        pixel_size = self._images.pixel_size_angstrom
        resolution = first_crossing_angstrom(maps.fsc, 0.143, maps.combined.shape[-1] * pixel_size)
        sphere = self._run.config.image.volume_mask_pixel(self._run.plan.particle_radius_angstrom, pixel_size)
        return mask_of_map(maps.combined, pixel_size, resolution, *sphere)

    def decoder_map(self, trained: AbInitio | EncoderRefinement) -> Tensor:
        """What the network itself believes, on the input's grid and in the final map's scale."""
        plan = self._run.plan
        radius = trained.curriculum.end_radius
        return decoder_density(trained.decoder, plan, radius, plan.box_size, plan.pixel_size_angstrom)
