"""Settings files, damaged: what is read is what tomllib reads, and a run can be planned and begun with it."""

import math
import tomllib
from dataclasses import replace
from pathlib import Path

from cryofifa.particles.particle_radius import survey_images
from cryofifa.run.planning import plan_run
from cryofifa.settings.config import config_as_dict, config_as_toml, read_config
from cryofifa.train.ab_initio import AbInitio
from cryofifa_testkit.damaged_files.case import Seed, WrongReadingError
from cryofifa_testkit.damaged_files.check import is_within
from cryofifa_testkit.damaged_files.small_run import SMALL, SmallRun, whole_working_set
from cryofifa_testkit.damaged_files.toml_damage import TOML


def config_seeds(run: SmallRun) -> list[Seed]:
    survey = survey_images(run.images)

    def judge(path: Path) -> None:
        """What is read is what the file says, survives a file, can be planned, and learns for one epoch."""
        config = read_config(path)
        said = tomllib.loads(path.read_text(encoding="utf-8"))
        if not is_within(said, config_as_dict(config)):
            raise WrongReadingError(f"{said} was read as {config}")
        again = path.with_name("again.toml")
        again.write_text(config_as_toml(config), encoding="utf-8")
        if read_config(again) != config:
            raise WrongReadingError("the settings do not survive a file")
        plan = plan_run(config, run.images.table, survey)
        plan.describe()
        training = AbInitio(
            config,
            plan.curriculum,
            whole_working_set(run.images, plan.ab_initio_frame),
            plan.particle_radius_angstrom,
            plan.shift_range_angstrom,
        )
        record = training.train_epoch(0)
        if not math.isfinite(record.loss + record.encoder_loss):
            raise WrongReadingError(f"loss {record.loss}, encoder loss {record.encoder_loss}")

    path = run.particles.with_name("damaged.toml")
    texts = {"small": config_as_toml(SMALL), "amortized": config_as_toml(replace(SMALL, pose_mode="amortized"))}
    return [Seed(name, text.encode(), path, TOML, judge) for name, text in texts.items()]
