"""Whole files of every kind that can be damaged."""

from pathlib import Path

from cryofifa_testkit.damaged_files.case import KINDS, Seed
from cryofifa_testkit.damaged_files.checkpoint_cases import checkpoint_seeds
from cryofifa_testkit.damaged_files.cs_cases import cs_seeds
from cryofifa_testkit.damaged_files.mrc_cases import mrc_seeds
from cryofifa_testkit.damaged_files.settings_cases import config_seeds
from cryofifa_testkit.damaged_files.small_run import small_run
from cryofifa_testkit.damaged_files.star_cases import star_seeds


def make_seeds(folder: Path, data: Path | None, kinds: tuple[str, ...] = KINDS) -> dict[str, list[Seed]]:
    """Whole files of every kind, made here and, where there is the folder of particle sets, real ones of it."""
    makers = {"star": star_seeds, "cs": cs_seeds, "mrc": mrc_seeds}
    formats = None if data is None or not (data / "formats").is_dir() else data / "formats"
    seeds = {kind: makers[kind](folder / kind, formats) for kind in kinds if kind in makers}
    if {"config", "checkpoint"} & set(kinds):
        run = small_run(folder / "run")
        seeds |= {"config": config_seeds(run), "checkpoint": checkpoint_seeds(run)}
    return seeds
