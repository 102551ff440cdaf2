"""Fields of a .cs file that a job only passed through: they lie in files of their own, beside it.

A job may have several of them, one per class for example; together they know the particles of all.
"""

from pathlib import Path

import numpy as np
import pandas as pd
from jaxtyping import Bool

from cryofifa.errors import InputError
from cryofifa.particles.files.cs_file import read_cs_records
from cryofifa.particles.files.cs_records import records_from_columns
from cryofifa.particles.files.given_optics import lacking_fields, option_for
from cryofifa.settings.optics import OpticsSettings

PASSTHROUGH = "passthrough"  # in the names of such files
# Not needed, but written out again where they are known, so they are looked for in the passthrough files too.
USEFUL_FIELDS = ("location/micrograph_path", "location/center_x_frac")


def with_passthrough(
    path: Path, records: np.ndarray, needed: tuple[str, ...], given: OpticsSettings
) -> tuple[np.ndarray, Bool[np.ndarray, " n"]]:
    """The records with further fields from the passthrough files beside them, and which particles these do not know.

    Particles are matched by uid. Optics that no file has are as `given`. A particle of which another needed field is in
    none of the files has 0 there.

    Raises:
        InputError: if needed fields are missing, and why the files beside do not give them.
    """
    added: dict[str, np.ndarray] = {}
    known: dict[str, np.ndarray] = {}
    told: list[str] = []
    for sibling in sorted(path.parent.glob(f"*{PASSTHROUGH}*particles*.cs")):
        if sibling == path or not _lacking(records, added, known, (*needed, *USEFUL_FIELDS)):
            continue
        other = read_cs_records(sibling)
        where, why_not = _where(records, other)
        if why_not:
            told.append(f"{sibling.name} {why_not}")
            continue
        rows = np.flatnonzero(where >= 0)
        for field in other.dtype.names or ():
            if field not in (records.dtype.names or ()):
                _fill(added, known, field, rows, other[field][where[rows]], len(records))
    for field, value in lacking_fields(path, {*(records.dtype.names or ()), *added}, given).items():
        added[field] = np.full(len(records), value, dtype=np.float32)
        known[field] = np.ones(len(records), dtype=bool)
    missing = [field for field in needed if field not in (records.dtype.names or ()) and field not in added]
    if missing:
        raise InputError(f"{path}: {_what_is_missing(path, records, missing, told)}")
    unknown = np.zeros(len(records), dtype=bool)
    for field in needed:
        if field in known:
            unknown |= ~known[field]
    whole = {field: column for field, column in added.items() if (known[field] | unknown).all()}
    if not whole:
        return records, unknown
    return records_from_columns({field: records[field] for field in records.dtype.names or ()} | whole), unknown


def _lacking(
    records: np.ndarray, added: dict[str, np.ndarray], known: dict[str, np.ndarray], wanted: tuple[str, ...]
) -> bool:
    """Whether a wanted field is not there for every particle."""
    own = records.dtype.names or ()
    return any(field not in own and (field not in added or not known[field].all()) for field in wanted)


def _where(records: np.ndarray, other: np.ndarray) -> tuple[np.ndarray, str]:
    """The row in `other` of every particle, -1 where it has none; and why `other` is of no use, if it is not."""
    nowhere = np.full(len(records), -1)
    for table in (records, other):
        if "uid" not in (table.dtype.names or ()) or table["uid"].dtype.kind not in "iu" or table["uid"].ndim != 1:
            return nowhere, "cannot be matched: there is no uid, or it is no number"
    index = pd.Index(other["uid"].astype(np.uint64))
    if index.has_duplicates:
        return nowhere, "lists a uid twice"
    where = index.get_indexer(pd.Index(records["uid"].astype(np.uint64)))
    return where, "" if (where >= 0).any() else "knows none of its particles (uid)"


def _fill(
    added: dict[str, np.ndarray],
    known: dict[str, np.ndarray],
    field: str,
    rows: np.ndarray,
    values: np.ndarray,
    n_particles: int,
) -> None:
    """Set a field of these rows, where no earlier file has."""
    if field not in added:
        added[field] = np.zeros((n_particles, *values.shape[1:]), dtype=values.dtype)
        known[field] = np.zeros(n_particles, dtype=bool)
    column = added[field]
    if column.shape[1:] != values.shape[1:] or column.dtype.kind != values.dtype.kind:
        return
    if values.dtype.itemsize > column.dtype.itemsize:  # longer names
        added[field] = column = column.astype(values.dtype)
    new = ~known[field][rows]
    column[rows[new]] = values[new]
    known[field][rows] = True


def _what_is_missing(path: Path, records: np.ndarray, missing: list[str], told: list[str]) -> str:
    if PASSTHROUGH in path.name and any(field.startswith("blob/") for field in missing):
        beside = _particle_files(path, records)
        what = f"give {beside[-1]}, beside it" if beside else "give the job's ..._particles.cs, which names the images"
        return f"is the passthrough file of a job, without {missing[0]}; {what}"
    why = f" ({'; '.join(told)})" if told else ""
    return (
        f"field {missing[0]} is missing ({len(missing)} in all); put the job's "
        f"..._passthrough_particles.cs beside the file{why}, or export the particles with blob and ctf"
        f"{option_for(missing[0])}"
    )


def _particle_files(passthrough: Path, records: np.ndarray) -> list[str]:
    """Files beside a passthrough file that name the images of its particles; the last iteration is last."""
    found = []
    for path in sorted(passthrough.parent.glob("*.cs")):
        if PASSTHROUGH in path.name:
            continue
        try:
            other = read_cs_records(path)
        except InputError:
            continue
        if "blob/path" in (other.dtype.names or ()) and not _where(other, records)[1]:
            found.append(path.name)
    return found
