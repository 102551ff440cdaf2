"""The session of a run: it takes up the last checkpoint, writes the next ones, keeps time, and stops when asked to."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace

import torch
from torch import Tensor

from cryofifa.errors import InputError, Stopped
from cryofifa.physics.snapshot import Snapshot
from cryofifa.run.folder import RunFolder
from cryofifa.run.identity import first_difference
from cryofifa.run.log import Progress, RunLog
from cryofifa.run.plan import RunPlan
from cryofifa.run.progress import RunProgress, read_run_state, write_run_state
from cryofifa.run.watching import write_history, write_snapshot
from cryofifa.settings.config import Config, config_as_dict
from cryofifa.stochastic_em.start import Start
from cryofifa.system.processes import ALONE, Processes
from cryofifa.train.ab_initio import AbInitio
from cryofifa.train.encoder_refinement import EncoderRefinement
from cryofifa.train.epoch_record import EpochRecord
from cryofifa.train.particle_pass import tensors_under


@dataclass
class Session:
    """One run while it goes on in these processes; call `resume` first.

    Attributes:
        progress: settings, plan, and what has been done.
        device: where the run computes.
        folder: where its files lie.
        log: what the user is told by.
        processes: this one and the others.
        stop: asked after every step; when it says yes, the run ends with a checkpoint.
        tensors: the tensors of the last checkpoint, by name.
    """

    progress: RunProgress
    device: torch.device
    folder: RunFolder
    log: RunLog
    processes: Processes = ALONE
    stop: Callable[[], bool] | None = None
    tensors: dict[str, Tensor] = field(default_factory=dict)
    _kept_at: float = field(default_factory=time.monotonic)  # when the last checkpoint was written
    _clock: tuple[str, float] | None = None  # the phase that is being timed, and since when

    @property
    def config(self) -> Config:
        """The settings of the run, as its progress keeps them."""
        return self.progress.config

    @property
    def plan(self) -> RunPlan:
        """The plan of the run, as its progress keeps it."""
        return self.progress.plan

    def resume(self) -> None:
        """Go on from the checkpoint, if there is one: its plan replaces the one that was made now.

        Raises:
            InputError: if the checkpoint is damaged or another run's, or the processes do not see the same one.
        """
        marks = self.folder.particle_marks() if self.processes.is_first else {}
        if self.processes.any(self.processes.is_first and self.folder.checkpoint.exists()):
            config = self.config  # it stays, as it may allow less memory than the checkpoint's settings do
            self.tensors, found = read_run_state(self.folder.checkpoint, self.device)
            self._check_same_run(found, marks)
            self.progress = found
            self.progress.config = config
            mark = repr(self.progress.timings)  # no two checkpoints have the same
            if self.processes.broadcast_text(mark) != mark:
                raise InputError(
                    f"{self.folder.checkpoint}: is another file here than the first process sees; "
                    "all nodes must see the run's folder alike"
                )
            self.log.line(f"resumed after {len(self.progress.history)} epochs")
        self.progress.particle_marks = marks

    def _check_same_run(self, found: RunProgress, marks: dict[str, str]) -> None:
        """Check that a checkpoint is this run's own; marks: of its particles, which only the first process knows."""
        sizes = ("particles", "box_size", "pixel_size_angstrom")
        old, new = (
            {name: getattr(progress.plan, name) for name in sizes} | config_as_dict(progress.config)
            for progress in (found, self.progress)
        )
        known_marks = {name: mark for name, mark in found.particle_marks.items() if name in marks}
        different = first_difference(old | known_marks, new | {name: marks[name] for name in known_marks})
        if different is not None:
            name, was, now = different
            raise InputError(
                f"{self.folder.checkpoint}: this checkpoint is another run's ({name} was {was!r}, now {now!r}); put "
                "this run's own back, or choose another folder with -o"
            )

    def kept(self, part: str) -> dict[str, Tensor]:
        """The tensors, by name, that the last checkpoint has of one part; none if it has none (see `names.py`)."""
        return tensors_under(self.tensors, f"{part}.")

    def keep(self, parts: dict[str, dict[str, Tensor]]) -> None:
        """Write a checkpoint in which these parts replace those of the same name; the other parts stay.

        The first process writes it and the others wait, so that none of them ends before it is there.
        """
        prefixes = tuple(f"{part}." for part in parts)
        self.tensors = {name: tensor for name, tensor in self.tensors.items() if not name.startswith(prefixes)}
        for part, tensors in parts.items():
            self.tensors |= {f"{part}.{name}": tensor for name, tensor in tensors.items()}
        self._book_time()
        if self.processes.is_first:
            write_run_state(self.folder.checkpoint, self.tensors, self.progress)
        self.processes.barrier()
        self._kept_at = time.monotonic()

    def after_step(self, state: Callable[[], dict[str, dict[str, Tensor]]]) -> None:
        """Call after every step within an epoch: writes a checkpoint if one is due, or if the run is to stop.

        All processes must call it at the same time; any of them can ask for either.

        Args:
            state: gives the parts that a checkpoint keeps.

        Raises:
            Stopped: if any process was asked to stop.
        """
        stops, every = self._is_asked_to_stop, self.config.checkpoint_seconds
        due = every > 0 and time.monotonic() - self._kept_at >= every
        if self.processes.any(stops or due):
            self.keep(state())
            if self.processes.any(stops):
                raise Stopped

    def end_if_asked(self) -> None:
        """Stop without another checkpoint if asked to, where the last one holds all that there is to keep.

        Raises:
            Stopped: if any process was asked to stop.
        """
        if self.processes.any(self._is_asked_to_stop):
            raise Stopped

    @contextmanager
    def timed(self, name: str) -> Iterator[None]:
        """Within this context, time counts towards this phase.

        Raises:
            Stopped: at its beginning, if any process was asked to stop.
        """
        self.end_if_asked()
        self._clock = name, time.monotonic()
        yield
        self._book_time()
        self._clock = None

    def train_epoch(
        self,
        training: Start | AbInitio | EncoderRefinement,
        epoch: int,
        name: str,
        bar: Progress,
        state: Callable[[], dict[str, dict[str, Tensor]]],
        side_by_side: int = 1,
    ) -> EpochRecord:
        """Train for one epoch and return its record, which the caller hands to `finished`.

        Args:
            training: what is trained.
            epoch: number of the epoch, from 0.
            name: of the training, as the progress bar shows it.
            bar: the progress bar.
            state: gives the parts of this training that a checkpoint keeps.
            side_by_side: how many trainings the processes make at the same time, each one of its own.

        Raises:
            Stopped: if any process was asked to stop.
        """

        def after_step(particles: int) -> None:
            bar.advance(particles * side_by_side)
            self.after_step(state)

        with self.timed(training.phase):
            bar.stage(name, training.resolution_angstrom(epoch), self.progress.last_pose_change_degree)
            return training.train_epoch(epoch, after_step)

    def finished(self, record: EpochRecord, snapshots: Sequence[Snapshot] = ()) -> None:
        """Add an epoch that has ended to the run's history, to the log, and to what a viewer reads.

        Args:
            record: of the epoch.
            snapshots: small maps as they are now, one per class.
        """
        record = replace(record, epoch=len(self.progress.history))
        self.progress.history.append(record)
        self.log.epoch(record)
        self._show(record.phase.replace(" ", "-"), record.epoch, snapshots)

    def finished_of_starts(self, records: list[EpochRecord], snapshots: Sequence[Snapshot] = ()) -> None:
        """Do as `finished` does, for one epoch of starts that the processes make side by side.

        Args:
            records: of each of these starts.
            snapshots: small maps of the first of them, one per class.
        """
        progress = self.progress
        progress.start_history.append(records)
        for record in records:
            self.log.epoch(record)
        self._show(f"start{len(progress.starts)}", len(progress.start_history) - 1, snapshots)

    def _show(self, name: str, epoch: int, snapshots: Sequence[Snapshot]) -> None:
        """Write what a viewer reads; a run never depends on it, and goes on where it cannot be written."""
        if not self.processes.is_first:
            return
        try:
            write_history(self.folder.live, self.progress)
            for index, snapshot in enumerate(snapshots):
                write_snapshot(self.folder.live, f"{name}-epoch{epoch:03d}-class{index}", snapshot)
        except (OSError, InputError) as error:
            self.log.line(f"what viewers read is not written: {error}")

    @property
    def _is_asked_to_stop(self) -> bool:
        return self.stop is not None and self.stop()

    def _book_time(self) -> None:
        """Add the time since the last booking to the phase that is being timed."""
        if self._clock is not None:
            (name, since), now = self._clock, time.monotonic()
            timings = self.progress.timings
            timings[name] = timings.get(name, 0.0) + now - since
            self._clock = name, now
