"""`cryofifa evaluate`: a run or a map against the truth or an atomic model."""

from __future__ import annotations

import argparse
from pathlib import Path

NAME = "evaluate"
HELP = "compare a run or a map with the truth or a model"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare what is compared, and with what."""
    add = parser.add_argument
    add("run_or_map", type=Path, metavar="RUN|MAP")
    add("--truth-map", type=Path, metavar="MAP")
    add("--model", type=Path, metavar="MODEL.cif|.pdb", help="atomic model, in place of the true map")
    add("--select", metavar="GEMMI_SELECTION", help="part of the model")
    add("--truth-poses", type=Path, metavar="STAR")
    add("--symmetry", default="C1", metavar="G", help="point group of the truth (default: C1)")
    add("--radius", type=float, default=0.45, help="soft sphere's radius as a share of the box (default: 0.45)")
    add("--json", action="store_true", help="print JSON instead of a table")


def run(options: argparse.Namespace) -> None:
    """Compare and print the numbers as a table or as JSON."""
    from cryofifa.after_run.evaluate import evaluate

    evaluation = evaluate(
        options.run_or_map,
        options.truth_map,
        options.truth_poses,
        options.symmetry,
        options.radius,
        model=options.model,
        select=options.select,
    )
    print(evaluation.as_json() if options.json else evaluation.as_text())
