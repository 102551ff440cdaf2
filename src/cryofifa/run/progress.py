"""Where a run stands: what its checkpoint says beside the tensors."""

from __future__ import annotations

import itertools
from dataclasses import asdict, dataclass, field
from pathlib import Path

import torch
from torch import Tensor

from cryofifa.errors import InputError
from cryofifa.half_map_refinement.projection_matching import edge_moved_cycles, searches_due
from cryofifa.names import HALF_MAP_REFINEMENT
from cryofifa.run.folder import read_checkpoint, write_checkpoint
from cryofifa.run.plan import RunPlan, plan_from_json
from cryofifa.settings.config import Config, config_as_dict, config_from_dict
from cryofifa.train.epoch_record import EpochRecord, epoch_record_from_json, epoch_record_to_json


@dataclass
class RunProgress:
    """Settings, plan and what has been done; timings are seconds by phase.

    starts: what speaks for each finished one, by the plan's judge.
    records_of_finished_starts: what happened in every epoch of each.
    start_history: of every epoch of the starts that are being made side by side, what happened in each of them.
    end_score: of the end of ab initio, once it was held against the starts.
    """

    config: Config
    plan: RunPlan
    history: list[EpochRecord] = field(default_factory=list)
    timings: dict[str, float] = field(default_factory=dict)
    starts: list[float] = field(default_factory=list)
    records_of_finished_starts: list[list[EpochRecord]] = field(default_factory=list)
    start_history: list[list[EpochRecord]] = field(default_factory=list)
    end_score: float | None = None

    def epochs_done(self, phase: str) -> int:
        return sum(record.phase == phase for record in self.history)

    @property
    def best_start(self) -> int:
        """The start for which most speaks, from 0."""
        return max(range(len(self.starts)), key=lambda which: self.starts[which])

    @property
    def records_of_starts(self) -> list[list[EpochRecord]]:
        """What happened in every epoch of each start, finished or under way."""
        return self.records_of_finished_starts + [list(records) for records in zip(*self.start_history, strict=True)]

    @property
    def epochs_of_best_start(self) -> int:
        """How many of the history's first records are the best start's."""
        return len(self.records_of_finished_starts[self.best_start]) if self.starts else 0

    @property
    def last_pose_change_degree(self) -> float | None:
        return self.history[-1].pose_change_median_degree if self.history else None

    @property
    def half_map_searches(self) -> int:
        """The half-map refinement's iterations that look for poses anew, as far as is known."""
        return searches_due(
            [record.winner_shares["orientation set"] for record in self._refined], self.config.half_map_refinement
        )

    @property
    def half_map_iterations(self) -> int:
        """The plan's, and one more for every search after the first; fewer where poses have settled after the last."""
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
        """Particle visits of the whole run, as far as is known."""
        plan = self.plan
        epochs = plan.curriculum.epochs + (plan.starts - 1) * plan.start_epochs
        epochs += plan.encoder_refinement.epochs if plan.encoder_refinement else 0
        judged = plan.starts + 1 if plan.judges_by_matching else 0
        return plan.ab_initio_particles * (epochs + judged) + plan.particles * self.half_map_iterations

    @property
    def visits_done(self) -> int:
        plan = self.plan
        losers = max(0, len(self.starts) - 1) * plan.start_epochs
        judged = len(self.starts) + (self.end_score is not None) if plan.judges_by_matching else 0
        trained = sum(record.particles for record in itertools.chain(self.history, *self.start_history))
        return plan.ab_initio_particles * (losers + judged) + trained


def write_run_state(path: Path, tensors: dict[str, Tensor], progress: RunProgress) -> None:
    """A checkpoint; the run can go on from here."""
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
        "end_score": progress.end_score,
    }
    write_checkpoint(path, tensors, values)


def read_run_state(path: Path, device: torch.device) -> tuple[dict[str, Tensor], RunProgress]:
    """What `write_run_state` wrote.

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
            end_score=values["end_score"],
        )
    except (KeyError, TypeError) as error:
        raise InputError(
            f"{path}: checkpoint of another version of the program ({error}); delete the folder and start anew"
        ) from None
