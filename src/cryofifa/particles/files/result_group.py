"""The .csg file beside a .cs file, which cryoSPARC's job "Import Result Group" asks for.

It is YAML: one result for each group of fields (the part of a field's name before '/'), the .cs file that holds it,
and the number of particles.  '>' before a name says that it holds from the .csg file's own folder.  Layout and types
are those of files that cryoSPARC exports.
"""

import datetime
from collections.abc import Iterable
from pathlib import Path

from cryofifa.system.atomic_file import atomic_path

VERSION = "v4.0.0"  # of cryoSPARC, whose layout this is
NO_RESULT = ("uid",)
TYPE_OF_CLASSES = "alignments3D"  # of alignments_class_0 and the like


def write_result_group(cs_file: Path, fields: Iterable[str], n_particles: int) -> Path:
    """Write the result group of a particle file, with its name and the suffix .csg; returns its path.

    fields: names of the fields in the .cs file, such as ctf/df1_A.

    Raises:
        InputError: if the folder cannot be written.
    """
    results = sorted({field.split("/")[0] for field in fields if field not in NO_RESULT})
    lines = [
        f"created: {datetime.datetime.now(datetime.UTC):%Y-%m-%d %H:%M:%S.%f}",
        "group:",
        "  description: Particles with poses found by CryoFIFA",
        "  name: particles",
        "  title: Particles",
        "  type: particle",
        "results:",
    ]
    for result in results:
        kind = TYPE_OF_CLASSES if result.startswith("alignments_class") else result
        lines += [
            f"  {_quoted(result)}:",
            f"    metafile: {_quoted('>' + cs_file.name)}",
            f"    num_items: {n_particles}",
            f"    type: {_quoted('particle.' + kind)}",
        ]
    path = cs_file.with_suffix(".csg")
    with atomic_path(path) as temporary:
        temporary.write_text("\n".join([*lines, f"version: {VERSION}", ""]), encoding="utf-8", errors="surrogateescape")
    return path


def _quoted(text: str) -> str:
    """Text of a YAML file, in single quotes unless it is a plain word."""
    return text if text.replace("_", "").replace(".", "").isalnum() else "'" + text.replace("'", "''") + "'"
