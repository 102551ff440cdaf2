"""Damaged files given to the readers: each is refused in one line, or read as another program reads the same bytes.

A case is known by its kind, its number and the seed: `run_case` makes the same one again.
"""

import json
import math
import re
import shutil
import tomllib
import traceback
import warnings
from collections.abc import Callable
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any, Literal, cast

import mrcfile
import mutated_files
import numpy as np
import pandas as pd
import starfile
import torch
from particle_files import cs_records, write_cs, write_stack, write_star, write_star30
from safetensors.torch import load as load_safetensors

from cryofifa.after_run.export import export
from cryofifa.errors import InputError
from cryofifa.main_path import reconstruct
from cryofifa.mrc_map import read_map, write_map
from cryofifa.particles.files.cs_writer import write_particles_cs
from cryofifa.particles.files.read import read_particles
from cryofifa.particles.files.star import read_poses_star, write_particles_star
from cryofifa.particles.files.table import ParticleTable
from cryofifa.particles.kept_images import ImagesInMemory
from cryofifa.particles.particle_radius import survey_images
from cryofifa.particles.poses import Poses
from cryofifa.particles.preprocess import ParticleImages
from cryofifa.particles.simulated.pseudo_protein import pseudo_protein
from cryofifa.particles.simulated.simulate import simulate
from cryofifa.particles.stacks import ImageStacks
from cryofifa.physics.ctf import contrast_transfer
from cryofifa.physics.fourier import HalfPlane
from cryofifa.results.summary import read_summary
from cryofifa.run.folder import RunFolder, read_checkpoint, run_settings, write_checkpoint
from cryofifa.run.log import Progress, RunLog
from cryofifa.run.phases import Phases
from cryofifa.run.plan import plan_run
from cryofifa.run.progress import RunProgress
from cryofifa.run.session import Session
from cryofifa.run.trained import read_trained_run
from cryofifa.settings.config import Config, config_as_dict, config_as_toml, read_config
from cryofifa.train.ab_initio import AbInitio
from cryofifa.train.working_set import WorkingSet

KINDS = ("star", "cs", "mrc", "config", "checkpoint")
Verdict = Literal["refused", "equal", "outside fails", "FAILURE"]
CPU = torch.device("cpu")
PIXEL_ANGSTROM, BOX = 10.0, 16
SMALL = Config().changed(
    encoder={"channels": 2, "stages": 1, "feature_width": 8},
    decoder={"fourier_net": {"width": 8, "modulant_layers": 1, "envelope_layers": 1}},
    curriculum={"visits": 24, "fewest_epochs": 1, "starts": 1},
    search={"orientations": 20},
    half_map_refinement={"iterations": 1, "most_searches": 1, "candidates": 2},
    encoder_refinement={"epochs": 1},
)
LONGEST_LINE = 2000  # characters


class OutsideFailsError(Exception):
    """We have read a file that the outside reader refuses."""


class WrongReadingError(Exception):
    """We have read something else than the outside reader, or something that cannot be computed with."""


@dataclass(frozen=True)
class Seed:
    """A whole file, how it may be damaged, and what judges the damaged one.

    path: where the damaged file is put; what belongs to it (stacks, the rest of a run) lies about it.
    judge: reads `path`; raises InputError, one of the two errors above, or what must not happen.
    """

    name: str
    content: bytes
    path: Path
    mutations: tuple[mutated_files.Mutation, ...]
    judge: Callable[[Path], None]


@dataclass(frozen=True)
class Outcome:
    """What came of one case; detail is the refusal, or what went wrong."""

    case: str
    verdict: Verdict
    detail: str


def damage(seeds: dict[str, list[Seed]], kind: str, number: int, seed: int) -> tuple[Seed, str, bytes]:
    """The seed file of a case, the mutations drawn (one, rarely two), and the damaged bytes."""
    rng = np.random.default_rng([seed, KINDS.index(kind), number])
    whole = mutated_files.drawn(rng, seeds[kind])
    content, names = whole.content, []
    wanted = 1 + int(rng.random() < 0.2)
    while len(names) < wanted:
        mutation = mutated_files.drawn(rng, whole.mutations)
        try:
            changed = mutation(rng, content)
        except (ValueError, KeyError, IndexError, SyntaxError, TypeError, RecursionError):
            continue  # too damaged already to be taken apart again
        if changed != whole.content:
            content = changed
            names.append(mutation.__name__)
    return whole, "+".join(names), content


def run_case(seeds: dict[str, list[Seed]], kind: str, number: int, seed: int) -> Outcome:
    """Damage one file, read it, and judge."""
    whole, mutations, content = damage(seeds, kind, number, seed)
    case = f"{kind} {number} ({whole.name}: {mutations})"
    whole.path.write_bytes(content)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            whole.judge(whole.path)
        except InputError as error:
            message = str(error)
            clear = message.isprintable() and len(message) <= LONGEST_LINE
            # plans name the option at fault, not the settings file
            clear = clear and (kind == "config" or whole.path.parent.name in message or "/run/run" in message)
            return Outcome(case, "refused" if clear else "FAILURE", message if clear else f"message {message!r}")
        except OutsideFailsError as error:
            return Outcome(case, "outside fails", " ".join(str(error).split()))
        except Exception:
            return Outcome(case, "FAILURE", traceback.format_exc())
        finally:
            whole.path.write_bytes(whole.content)
    return Outcome(case, "equal", "")


def make_seeds(folder: Path, data: Path | None, kinds: tuple[str, ...] = KINDS) -> dict[str, list[Seed]]:
    """Whole files of every kind, made here and, where there is the folder of particle sets, real ones of it."""
    makers = {"star": _star_seeds, "cs": _cs_seeds, "mrc": _mrc_seeds}
    formats = None if data is None or not (data / "formats").is_dir() else data / "formats"
    seeds = {kind: makers[kind](folder / kind, formats) for kind in kinds if kind in makers}
    if {"config", "checkpoint"} & set(kinds):
        run = _small_run(folder / "run")
        seeds |= {"config": _config_seeds(run), "checkpoint": _checkpoint_seeds(run)}
    return seeds


# STAR and .cs


def _star_seeds(folder: Path, formats: Path | None) -> list[Seed]:
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
                shutil.copytree(source.parent, target, copy_function=_linked)
            files.append(target / source.name)
    return [
        Seed(file.name, file.read_bytes(), file.with_name("damaged.star"), mutated_files.STAR, _judge_star)
        for file in files
    ]


def _linked(source: str, target: str) -> None:
    Path(target).symlink_to(source)


def _judge_star(path: Path) -> None:
    table = read_particles(path)
    _judge_images(table)
    _judge_written(table)
    if "rlnAngleRot" in cast(Any, table.source).particles.columns:
        poses = read_poses_star(path)
        unit = (poses.rotation @ poses.rotation.mT).numpy()
        _agree("the poses", unit, np.broadcast_to(np.eye(3), unit.shape), 1e-9)
        _agree("the origins", poses.shift_angstrom.numpy(), poses.shift_angstrom.numpy())
    for reader in (_starfile_tables, plain_star_tables):
        try:
            tables = reader(path)
        except Exception as error:
            raise OutsideFailsError(f"{reader.__name__}: {error!r}") from error
        _compare_star(table, tables)


def _starfile_tables(path: Path) -> dict[str, pd.DataFrame]:
    blocks = starfile.read(path, always_dict=True)
    return {name: block if isinstance(block, pd.DataFrame) else pd.DataFrame([block]) for name, block in blocks.items()}


def plain_star_tables(path: Path) -> dict[str, pd.DataFrame]:
    """The tables as the words on their lines say, without another program: nothing can get lost.

    Raises:
        ValueError: where the lines do not make up tables.
    """
    tables: dict[str, tuple[list[str], list[list[str]]]] = {}
    labels: list[str] = []
    rows: list[list[str]] = []
    loop = False
    for line in path.read_text(encoding="utf-8").split("\n"):
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


OF_PARTICLES = {
    "defocus_u_angstrom": "rlnDefocusU",
    "defocus_v_angstrom": "rlnDefocusV",
    "b_factor_square_angstrom": "rlnCtfBfactor",
    "ctf_scale": "rlnCtfScalefactor",
}
OF_OPTICS = {
    "voltage_kilovolt": "rlnVoltage",
    "spherical_aberration_millimetre": "rlnSphericalAberration",
    "amplitude_contrast": "rlnAmplitudeContrast",
}


def _compare_star(table: ParticleTable, tables: dict[str, pd.DataFrame]) -> None:
    optics = tables.pop("optics", None)
    particles = next(block for block in tables.values() if "rlnImageName" in block)
    if len(particles) != len(table):
        raise WrongReadingError(f"{len(table)} particles of {len(particles)}")
    names = [str(name).strip("\"'") for name in particles["rlnImageName"]]
    numbers = [float(name.split("@")[0].lstrip(">")) - 1 if "@" in name else 0 for name in names]
    _agree("the image numbers", table.frame_index, np.array(numbers))
    for name, stack in zip(names, table.stack_index, strict=True):
        if Path(name.split("@")[-1]).name != table.stack_paths[stack].name:
            raise WrongReadingError(f"{name} is not of {table.stack_paths[stack]}")
    for attribute, label in OF_PARTICLES.items():
        if label in particles:
            _agree(label, getattr(table, attribute), particles[label].astype(float).to_numpy())
    if optics is None or "rlnOpticsGroup" not in particles:
        rows = np.zeros(len(particles), dtype=int)
    else:
        groups = optics["rlnOpticsGroup"].astype(float).tolist()
        rows = np.array([groups.index(group) for group in particles["rlnOpticsGroup"].astype(float)])
    for attribute, label in OF_OPTICS.items():
        column = particles[label] if optics is None or label not in optics else optics[label].iloc[rows]
        _agree(label, getattr(table, attribute), column.astype(float).to_numpy())


def _cs_seeds(folder: Path, formats: Path | None) -> list[Seed]:
    write_stack(folder / "stack.mrcs")
    passed = [name for name in cs_records().dtype.names or () if name.startswith("ctf/")]
    apart = folder / "apart"
    write_stack(apart / "stack.mrcs")
    whole = cs_records()
    write_cs(
        apart / "J1_passthrough_particles.cs", np.array(whole[["uid", *passed]].tolist(), whole[["uid", *passed]].dtype)
    )
    further = {
        "alignments3D/split": np.array([0, 1, 0], dtype=np.uint32),
        "ctf/exp_group_id": np.array([3, 4, 3], dtype=np.uint32),
        "ctf/tilt_A": np.zeros((3, 2), dtype=np.float32),
        "location/micrograph_path": np.array([b"a.mrc"] * 3),
        "location/micrograph_shape": np.full((3, 2), 4000, dtype=np.uint32),
        "location/center_x_frac": np.full(3, 0.5, dtype=np.float32),
        "location/center_y_frac": np.full(3, 0.25, dtype=np.float32),
    }
    files = [
        write_cs(folder / "whole.cs", cs_records(**further)),
        write_cs(apart / "particles.cs", cs_records(without=tuple(passed))),
    ]
    if formats is not None:
        (folder / "real").mkdir()
        for source in sorted((formats / "empiar10076").iterdir()):
            _linked(str(source), str(folder / "real" / source.name))
        files += sorted((folder / "real").glob("*.cs"))
    seeds = [
        Seed(file.name, file.read_bytes(), file.with_name("damaged.cs"), mutated_files.CS, _judge_cs) for file in files
    ]
    beside = apart / "J1_passthrough_particles.cs"
    judge = lambda path: _judge_cs(path.with_name("particles.cs"))  # noqa: E731
    return [*seeds, Seed(beside.name, beside.read_bytes(), beside, mutated_files.CS, judge)]


def _judge_cs(path: Path) -> None:
    table = read_particles(path)
    _judge_images(table)
    _judge_written(table)
    try:
        with path.open("rb") as file:
            records = np.load(file, allow_pickle=False, max_header_size=10**6)
            if file.read(1):
                raise ValueError("more bytes than its header says")
        numbers = records["blob/idx"].astype(float)
    except Exception as error:
        raise OutsideFailsError(f"numpy: {error!r}") from error
    if len(records) != len(table):
        raise WrongReadingError(f"{len(table)} particles of {len(records)}")
    _agree("blob/idx", table.frame_index, numbers)
    for attribute, field in (
        ("pixel_size_angstrom", "blob/psize_A"),
        ("defocus_u_angstrom", "ctf/df1_A"),
        ("defocus_v_angstrom", "ctf/df2_A"),
        ("defocus_angle_radian", "ctf/df_angle_rad"),
        ("voltage_kilovolt", "ctf/accel_kv"),
        ("phase_shift_radian", "ctf/phase_shift_rad"),
    ):
        if field in (records.dtype.names or ()):
            _agree(field, getattr(table, attribute), records[field].astype(float))


def _judge_images(table: ParticleTable) -> None:
    """First and last image as mrcfile reads them; what is computed from the optics is finite."""
    stacks = ImageStacks(table)
    rows = np.unique([0, len(table) - 1])
    read = stacks.read(rows)
    for row, image in zip(rows, read, strict=True):
        expected = _mrc_images(table.stack_paths[table.stack_index[row]])[table.frame_index[row]]
        _agree("an image", image, expected.astype(np.float32) * table.contrast_sign[row])
    images = ParticleImages(table, stacks)
    plane = HalfPlane.of_box(table.box_size, images.pixel_size_angstrom)
    ctf = contrast_transfer(images.ctf_parameters()[torch.from_numpy(rows)], plane.frequency_per_angstrom)
    _agree("the CTF", ctf.numpy(), ctf.numpy())
    image = images.normalised(rows).numpy()
    _agree("a normalised image", image, image)


def _judge_written(table: ParticleTable) -> None:
    """A run's last act cannot fail for what the first has let in: poses are written, and read again with the optics."""
    count = len(table)
    poses = Poses.unknown(torch.arange(count) % 2 + 1)
    for suffix, write in ((".star", write_particles_star), (".cs", write_particles_cs)):
        path = table.source_path.with_name(f"written{suffix}")
        write(path, table, poses)
        again = read_particles(path)
        for name in ("frame_index", *OF_PARTICLES, *OF_OPTICS, "pixel_size_angstrom", "phase_shift_radian"):
            # .cs has 32-bit numbers
            _agree(f"{name}, written as {suffix},", getattr(again, name), getattr(table, name), 1e-5)
        path.unlink()


def _mrc_images(path: Path) -> np.ndarray:
    try:
        with mrcfile.open(path, permissive=True) as file:
            assert file.data is not None
            return np.array(file.data).reshape(-1, *file.data.shape[-2:])
    except (ValueError, AssertionError, MemoryError, OverflowError) as error:
        raise OutsideFailsError(f"mrcfile: {error!r}") from error


def _agree(what: str, found: np.ndarray, expected: np.ndarray, tolerance: float = 1e-6) -> None:
    if found.shape != expected.shape:
        raise WrongReadingError(f"{what}: shape {found.shape}, not {expected.shape}")
    if not np.isfinite(found).all():
        raise WrongReadingError(f"{what}: not finite")
    if not np.allclose(found, expected, rtol=tolerance, atol=tolerance):
        raise WrongReadingError(f"{what}: {found.ravel()[:4]}, not {expected.ravel()[:4]}")


# MRC


def _mrc_seeds(folder: Path, formats: Path | None) -> list[Seed]:
    """Stacks of every mode beside a STAR file that does not state their box, and maps."""
    contents = {}
    for mode in ("i1", "i2", "f4", "u2", "f2"):
        images = np.random.default_rng(0).integers(0, 100, size=(3, 16, 16)).astype(mode)
        contents[f"mode {mode}"] = write_stack(folder / "stack.mrcs", images).read_bytes(), 3
    if formats is not None:
        for name, count in (("empiar10076/empiar_10076_7.mrc", 7), ("trpv1/batch_0_restacked.mrc", 10)):
            contents[Path(name).name] = (formats / name).read_bytes(), count
    seeds = []
    for index, (name, (content, count)) in enumerate(contents.items()):
        place = folder / str(index)
        particles = {
            "rlnImageName": [f"{number}@damaged.mrcs" for number in range(1, count + 1)],
            "rlnDefocusU": [10000.0] * count,
            "rlnOpticsGroup": [1] * count,
        }
        optics = {"rlnOpticsGroup": [1], "rlnVoltage": [300], "rlnSphericalAberration": [2.7]}
        write_star(place / "a.star", particles, {**optics, "rlnAmplitudeContrast": [0.1], "rlnImagePixelSize": [1.5]})
        seeds.append(Seed(name, content, place / "damaged.mrcs", mutated_files.MRC, _judge_stack))
    volume = folder / "map.mrc"
    write_map(volume, pseudo_protein(BOX, PIXEL_ANGSTROM), PIXEL_ANGSTROM)
    return [*seeds, *(Seed("a map", volume.read_bytes(), volume, mutated_files.MRC, _judge_map) for _ in range(2))]


def _judge_stack(path: Path) -> None:
    _judge_images(read_particles(path.with_name("a.star")))


def _judge_map(path: Path) -> None:
    values, pixel_size = read_map(path)
    with mrcfile.open(path, permissive=True) as file:
        assert file.data is not None
        assert file.voxel_size is not None
        _agree("the map", values.numpy(), file.data.astype(np.float32))
        _agree("the voxel size", np.array(pixel_size), np.array(file.voxel_size.x), 1e-3)


# Settings and checkpoints


@dataclass(frozen=True)
class SmallRun:
    """A finished run of a small simulated set, and its particles as a further run would get them."""

    folder: RunFolder
    particles: Path
    images: ParticleImages


def _small_run(folder: Path) -> SmallRun:
    folder.mkdir(parents=True, exist_ok=True)
    write_map(folder / "structure.mrc", pseudo_protein(BOX, PIXEL_ANGSTROM), PIXEL_ANGSTROM)
    particles = folder / "set" / "particles.star"
    simulate(
        folder / "structure.mrc", particles.parent, particles=24, box=BOX, pixel_size_angstrom=PIXEL_ANGSTROM, snr=1.0
    )
    reconstruct(particles, folder / "run", config=SMALL)
    table = read_particles(particles)
    return SmallRun(RunFolder(folder / "run"), particles, ParticleImages(table, ImageStacks(table)))


def _config_seeds(run: SmallRun) -> list[Seed]:
    survey = survey_images(run.images)

    def judge(path: Path) -> None:
        """What is read is what the file says, survives a file, can be planned, and learns for one epoch."""
        config = read_config(path)
        said = tomllib.loads(path.read_text(encoding="utf-8"))
        if not _within(said, config_as_dict(config)):
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
            _working_set(run.images, plan.ab_initio_frame),
            plan.particle_radius_angstrom,
            plan.shift_range_angstrom,
        )
        record = training.train_epoch(0)
        if not math.isfinite(record.loss + record.encoder_loss):
            raise WrongReadingError(f"loss {record.loss}, encoder loss {record.encoder_loss}")

    path = run.particles.with_name("damaged.toml")
    texts = {"small": config_as_toml(SMALL), "amortized": config_as_toml(replace(SMALL, pose_mode="amortized"))}
    return [Seed(name, text.encode(), path, mutated_files.TOML, judge) for name, text in texts.items()]


def _working_set(images: ParticleImages, frame: Any) -> WorkingSet:
    rows = np.arange(len(images.table))
    ctf = images.ctf_parameters()
    kept = ImagesInMemory(images.in_frame(rows, frame))
    return WorkingSet(torch.from_numpy(rows), kept, ctf, frame.pixel_size_angstrom)


def _within(part: Any, whole: Any) -> bool:
    if isinstance(part, dict):
        return isinstance(whole, dict) and all(name in whole and _within(part[name], whole[name]) for name in part)
    return part == whole and isinstance(part, bool) == isinstance(whole, bool)


def _checkpoint_seeds(run: SmallRun) -> list[Seed]:
    folder = run.folder
    tensors, _ = read_checkpoint(folder.checkpoint, CPU)

    def judge(path: Path) -> None:
        """Everything that looks into a run's folder reads it; what it finds is what the run has written."""
        summary = read_summary(folder)
        if path == folder.summary:
            said = json.loads(path.read_text(encoding="utf-8"))
            found = {name: value for name, value in asdict(summary).items() if name != "folder"}
            if not _within(json.loads(json.dumps(found)), said):
                raise WrongReadingError(f"{summary} is not what run.json says")
        export(folder.path, "cs", folder.path.with_name("exported.cs"))
        folder.claim(run_settings(run.images.stacks, SMALL))
        trained = read_trained_run(folder.path, CPU)
        trained.decoder()
        trained.ab_initio(_working_set(run.images, trained.plan.ab_initio_frame))
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
        part = mutated_files.drawn(
            rng, (progress, progress["plan"], progress["plan"]["curriculum"], *progress["history"])
        )
        part["of another version"] = part.pop(mutated_files.drawn(rng, list(part)))
        write_checkpoint(folder.checkpoint, kept, progress)
        return folder.checkpoint.read_bytes()

    json_files = (folder.summary, folder.settings)
    seeds = [Seed(file.name, file.read_bytes(), file, mutated_files.JSON, judge) for file in json_files]
    state = folder.checkpoint
    mutations = (*mutated_files.SAFETENSORS, of_another_version)
    return [*seeds, *(Seed(state.name, state.read_bytes(), state, mutations, judge) for _ in range(2))]
