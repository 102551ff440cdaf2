"""cryoSPARC's tables, damaged, and those that lie beside them: what is read is what numpy reads."""

from pathlib import Path

import numpy as np

from cryofifa.particles.files.read import read_particles
from cryofifa_testkit.damaged_files.case import OutsideFailsError, Seed, WrongReadingError
from cryofifa_testkit.damaged_files.check import check_equal, check_images, check_written
from cryofifa_testkit.damaged_files.cs_damage import CS
from cryofifa_testkit.damaged_files.star_cases import linked
from cryofifa_testkit.particle_files import cs_records, write_cs, write_stack


def cs_seeds(folder: Path, formats: Path | None) -> list[Seed]:
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
            linked(str(source), str(folder / "real" / source.name))
        files += sorted((folder / "real").glob("*.cs"))
    seeds = [Seed(file.name, file.read_bytes(), file.with_name("damaged.cs"), CS, _judge_cs) for file in files]
    beside = apart / "J1_passthrough_particles.cs"
    judge = lambda path: _judge_cs(path.with_name("particles.cs"))  # noqa: E731
    return [*seeds, Seed(beside.name, beside.read_bytes(), beside, CS, judge)]


def _judge_cs(path: Path) -> None:
    table = read_particles(path)
    check_images(table)
    check_written(table)
    try:
        with path.open("rb") as file:
            records = np.load(file, allow_pickle=False, max_header_size=10**6)
            if file.read(1):
                raise ValueError("more bytes than its header says")
        numbers = records["blob/idx"].astype(float)
    except Exception as error:
        raise OutsideFailsError(f"numpy: {error!r}") from error
    if len(records) != len(table):
        rows = _known_beside(path, records)
        if not np.array_equal(table.row, rows):
            raise WrongReadingError(f"{len(table)} particles of {len(records)}, and a passthrough knows {len(rows)}")
        records, numbers = records[rows], numbers[rows]
    check_equal("blob/idx", table.frame_index, numbers)
    for attribute, field in (
        ("pixel_size_angstrom", "blob/psize_A"),
        ("defocus_u_angstrom", "ctf/df1_A"),
        ("defocus_v_angstrom", "ctf/df2_A"),
        ("defocus_angle_radian", "ctf/df_angle_rad"),
        ("voltage_kilovolt", "ctf/accel_kv"),
        ("phase_shift_radian", "ctf/phase_shift_rad"),
    ):
        if field in (records.dtype.names or ()):
            check_equal(field, getattr(table, attribute), records[field].astype(float))


def _known_beside(path: Path, records: np.ndarray) -> np.ndarray:
    """Rows whose uid the passthrough file beside it lists: particles that it lacks are left out."""
    beside = np.load(path.with_name("J1_passthrough_particles.cs"), allow_pickle=False, max_header_size=10**6)
    return np.flatnonzero(np.isin(records["uid"].astype(np.uint64), beside["uid"].astype(np.uint64)))
