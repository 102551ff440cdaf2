"""The phases of one run in order: ab initio, encoder refinement, half-map refinement, final map.

A checkpoint is written after every epoch and iteration, and within them as often as the settings say.
"""

from __future__ import annotations

import torch
from jaxtyping import Bool, Float
from torch import Tensor

from cryofifa.half_map_refinement.appearance import Appearance
from cryofifa.half_map_refinement.half_maps import HalfMaps, back_project_halves, solve_half_maps
from cryofifa.half_map_refinement.junk_by_looks import Junk, can_learn_looks, junk_by_looks, junk_by_scores
from cryofifa.half_map_refinement.projection_matching import ProjectionMatching
from cryofifa.names import (
    AB_INITIO_PART,
    ENCODER_REFINEMENT_PART,
    FINAL_MAP,
    HALF_MAP_ITERATION_PART,
    HALF_MAP_POSES_PART,
    HALF_MAP_REFINEMENT,
    SCORE,
)
from cryofifa.particles.particle_radius import radius_of_half_maps
from cryofifa.particles.particle_size import ParticleSize
from cryofifa.particles.poses import Poses, known
from cryofifa.particles.preprocess import ParticleImages
from cryofifa.physics.asymmetric_unit import in_asymmetric_unit
from cryofifa.physics.auto_mask import mask_of_map
from cryofifa.physics.fourier import HalfPlane
from cryofifa.physics.point_groups import symmetry_members
from cryofifa.physics.shell_correlation import first_crossing_angstrom
from cryofifa.run.decoder_density import decoder_density
from cryofifa.run.log import Progress
from cryofifa.run.particles import RunParticles
from cryofifa.run.session import Session
from cryofifa.run.starts import Starts
from cryofifa.run.watching import snapshots_of
from cryofifa.train.ab_initio import AbInitio
from cryofifa.train.encoder_refinement import EncoderRefinement
from cryofifa.train.particle_pass import ParticlePass


class Phases:
    """The phases of one run; each goes on from the last checkpoint, and takes what the one before it found.

    Args:
        run: the run.
        images: all of its particles.
    """

    def __init__(self, run: Session, images: ParticleImages) -> None:
        self._run, self._images = run, images
        self._particles = RunParticles(run, images)
        self.starts = Starts(run, self._particles)

    def find_poses(self, bar: Progress) -> AbInitio:
        """Ab initio: make the independent starts, train the networks from the best one's poses, and return them."""
        run = self._run
        ab_initio = self.starts.trained_from_best(bar)
        self._train(ab_initio, AB_INITIO_PART, "ab initio", bar)
        if not run.processes.alone:  # on GPUs, whose sums have no fixed order, the processes' results differ a little
            ab_initio.load_state({name: run.processes.broadcast(values) for name, values in ab_initio.state().items()})
        self.starts.hold_against_best(ab_initio, bar)
        return ab_initio

    def refine_poses(self, ab_initio: AbInitio, bar: Progress) -> AbInitio | EncoderRefinement:
        """Local refinement by the second encoder at full size; where the plan has none, ab initio is returned as is."""
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
        if kept := run.kept(ENCODER_REFINEMENT_PART):
            refinement.load_state(kept)
        else:
            refinement.start_from(ab_initio)
        self._train(refinement, ENCODER_REFINEMENT_PART, "second encoder", bar)
        return refinement

    def refine_against_half_maps(self, trained: AbInitio | EncoderRefinement, bar: Progress) -> tuple[Poses, Junk]:
        """Half-map refinement of all particles, then a score of each against the other half's map.

        Returns the poses, and which particles are junk.

        With a point group, all poses are moved into one asymmetric unit.
        """
        run, progress = self._run, self._run.progress
        poses = self._particles.before_half_map_refinement(trained)
        matching = self._particles.matching(trained)
        if kept := run.kept(HALF_MAP_POSES_PART):
            poses = Poses.from_columns(kept)
        matching.least_score = progress.least_score
        if kept := run.kept(HALF_MAP_ITERATION_PART):
            matching.so_far = ParticlePass.from_state(kept, run.processes, "iteration")

        def state() -> dict[str, dict[str, Tensor]]:
            assert matching.so_far is not None
            poses.all_gather(run.processes)
            return {HALF_MAP_POSES_PART: poses.columns(), HALF_MAP_ITERATION_PART: matching.so_far.state(run.processes)}

        def after_block(particles: int) -> None:
            bar.advance(particles)
            run.after_step(state)

        while (iteration := progress.epochs_done(HALF_MAP_REFINEMENT)) < progress.half_map_iterations:
            search = iteration < progress.half_map_searches
            if search and progress.split_before < iteration:
                with run.timed(SCORE):
                    progress.least_score, progress.split_before = matching.split(poses).threshold, iteration
                run.keep({HALF_MAP_POSES_PART: poses.columns()})
            with run.timed(HALF_MAP_REFINEMENT):
                resolution_angstrom = progress.history[-1].resolution_angstrom
                bar.stage(HALF_MAP_REFINEMENT, resolution_angstrom, progress.last_pose_change_degree)
                record = matching.iterate(poses, iteration, search=search, on_block=after_block)
            run.finished(record, matching.snapshots)
            bar.expect(progress.visits_in_all)
            run.keep({HALF_MAP_POSES_PART: poses.columns(), HALF_MAP_ITERATION_PART: {}})
        poses.rotation = in_asymmetric_unit(poses.rotation, symmetry_members(run.config.symmetry, run.device))
        with run.timed(SCORE):
            junk = self._junk(poses, matching)
        self._particles.forget_full_size_images()
        return poses, junk

    def _junk(self, poses: Poses, matching: ProjectionMatching) -> Junk:
        """Which particles are junk: by their scores, and where these leave some unexplained, by their looks too."""
        processes, frame, split = self._run.processes, matching.frame, matching.split(poses)
        score = known(poses.score).cpu().double().numpy()
        if not can_learn_looks(score, split):
            return junk_by_scores(score, split)
        appearance, everyone = Appearance(frame, self._run.plan.noise), torch.arange(len(poses))
        mine = processes.shard(everyone, everyone)
        looks = torch.cat([appearance.of(rows).cpu() for rows in mine.split(frame.at_once)])
        return junk_by_looks(processes.all_gather(looks, everyone).numpy(), score, split)

    def final_map(
        self, poses: Poses, taken: Bool[Tensor, " n"], size: ParticleSize
    ) -> tuple[HalfMaps, ParticleSize] | None:
        """Back-project the untouched full-size images: the maps, and the particle's size as the map shows it.

        All processes back-project their particles, but only the first makes the maps, as the grids are large; in the
        others this is None.

        Args:
            poses: poses and half sets of all particles.
            taken: which particles are used.
            size: the particle's size, as far as it is known.
        """
        run, images = self._run, self._images
        plane = HalfPlane.of_box(images.table.box_size, images.pixel_size_angstrom, with_origin=True, device=run.device)
        with run.timed(FINAL_MAP):
            sums = back_project_halves(
                images.normalised,
                images.ctf_parameters().to(run.device),
                poses.rotation,
                poses.shift_angstrom,
                torch.where(poses.posed & taken, known(poses.half), 0),
                plane,
                symmetry_members(run.config.symmetry, run.device),
                run.processes,
            )
            if not run.processes.is_first:
                return None
            mask = size.image_mask(plane.pixel_size_angstrom)
            maps = solve_half_maps(sums, mask.radius_pixel, mask.edge_pixel)
        if not size.is_given:
            radius_pixel = radius_of_half_maps(maps.half_1, maps.half_2, mask.radius_pixel)
            size = size.of_radius(radius_pixel * plane.pixel_size_angstrom)
        return maps, size

    def mask_of(self, maps: HalfMaps, size: ParticleSize) -> Float[Tensor, "z y x"]:
        """A soft mask, from 0 to 1, that follows the map; it is on the map's grid."""
        pixel_size = self._images.pixel_size_angstrom
        resolution = first_crossing_angstrom(maps.fsc, 0.143, maps.combined.shape[-1] * pixel_size)
        sphere = size.image_mask(pixel_size)
        return mask_of_map(maps.combined, pixel_size, resolution, sphere.radius_pixel, sphere.edge_pixel)

    def decoder_map(self, trained: AbInitio | EncoderRefinement, class_index: int = 0) -> Tensor:
        """The volume (z, y, x) of a class's decoder, on the input's grid and in the final map's scale."""
        plan = self._run.plan
        radius = trained.curriculum.end_radius
        decoder = trained.networks.decoder(class_index)
        return decoder_density(decoder, plan, radius, plan.box_size, plan.pixel_size_angstrom)

    def _train(self, training: AbInitio | EncoderRefinement, part: str, name: str, bar: Progress) -> None:
        """Train until the curriculum ends; checkpoints keep the training as `part`, the bar shows it as `name`."""
        run = self._run

        def state() -> dict[str, dict[str, Tensor]]:
            return {part: training.state()}

        for epoch in range(run.progress.epochs_done(training.phase), training.curriculum.epochs):
            record = run.train_epoch(training, epoch, name, bar, state)
            run.finished(record, snapshots_of(training, record))
            run.keep(state())
