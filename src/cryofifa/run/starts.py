"""Independent starts of ab initio, until two agree: each is made and judged; networks go on from the best one's poses.

Two starts know nothing of each other, so where they come to the same poses, these are in the data.
"""

from __future__ import annotations

import json
from dataclasses import replace

from jaxtyping import Float
from torch import Tensor

from cryofifa.names import AB_INITIO_PART, JUDGE_STARTS, STARTS_UNDER_WAY_PART, judged_start_part
from cryofifa.particles.poses import Poses, known
from cryofifa.physics.point_groups import symmetry_rotations
from cryofifa.run.half_map_agreement import half_map_agreement
from cryofifa.run.log import Progress
from cryofifa.run.particles import RunParticles
from cryofifa.run.session import Session
from cryofifa.run.start_agreement import starts_agree
from cryofifa.run.watching import snapshots_of
from cryofifa.stochastic_em.start import Start
from cryofifa.system.processes import ALONE
from cryofifa.train.ab_initio import AbInitio
from cryofifa.train.epoch_record import epoch_record_from_json, epoch_record_to_json
from cryofifa.train.search_start import SearchSchedule, SearchStart

START_SEED_STEP = 1_000_003  # between the seeds of independent starts; it only matters that they differ


class Starts:
    """The independent starts of one run, from random poses with different seeds.

    Args:
        run: the run.
        particles: its particles.
    """

    def __init__(self, run: Session, particles: RunParticles) -> None:
        self._run, self._particles = run, particles

    def trained_from_best(self, bar: Progress) -> AbInitio:
        """Make and judge starts until two agree; returns ab initio, which goes on from the best one's poses.

        Where ab initio was under way already, it is returned as far as it has come.
        """
        run, progress = self._run, self._run.progress
        if run.plan.start_schedule is not None:
            while not progress.starts_are_made:
                if self._another_is_wanted():
                    self._make_next(bar)
                else:
                    progress.starts_are_made = True
            bar.expect(progress.visits_in_all)
        # A step of ab initio is so short that processes lose more by waiting for each other than they gain by sharing
        # it: each goes on from the best start alone and alike. Without starts most is the encoder's, and they share.
        processes = ALONE if run.plan.start_schedule is not None else run.processes
        ab_initio = AbInitio(
            run.config,
            run.plan.curriculum,
            self._particles.working_set(run.plan.ab_initio_frame, processes),
            run.plan.particle_radius_angstrom,
            run.plan.shift_range_angstrom,
            processes,
        )
        if kept := run.kept(AB_INITIO_PART):
            ab_initio.load_state(kept)
        elif run.plan.start_schedule is not None:
            best = run.kept(judged_start_part(progress.best_start))
            ab_initio.begin_from(Poses.found(best["rotation"], best["shift_angstrom"]))
        return ab_initio

    def hold_against_best(self, ab_initio: AbInitio, bar: Progress) -> None:
        """At the end of ab initio, go back to the poses that the best start was judged by if their score is higher.

        This is done only where starts are judged by half maps. Measured on apoferritin: a start whose judged poses were
        half right (FSC 0.42 at 13.3 A) lost them afterwards. The networks stay as they are at the end: those of the
        start have not seen the judged poses either, which came from projection matching.
        """
        run, progress = self._run, self._run.progress
        if not run.plan.judges_by_matching or progress.end_score is not None:
            return
        progress.end_score, _ = self._judge(ab_initio, bar)
        is_best = progress.end_score >= max(progress.starts)
        goes_on = "it" if is_best else f"start {progress.best_start + 1}"
        run.log.line(f"end of ab initio: {run.plan.start_judge} {progress.end_score:.4f}; {goes_on} goes on")
        if not is_best:
            for name, values in run.kept(judged_start_part(progress.best_start)).items():
                setattr(ab_initio.poses, name, values.clone())
        run.keep({AB_INITIO_PART: ab_initio.state()})

    def agreeing(self, rotation: Float[Tensor, "n 3 3"]) -> int:
        """How many starts, the best one included, came to about these poses.

        Args:
            rotation: rotation_volume_to_image of the particles of ab initio, of the best start or of the run's end.
        """
        run, progress = self._run, self._run.progress
        group = symmetry_rotations(run.config.symmetry)
        others = [which for which in range(len(progress.starts)) if which != progress.best_start]
        poses = [run.kept(judged_start_part(which))["rotation"] for which in others]
        return 1 + sum(starts_agree(other, rotation, group) for other in poses)

    def agreeing_with_end(self, rotation: Float[Tensor, "n 3 3"]) -> int:
        """How many starts, the best one included, had about the run's final poses.

        Args:
            rotation: final rotation_volume_to_image of all particles of the run.
        """
        return self.agreeing(rotation[self._particles.of_ab_initio()])

    def _another_is_wanted(self) -> bool:
        """Whether another start is needed: there are too few, or not two that agree and not as many as may be."""
        run, progress, made = self._run, self._run.progress, len(self._run.progress.starts)
        if made < 2:
            return made < run.plan.least_starts
        agreeing = self.agreeing(run.kept(judged_start_part(progress.best_start))["rotation"])
        run.log.line(f"{agreeing} of {made} starts agree with start {progress.best_start + 1}, the best so far")
        return made < run.plan.least_starts or (made < run.plan.most_starts and agreeing < 2)

    def _make_next(self, bar: Progress) -> None:
        """Make the next starts, one in each process at the same time, and judge them."""
        run, progress, processes = self._run, self._run.progress, self._run.processes
        first, count = len(progress.starts), run.plan.most_starts
        side_by_side = range(first, min(first + processes.count, count))
        # where fewer starts are left than there are processes, the last processes make starts that do not count
        start = self._begun(first + processes.rank)

        def state() -> dict[str, dict[str, Tensor]]:
            stacked = {name: processes.all_gather_stack(values) for name, values in start.state().items()}
            return {STARTS_UNDER_WAY_PART: stacked}

        if kept := run.kept(STARTS_UNDER_WAY_PART):
            if len(next(iter(kept.values()))) == processes.count:
                start.load_state({name: values[processes.rank] for name, values in kept.items()})
            else:
                run.log.line(f"{self._name(first)} is made anew: it was begun by another number of processes")
                progress.start_history = []
        # of starts side by side those that are finished wait for the others
        while processes.any(not start.is_finished(epoch := len(progress.start_history))):
            record = run.train_epoch(start, epoch, self._name(first), bar, state, len(side_by_side))
            said = processes.all_gather_text(json.dumps(epoch_record_to_json(record)))
            records = [epoch_record_from_json(json.loads(text)) for text in said[: len(side_by_side)]]
            run.finished_of_starts(records, snapshots_of(start, record))
            run.keep(state())
        self._compare(side_by_side, start, state()[STARTS_UNDER_WAY_PART], bar)
        bar.expect(progress.visits_in_all)

    def _compare(
        self, side_by_side: range, start: Start | SearchStart, states: dict[str, Tensor], bar: Progress
    ) -> None:
        """Judge these starts one after another, all processes together, and keep their poses.

        start: this process's start, which is used to judge all of them.
        states: state of every process's start, stacked along a first axis.
        """
        run, progress = self._run, self._run.progress
        found = {}
        for rank, which in enumerate(side_by_side):
            start.load_state({name: values[rank].clone() for name, values in states.items()})
            score, found[judged_start_part(which)] = self._judge(start, bar)
            run.log.line(f"{self._name(which)}: {run.plan.start_judge} {score:.4f}")
            # a start that came to its end before the others of its side waited for them
            records = [records[rank] for records in progress.start_history][: start.epochs_in_all]
            if not progress.starts or score > max(progress.starts):
                progress.history = records
            progress.records_of_finished_starts.append(list(records))
            progress.starts.append(score)
        progress.start_history = []
        run.keep({STARTS_UNDER_WAY_PART: {}, **found})

    def _judge(self, start: Start | AbInitio, bar: Progress) -> tuple[float, dict[str, Tensor]]:
        """The score of a start, and the rotations and shifts that it holds for.

        By explained power: all starts see the same particles through the same Fourier masks, so the power that they
        explain per Fourier point can be compared; the loss cannot, since its noise grows with the real-space mask.
        By half maps: their agreement after every particle of ab initio was matched once to the map of its half.
        """
        run = self._run
        if not run.plan.judges_by_matching:
            return start.explained_power, _poses_of(start.poses, slice(None))
        poses, matching = self._particles.before_half_map_refinement(start), self._particles.matching(start)
        known(poses.half)[~poses.posed] = 0  # particles that no start has seen say nothing about it

        def after_block(particles: int) -> None:
            bar.advance(particles)
            run.end_if_asked()

        with run.timed(JUDGE_STARTS):
            matching.iterate(poses, 0, search=True, on_block=after_block)
            every = [matching.half_maps(poses, index) for index in range(start.classes)]
            # the halves share what ab initio's last mask lets through; local refinement, which shares more, comes later
            shared = run.plan.curriculum.end_radius
            score = sum(half_map_agreement(maps.half_1, maps.half_2, shared) for maps in every) / len(every)
        return score, _poses_of(poses, start.particles.particle)

    def _name(self, which: int) -> str:
        return f"start {which + 1}"

    def _begun(self, which: int) -> Start | SearchStart:
        """A start that knows nothing and has random poses, in this process alone."""
        run, plan = self._run, self._run.plan
        config = replace(run.config, seed=run.config.seed + START_SEED_STEP * which)
        particles, schedule = self._particles.working_set(plan.ab_initio_frame, ALONE), plan.start_schedule
        if isinstance(schedule, SearchSchedule):
            return SearchStart(config, schedule, particles, plan.particle_radius_angstrom, plan.shift_range_angstrom)
        assert schedule is not None
        size = plan.particle_size(run.config)
        return Start(config, schedule, particles, plan.signal, size, plan.shift_range_angstrom)


def _poses_of(poses: Poses, chosen: Tensor | slice) -> dict[str, Tensor]:
    """Rotations, shifts and, where there are several, classes of the chosen particles, by name."""
    columns = poses.columns()
    names = (name for name in ("rotation", "shift_angstrom", "class_index") if name in columns)
    return {name: columns[name][chosen].clone() for name in names}
