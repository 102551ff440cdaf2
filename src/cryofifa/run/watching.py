"""What a viewer reads of a running or finished run: its history as JSON lines, and small maps of every epoch.

    live/history.jsonl                       one line per epoch, written anew and whole after each
    live/NAME-epoch003-class0.mrc            the map of a class after an epoch, at most `SNAPSHOT_PIXEL` voxels wide

NAME is start0, start1, ... or a phase; names that end in .part.mrc are files still being written. A line is known by
its start, phase and epoch: the score of a start is null until it is judged. A run is at its end when run.json lies
beside. Nothing is read back by the run: a viewer may come, go and delete at any time.
"""

from __future__ import annotations

import json
from pathlib import Path

from cryofifa.mrc_map import write_map
from cryofifa.physics.snapshot import SNAPSHOT_PIXEL, Snapshot
from cryofifa.run.progress import RunProgress
from cryofifa.stochastic_em.start import Start
from cryofifa.system.atomic_file import atomic_path
from cryofifa.train.ab_initio import AbInitio
from cryofifa.train.encoder_refinement import EncoderRefinement
from cryofifa.train.epoch_record import EpochRecord, epoch_record_to_json


def snapshots_of(training: Start | AbInitio | EncoderRefinement, record: EpochRecord) -> list[Snapshot]:
    """A snapshot of each class's volume, low-passed to the Fourier mask and to what a snapshot can hold."""
    radius = record.mask_radius_pixel
    size = min(SNAPSHOT_PIXEL, 2 * int(radius + 2))
    within, pixel_size_angstrom = min(radius, size / 2 - 1), training.plane.extent_angstrom / size
    return [Snapshot(volume, pixel_size_angstrom) for volume in training.volumes(size, within)]


def write_history(folder: Path, progress: RunProgress) -> None:
    """Write live/history.jsonl: every epoch of all starts, then those of the run itself, one JSON object per line.

    `start` is the number of the start from 0, and `start_score` its score, null while it is under way; both are null in
    the epochs after the best start's.

    Args:
        folder: the `live` folder, which is made if absent.
        progress: of the run.
    """
    lines = []
    for start, records in enumerate(progress.records_of_starts):
        score = progress.starts[start] if start < len(progress.starts) else None
        lines += [{"start": start, "start_score": score, **epoch_record_to_json(record)} for record in records]
    # the history begins with the records of the best start, which are among those above
    for record in progress.history[progress.epochs_of_best_start :]:
        lines.append({"start": None, "start_score": None, **epoch_record_to_json(record)})
    folder.mkdir(parents=True, exist_ok=True)
    with atomic_path(folder / "history.jsonl") as temporary:
        temporary.write_text("".join(json.dumps(line) + "\n" for line in lines), encoding="utf-8")


def write_snapshot(folder: Path, name: str, snapshot: Snapshot) -> None:
    """Write one small map as NAME.mrc; an older file stays until the new one is complete."""
    write_map(folder / f"{name}.mrc", snapshot.volume.cpu(), snapshot.pixel_size_angstrom)
