"""What is true of a simulated set, as files: structures, poses, junk, and all settings, which make it again."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import asdict
from functools import partial
from pathlib import Path
from typing import Any

import mrcfile
import numpy as np
import pandas as pd
from jaxtyping import Float
from torch import Tensor

from cryofifa.conventions import relion_euler_degrees_from_rotations
from cryofifa.mrc_map import write_map
from cryofifa.particles.files.star_tables_writer import write_star_tables
from cryofifa.particles.simulated.acquisition import Acquisition
from cryofifa.particles.simulated.gradient import Gradients
from cryofifa.particles.simulated.neighbours import Neighbours
from cryofifa.particles.simulated.scene import Scene
from cryofifa.particles.simulated.simulated_set import (
    JUNK_KINDS,
    SimulatedParameters,
    label_without_time,
    write_star,
)
from cryofifa.settings.sample import SampleSettings, sample_as_dict
from cryofifa.settings.toml_text import as_toml

WriteFile = Callable[[Path], object]


def files_of_truth(truth: Path, scene: Scene, further_columns: Mapping[str, np.ndarray]) -> dict[Path, WriteFile]:
    """What every set's truth/ holds: the first structure, poses, and which rows are junk.

    further_columns: of poses.star.
    """
    plane, drawn = scene.plane, scene.drawn
    rows = np.flatnonzero(drawn.junk_kind >= 0)
    kinds = [JUNK_KINDS[kind] for kind in drawn.junk_kind[rows]]
    return {
        truth / "map.mrc": lambda path: _write_map(path, scene.molecules[0].volume, plane.pixel_size_angstrom),
        truth / "poses.star": lambda path: write_star(
            path,
            drawn,
            plane.box_size,
            plane.pixel_size_angstrom,
            with_poses=True,
            further_columns=further_columns,
        ),
        truth / "junk.txt": lambda path: path.write_text("".join(f"{row}\n" for row in rows), encoding="utf-8"),
        truth / "junk_kind.txt": lambda path: path.write_text("".join(f"{kind}\n" for kind in kinds), encoding="utf-8"),
    }


def files_of_sample(
    truth: Path,
    acquisition: Acquisition,
    sample: SampleSettings,
    scene: Scene,
    neighbours: Neighbours,
    gradients: Gradients,
) -> dict[Path, WriteFile]:
    """What truth/ holds besides: settings, further structures, the mean micelle, neighbours and ramps."""
    box, pixel_size = acquisition.box, acquisition.pixel_size_angstrom
    maps = {f"map{number}.mrc": one.volume for number, one in enumerate(scene.molecules[1:], start=2)}
    micelle = scene.molecules[0].micelle
    if micelle is not None:
        maps["micelle.mrc"] = micelle.mean_density(box)
    return {
        truth / "settings.toml": lambda path: write_settings(path, acquisition, sample, scene),
        truth / "surroundings.star": lambda path: write_surroundings(path, neighbours, gradients),
        **{
            truth / name: partial(_write_map, volume=volume, pixel_size_angstrom=pixel_size)
            for name, volume in maps.items()
        },
    }


def columns_of_sample(drawn: SimulatedParameters) -> dict[str, np.ndarray]:
    """Columns of truth/poses.star: the structure that a row has, from 1, or 0 for junk; its B factor and contrast."""
    return {
        "rlnClassNumber": np.where(drawn.junk_kind >= 0, 0, drawn.model + 1),
        "rlnCtfBfactor": drawn.b_factor_square_angstrom,
        "rlnCtfScalefactor": drawn.contrast,
    }


def write_surroundings(path: Path, neighbours: Neighbours, gradients: Gradients) -> None:
    """Write the ramps of all images, and the poses of the neighbours of those that have one, as a STAR file.

    Rows count from 0. A ramp is given in standard deviations of the noise, a neighbour's place (x, y) in angstrom from
    the box centre.
    """
    rows = np.flatnonzero(neighbours.present)
    euler = relion_euler_degrees_from_rotations(neighbours.rotation_volume_to_image[rows])
    place = neighbours.place_angstrom[rows]
    tables = {
        "gradients": pd.DataFrame(
            {"cryofifaGradientX": gradients.height[:, 0], "cryofifaGradientY": gradients.height[:, 1]}
        ),
        "neighbours": pd.DataFrame(
            {"cryofifaRow": rows, "cryofifaPlaceXAngst": place[:, 0], "cryofifaPlaceYAngst": place[:, 1]}
            | {label: euler[:, i] for i, label in enumerate(("rlnAngleRot", "rlnAngleTilt", "rlnAnglePsi"))}
        ),
    }
    write_star_tables(path, {name: table for name, table in tables.items() if len(table)})


def write_settings(path: Path, acquisition: Acquisition, sample: SampleSettings, scene: Scene) -> None:
    """Write all settings of a set as TOML, which `--sample` reads again, and what they led to.

    [drawn] has what the density of the maps is multiplied by where the noise has variance 1, and where the micelle is.
    """
    drawn: dict[str, Any] = {"scale": float(scene.scale)}
    micelle = scene.molecules[0].micelle
    if micelle is not None:
        drawn["micelle_centre_angstrom"] = micelle.belt.centre_angstrom.tolist()
        drawn["micelle_axis"] = micelle.belt.axis.tolist()
    values = sample_as_dict(sample)
    models = values.pop("model")
    of_set = asdict(acquisition) | {"defocus_angstrom": list(acquisition.defocus_angstrom)}
    text = as_toml({"set": _given(of_set), **values, "drawn": drawn})
    path.write_text(text + "".join(f"\n[[model]]\n{as_toml(_given(model))}" for model in models), encoding="utf-8")


def _given(table: dict[str, Any]) -> dict[str, Any]:
    """What of a table is not None."""
    return {name: value for name, value in table.items() if value is not None}


def _write_map(path: Path, volume: Float[Tensor, "z y x"], pixel_size_angstrom: float) -> None:
    """Write a map whose label does not tell the time of day."""
    write_map(path, volume, pixel_size_angstrom)
    with mrcfile.open(path, "r+") as file:
        label_without_time(file)
