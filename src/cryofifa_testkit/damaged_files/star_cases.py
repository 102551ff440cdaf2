"""STAR files of every version, damaged: what is read is what starfile and a plain split into words read."""

import linecache
import re
import shutil
from pathlib import Path
from typing import Any, cast

import numpy as np
import pandas as pd
import starfile

from cryofifa.particles.files.read import read_particles
from cryofifa.particles.files.star import read_poses_star
from cryofifa.particles.files.table import ParticleTable
from cryofifa_testkit.damaged_files.case import OutsideFailsError, Seed, WrongReadingError
from cryofifa_testkit.damaged_files.check import OF_OPTICS, OF_PARTICLES, check_equal, check_images, check_written
from cryofifa_testkit.damaged_files.star_damage import STAR
from cryofifa_testkit.particle_files import write_stack, write_star, write_star30


def star_seeds(folder: Path, formats: Path | None) -> list[Seed]:
    """Every version and every way to write it down; the last columns are the ones a short row lacks."""
    write_stack(folder / "stack.mrcs")
    star31 = write_star(folder / "star31.star")
    with_poses = write_star(
        folder / "poses.star",
        {
            "rlnAngleRot": [10.0, 20.0, 30.0],
            "rlnAngleTilt": [40.0, 50.0, 60.0],
            "rlnAnglePsi": [70.0, 80.0, 90.0],
            "rlnOpticsGroup": [2, 1, 2],
            "rlnImageName": ["1@stack.mrcs", "2@stack.mrcs", "3@stack.mrcs"],
            "rlnOriginXAngst": [1.0, -2.0, 3.0],
            "rlnOriginYAngst": [0.5, 0.0, -0.5],
            "rlnDefocusU": [10000.0, 11000.0, 12000.0],
            "rlnCtfBfactor": [0.0, 10.0, 20.0],
            "rlnPhaseShift": [0.0, 10.0, 90.0],
            "rlnRandomSubset": [1, 2, 1],
            "rlnClassNumber": [1, 1, 1],
        },
        {
            "rlnOpticsGroup": [1, 2],
            "rlnVoltage": [300.0, 200.0],
            "rlnSphericalAberration": [2.7, 0.01],
            "rlnAmplitudeContrast": [0.1, 0.07],
            "rlnImagePixelSize": [1.5, 1.5],
            "rlnBeamTiltX": [0.1, -0.2],
            "rlnBeamTiltY": [0.0, 0.3],
            "rlnOddZernike": ["[0.1,-0.2,0,0]", "[0,0,0,1]"],
        },
    )
    files = [star31, with_poses, write_star30(folder / "star30.star")]
    if formats is not None:
        for source in sorted(formats.glob("*/*.star")):
            target = folder / source.parent.name
            if not target.exists():
                shutil.copytree(source.parent, target, copy_function=linked)
            files.append(target / source.name)
    return [Seed(file.name, file.read_bytes(), file.with_name("damaged.star"), STAR, _judge_star) for file in files]


def linked(source: str, target: str) -> None:
    Path(target).symlink_to(source)


def _judge_star(path: Path) -> None:
    table = read_particles(path)
    check_images(table)
    check_written(table)
    if "rlnAngleRot" in cast(Any, table.source).particles.columns:
        poses = read_poses_star(path)
        unit = (poses.rotation @ poses.rotation.mT).numpy()
        check_equal("the poses", unit, np.broadcast_to(np.eye(3), unit.shape), 1e-9)
        check_equal("the origins", poses.shift_angstrom.numpy(), poses.shift_angstrom.numpy())
    for reader in (plain_star_tables, _starfile_tables):
        try:
            tables = reader(path)
        except Exception as error:
            raise OutsideFailsError(f"{reader.__name__}: {error!r}") from error
        if not any("rlnImageName" in block for block in tables.values()):  # starfile gives nothing for other encodings
            raise OutsideFailsError(f"{reader.__name__}: finds no particles")
        _compare_star(table, tables)


def _starfile_tables(path: Path) -> dict[str, pd.DataFrame]:
    linecache.clearcache()  # through which starfile reads: the case before had the same name
    blocks = starfile.read(path, always_dict=True)
    return {
        str(name): block if isinstance(block, pd.DataFrame) else pd.DataFrame([block]) for name, block in blocks.items()
    }


def plain_star_tables(path: Path) -> dict[str, pd.DataFrame]:
    """The tables as the words on their lines say, without another program: nothing can get lost.

    Raises:
        ValueError: where the lines do not make up tables.
    """
    tables: dict[str, tuple[list[str], list[list[str]]]] = {}
    labels: list[str] = []
    rows: list[list[str]] = []
    loop = False
    content = path.read_bytes()
    try:
        text = content.decode("utf-8")
    except UnicodeDecodeError:
        text = content.decode("latin-1")
    for line in text.replace("\r\n", "\n").split("\n" if "\n" in text else "\r"):
        words = re.findall(r"""\"[^"]*"|'[^']*'|[^ \t]+""", line.split(" #")[0])
        if not words or words[0].startswith("#"):
            continue
        if words[0].startswith("data_"):
            if words[0] in tables:
                raise ValueError(f"{words[0]} twice")
            labels, rows, loop = [], [], False
            tables[words[0]] = labels, rows
        elif words[0] == "loop_":
            loop = True
        elif words[0].startswith("_"):
            if (loop and rows) or words[0][1:] in labels:
                raise ValueError(f"{words[0]} twice or among rows")
            labels.append(words[0][1:])
            if not loop:
                rows[:] = [[*(rows[0] if rows else []), words[1]]]
        else:
            if len(words) != len(labels):
                raise ValueError(f"a row of {len(words)} words under {len(labels)} labels")
            rows.append(words)
    return {name[5:]: pd.DataFrame(rows, columns=labels) for name, (labels, rows) in tables.items()}


def _compare_star(table: ParticleTable, tables: dict[str, pd.DataFrame]) -> None:
    optics = tables.pop("optics", None)
    particles = next(block for block in tables.values() if "rlnImageName" in block)
    if len(particles) != len(table):
        raise WrongReadingError(f"{len(table)} particles of {len(particles)}")
    names = [str(name).strip("\"'") for name in particles["rlnImageName"]]
    numbers = [float(name.split("@")[0].lstrip(">")) - 1 if "@" in name else 0 for name in names]
    check_equal("the image numbers", table.frame_index, np.array(numbers))
    for name, stack in zip(names, table.stack_index, strict=True):
        if Path(name.split("@")[-1]).name != table.stack_paths[stack].name:
            raise WrongReadingError(f"{name} is not of {table.stack_paths[stack]}")
    for attribute, label in OF_PARTICLES.items():
        if label in particles:
            check_equal(label, getattr(table, attribute), particles[label].astype(float).to_numpy())
    if optics is None or "rlnOpticsGroup" not in particles:
        rows = np.zeros(len(particles), dtype=int)
    else:
        groups = optics["rlnOpticsGroup"].astype(float).tolist()
        rows = np.array([groups.index(group) for group in particles["rlnOpticsGroup"].astype(float)])
    for attribute, label in OF_OPTICS.items():
        column = particles[label] if optics is None or label not in optics else optics[label].iloc[rows]
        check_equal(label, getattr(table, attribute), column.astype(float).to_numpy())
