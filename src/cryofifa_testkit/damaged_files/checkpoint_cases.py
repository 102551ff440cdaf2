"""The files of a finished run, damaged: everything that looks into its folder reads what the run has written."""

import json
from dataclasses import asdict
from pathlib import Path

import numpy as np
import torch
from safetensors.torch import load as load_safetensors

from cryofifa.after_run.export import export
from cryofifa.results.summary import read_summary
from cryofifa.run.checkpoint_file import read_checkpoint, write_checkpoint
from cryofifa.run.identity import run_settings
from cryofifa.run.log import Progress, RunLog
from cryofifa.run.phases import Phases
from cryofifa.run.progress import RunProgress
from cryofifa.run.session import Session
from cryofifa.run.trained import read_trained_run
from cryofifa_testkit.damaged_files.case import Seed, WrongReadingError
from cryofifa_testkit.damaged_files.check import is_within
from cryofifa_testkit.damaged_files.checkpoint_damage import SAFETENSORS
from cryofifa_testkit.damaged_files.damage import drawn
from cryofifa_testkit.damaged_files.json_damage import JSON
from cryofifa_testkit.damaged_files.small_run import SMALL, SmallRun, whole_working_set

CPU = torch.device("cpu")


def checkpoint_seeds(run: SmallRun) -> list[Seed]:
    folder = run.folder
    tensors, _ = read_checkpoint(folder.checkpoint, CPU)

    def judge(path: Path) -> None:
        """Everything that looks into a run's folder reads it; what it finds is what the run has written."""
        summary = read_summary(folder)
        if path == folder.summary:
            said = json.loads(path.read_text(encoding="utf-8"))
            found = {name: value for name, value in asdict(summary).items() if name != "folder"}
            if not is_within(json.loads(json.dumps(found)), said):
                raise WrongReadingError(f"{summary} is not what run.json says")
        export(folder.path, "cs", folder.path.with_name("exported.cs"))
        folder.claim(run_settings(run.images.stacks, SMALL))
        trained = read_trained_run(folder.path, CPU)
        trained.decoder()
        trained.ab_initio(whole_working_set(run.images, trained.plan.ab_initio_frame))
        with RunLog(None) as log, Progress(1) as bar:
            so_far = Session(RunProgress(SMALL, trained.plan), CPU, folder, log)
            so_far.resume()
            phases = Phases(so_far, run.images)
            phases.refine_poses(phases.find_poses(bar), bar)
        if path == folder.checkpoint:
            for values in (so_far.tensors, load_safetensors(path.read_bytes())):
                if values.keys() != tensors.keys() or not all(
                    torch.equal(values[name].nan_to_num(7.0), tensors[name].nan_to_num(7.0)) for name in tensors
                ):
                    raise WrongReadingError("the tensors are not the run's")

    def of_another_version(rng: np.random.Generator, content: bytes) -> bytes:
        """Whole and with a true checksum, but some entry of its progress has another name."""
        folder.checkpoint.write_bytes(content)
        kept, progress = read_checkpoint(folder.checkpoint, CPU)
        part = drawn(rng, (progress, progress["plan"], progress["plan"]["curriculum"], *progress["history"]))
        part["of another version"] = part.pop(drawn(rng, list(part)))
        write_checkpoint(folder.checkpoint, kept, progress)
        return folder.checkpoint.read_bytes()

    json_files = (folder.summary, folder.settings)
    seeds = [Seed(file.name, file.read_bytes(), file, JSON, judge) for file in json_files]
    state = folder.checkpoint
    mutations = (*SAFETENSORS, of_another_version)
    return [*seeds, *(Seed(state.name, state.read_bytes(), state, mutations, judge) for _ in range(2))]
