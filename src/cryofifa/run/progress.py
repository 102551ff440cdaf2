"""The progress of a run: what its checkpoint keeps beside the tensors, and what follows from it for the phases."""

from __future__ import annotations

import itertools
from dataclasses import asdict, dataclass, field
from pathlib import Path

import torch
from torch import Tensor

from cryofifa.errors import InputError
from cryofifa.half_map_refinement.projection_matching import edge_moved_cycles, searches_due
from cryofifa.names import HALF_MAP_REFINEMENT
from cryofifa.run.checkpoint_file import read_checkpoint, write_checkpoint
from cryofifa.run.plan import RunPlan, plan_from_json
from cryofifa.settings.config import Config, config_as_dict, config_from_dict
from cryofifa.train.epoch_record import EpochRecord, epoch_record_from_json, epoch_record_to_json


@dataclass
class RunProgress:
    """Settings, plan, and what a run has done so far.

    Attributes:
        config: settings of the run.
        plan: what the run does.
        history: a record of every epoch, of the best start and then of the phases after it.
        timings: seconds by phase.
        starts: score of each finished start, by the plan's judge; the highest is the best.
        records_of_finished_starts: records of every epoch of each finished start.
        start_history: for every epoch of the starts that are being made side by side, the record of each.
        starts_are_made: no further start is needed.
        least_score: of particles that half maps are made of; None where all are.
        split_before: the search of half-map refinement, by its iteration, before which that was found; 0 for none.
        end_score: score of the poses at the end of ab initio; None until they are compared with the best start's.
        particle_marks: what tells the run's particles from others; empty in checkpoints of earlier versions.
    """

    config: Config
    plan: RunPlan
    history: list[EpochRecord] = field(default_factory=list)
    timings: dict[str, float] = field(default_factory=dict)
    starts: list[float] = field(default_factory=list)
    records_of_finished_starts: list[list[EpochRecord]] = field(default_factory=list)
    start_history: list[list[EpochRecord]] = field(default_factory=list)
    starts_are_made: bool = False
    least_score: float | None = None
    split_before: int = 0
    end_score: float | None = None
    particle_marks: dict[str, str] = field(default_factory=dict)

    def epochs_done(self, phase: str) -> int:
        """How many epochs of a phase the history has, by the phase's name in `names.py`."""
        return sum(record.phase == phase for record in self.history)

    @property
    def best_start(self) -> int:
        """The number, from 0, of the finished start with the highest score."""
        return max(range(len(self.starts)), key=lambda which: self.starts[which])

    @property
    def records_of_starts(self) -> list[list[EpochRecord]]:
        """The records of every epoch of each start, finished or under way."""
        return self.records_of_finished_starts + [list(records) for records in zip(*self.start_history, strict=True)]

    @property
    def epochs_of_best_start(self) -> int:
        """How many records at the beginning of the history are the best start's."""
        return len(self.records_of_finished_starts[self.best_start]) if self.starts else 0

    @property
    def last_pose_change_degree(self) -> float | None:
        """Median pose change in the last epoch, in degrees; None where it is not known."""
        return self.history[-1].pose_change_median_degree if self.history else None

    @property
    def half_map_searches(self) -> int:
        """How many iterations of half-map refinement look for poses anew, as far as is known."""
        return searches_due(
            [record.winner_shares["orientation set"] for record in self._refined], self.config.half_map_refinement
        )

    @property
    def half_map_iterations(self) -> int:
        """How many iterations half-map refinement has, as far as is known.

        There are as many as planned, and one more for every search after the first; fewer once poses have settled after
        the last search.
        """
        planned, refined = self.plan.half_map_iterations, self._refined
        most = planned and planned + self.half_map_searches - 1
        settled = (
            len(refined) > self.half_map_searches
            and edge_moved_cycles(refined[-1]) < self.config.half_map_refinement.settled_cycles
        )
        return min(most, len(refined)) if settled else most

    @property
    def _refined(self) -> list[EpochRecord]:
        return [record for record in self.history if record.phase == HALF_MAP_REFINEMENT]

    @property
    def visits_in_all(self) -> int:
        """Particle visits of the whole run, as far as is known: each particle counts once per epoch or iteration."""
        plan = self.plan
        refined = plan.encoder_refinement.epochs if plan.encoder_refinement else 0
        missing = 0 if self.starts_are_made else max(1, plan.least_starts - len(self.starts))
        starts = missing * plan.usual_start_epochs + sum(map(len, self.records_of_finished_starts))
        judged = missing + len(self.starts) + 1 if plan.judges_by_matching else 0
        visits = plan.curriculum.epochs + refined + starts + judged
        return plan.ab_initio_particles * visits + plan.particles * self.half_map_iterations

    @property
    def visits_done(self) -> int:
        """Particle visits made so far, those of all starts included."""
        plan = self.plan
        judged = len(self.starts) + (self.end_score is not None) if plan.judges_by_matching else 0
        of_starts = itertools.chain(*self.records_of_finished_starts, *self.start_history)
        after_them = self.history[self.epochs_of_best_start :]
        trained = sum(record.particles for record in itertools.chain(of_starts, after_them))
        return plan.ab_initio_particles * judged + trained


def write_run_state(path: Path, tensors: dict[str, Tensor], progress: RunProgress) -> None:
    """Write a checkpoint, from which the run can go on.

    Raises:
        InputError: if the disk is full or the folder cannot be written; the older checkpoint stays.
    """
    values = {
        "config": config_as_dict(progress.config),
        "plan": asdict(progress.plan),
        "history": [epoch_record_to_json(record) for record in progress.history],
        "timings": progress.timings,
        "starts": progress.starts,
        "records_of_finished_starts": [
            [epoch_record_to_json(record) for record in start] for start in progress.records_of_finished_starts
        ],
        "start_history": [[epoch_record_to_json(record) for record in epoch] for epoch in progress.start_history],
        "starts_are_made": progress.starts_are_made,
        "least_score": progress.least_score,
        "split_before": progress.split_before,
        "end_score": progress.end_score,
        "particle_marks": progress.particle_marks,
    }
    write_checkpoint(path, tensors, values)


def read_run_state(path: Path, device: torch.device) -> tuple[dict[str, Tensor], RunProgress]:
    """The tensors, on a device, and the progress that `write_run_state` wrote.

    Raises:
        InputError: if the file is damaged, or of another version of the program.
    """
    tensors, values = read_checkpoint(path, device)
    try:
        return tensors, RunProgress(
            config=config_from_dict(values["config"], str(path)),
            plan=plan_from_json(values["plan"]),
            history=[epoch_record_from_json(record) for record in values["history"]],
            timings=values["timings"],
            starts=values["starts"],
            records_of_finished_starts=[
                [epoch_record_from_json(record) for record in start] for start in values["records_of_finished_starts"]
            ],
            start_history=[[epoch_record_from_json(record) for record in epoch] for epoch in values["start_history"]],
            starts_are_made=values["starts_are_made"],
            least_score=values["least_score"],
            split_before=values["split_before"],
            end_score=values["end_score"],
            particle_marks=values.get("particle_marks", {}),
        )
    except (KeyError, TypeError) as error:
        raise InputError(
            f"{path}: checkpoint of another version of the program ({error}); use that one, or start anew in another "
            "folder"
        ) from None
