"""Where a run stands: what its checkpoint says beside the tensors."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from pathlib import Path

import torch
from torch import Tensor

from cryofifa.config import Config, config_as_dict, config_from_dict
from cryofifa.errors import InputError
from cryofifa.plan import RunPlan, plan_from_json
from cryofifa.run_folder import read_checkpoint, write_checkpoint
from cryofifa.train.run_log import EpochRecord, epoch_record_from_json, epoch_record_to_json


@dataclass(frozen=True)
class RunProgress:
    """Settings, plan and what has been done; timings are seconds by phase.

    starts: what speaks for each finished one, by the plan's judge.
    start_history: of the start that is being made.
    end_merit: of the end of ab initio, once it was held against the starts.
    """

    config: Config
    plan: RunPlan
    history: list[EpochRecord]
    timings: dict[str, float]
    starts: list[float]
    start_history: list[EpochRecord]
    end_merit: float | None


def write_run_state(path: Path, tensors: dict[str, Tensor], progress: RunProgress) -> None:
    """A checkpoint; the run can go on from here."""
    values = {
        "config": config_as_dict(progress.config),
        "plan": asdict(progress.plan),
        "history": [epoch_record_to_json(record) for record in progress.history],
        "timings": progress.timings,
        "starts": progress.starts,
        "start_history": [epoch_record_to_json(record) for record in progress.start_history],
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
            start_history=[epoch_record_from_json(record) for record in values.get("start_history", [])],
            end_merit=values.get("end_merit"),
        )
    except (KeyError, TypeError) as error:
        raise InputError(
            f"{path}: checkpoint of another version of the program ({error}); delete the folder and start anew"
        ) from None
