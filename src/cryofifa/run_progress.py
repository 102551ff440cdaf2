"""Where a run stands: what its checkpoint says beside the tensors."""

from __future__ import annotations

import itertools
from dataclasses import asdict, dataclass, field
from pathlib import Path

import torch
from torch import Tensor

from cryofifa.config import Config, config_as_dict, config_from_dict
from cryofifa.errors import InputError
from cryofifa.plan import RunPlan, plan_from_json
from cryofifa.run_folder import read_checkpoint, write_checkpoint
from cryofifa.train.projection_matching import edge_moved_cycles, searches_due
from cryofifa.train.run_log import EpochRecord, epoch_record_from_json, epoch_record_to_json


@dataclass
class RunProgress:
    """Settings, plan and what has been done; timings are seconds by phase.

    starts: what speaks for each finished one, by the plan's judge.
    start_history: of every epoch of the starts that are being made side by side, what happened in each of them.
    end_merit: of the end of ab initio, once it was held against the starts.
    """

    config: Config
    plan: RunPlan
    history: list[EpochRecord] = field(default_factory=list)
    timings: dict[str, float] = field(default_factory=dict)
    starts: list[float] = field(default_factory=list)
    start_history: list[list[EpochRecord]] = field(default_factory=list)
    end_merit: float | None = None

    def epochs_done(self, phase: str) -> int:
        return sum(record.phase == phase for record in self.history)

    @property
    def best_start(self) -> int:
        return max(range(len(self.starts)), key=lambda which: self.starts[which])

    @property
    def last_pose_change_degree(self) -> float | None:
        return self.history[-1].pose_change_median_degree if self.history else None

    @property
    def polish_searches(self) -> int:
        """The polish's iterations that look for poses anew, as far as is known."""
        return searches_due([record.winner_shares["bank"] for record in self._polished], self.config.polish)

    @property
    def polish_iterations(self) -> int:
        """The plan's, and one more for every search after the first; fewer where poses have settled after the last."""
        planned, polished = self.plan.polish_iterations, self._polished
        most = planned and planned + self.polish_searches - 1
        settled = (
            len(polished) > self.polish_searches and edge_moved_cycles(polished[-1]) < self.config.polish.settled_cycles
        )
        return min(most, len(polished)) if settled else most

    @property
    def _polished(self) -> list[EpochRecord]:
        return [record for record in self.history if record.phase == "polish"]

    @property
    def visits_in_all(self) -> int:
        """Particle visits of the whole run, as far as is known."""
        plan = self.plan
        epochs = plan.curriculum.epochs + (plan.starts - 1) * plan.start_epochs
        epochs += plan.refinement.epochs if plan.refinement else 0
        judged = plan.starts + 1 if plan.judges_by_matching else 0
        return plan.ab_initio_particles * (epochs + judged) + plan.particles * self.polish_iterations

    @property
    def visits_done(self) -> int:
        plan = self.plan
        losers = max(0, len(self.starts) - 1) * plan.start_epochs
        judged = len(self.starts) + (self.end_merit is not None) if plan.judges_by_matching else 0
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
        "start_history": [[epoch_record_to_json(record) for record in epoch] for epoch in progress.start_history],
        "end_merit": progress.end_merit,
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
            start_history=[[epoch_record_from_json(record) for record in epoch] for epoch in values["start_history"]],
            end_merit=values["end_merit"],
        )
    except (KeyError, TypeError) as error:
        raise InputError(
            f"{path}: checkpoint of another version of the program ({error}); delete the folder and start anew"
        ) from None
