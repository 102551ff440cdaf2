"""The folder of one run: where its files lie, to which settings it belongs, and the checkpoint it is resumed from."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from cryofifa.errors import InputError
from cryofifa.run.identity import PARTICLE_MARKS, first_difference
from cryofifa.run.map_files import MapFiles
from cryofifa.run.state_files import StateFiles
from cryofifa.settings.config import Config, config_as_dict, config_from_dict
from cryofifa.system.atomic_file import atomic_path, remove_parts

SUMMARY_REMEDY = "delete this file, and the run's command makes it again"  # from the checkpoint
CLASS_FOLDER = re.compile(r"class(\d+)")  # of a further class within a run's: `RunFolder.map`
EARLIER_PART = re.compile(r"\.tmp\w{6}")  # what earlier versions of the program left beside a checkpoint when killed


@dataclass(frozen=True)
class RunFolder:
    """The paths of one run's files. Their names are fixed, because other programs read them.

    Attributes:
        path: the folder itself.
    """

    path: Path

    def map(self, class_index: int = 0) -> MapFiles:
        """The files of one class's map; classes count from 0, and the files of class 0 lie in the folder itself."""
        return MapFiles(self.path if class_index == 0 else self.path / f"class{class_index + 1}")

    @property
    def particles(self) -> Path:
        """The STAR file of all particles with the poses that the run has found."""
        return self.path / "particles.star"

    @property
    def particles_cs(self) -> Path:
        """The same as a cryoSPARC file; it is written where the input was one."""
        return self.path / "particles.cs"

    @property
    def kept(self) -> Path:
        """The STAR file of the particles that are not taken for junk."""
        return self.path / "kept.star"

    @property
    def kept_cs(self) -> Path:
        """The same as a cryoSPARC file; it is written where the input was one."""
        return self.path / "kept.cs"

    @property
    def report(self) -> Path:
        """The report for the user, a single HTML page."""
        return self.path / "report.html"

    @property
    def summary(self) -> Path:
        """The results as JSON for other programs; written last, so its presence says that the run is finished."""
        return self.path / "run.json"

    @property
    def log(self) -> Path:
        """The log, to which a resumed run appends."""
        return self.path / "log.txt"

    @property
    def settings(self) -> Path:
        """What identifies the run (`run_settings`) as JSON, written when the run begins."""
        return self.path / "checkpoint" / "settings.json"

    @property
    def live(self) -> Path:
        """The folder of what a viewer reads while the run goes on (`watching.py`)."""
        return self.path / "live"

    @property
    def states(self) -> StateFiles:
        """The files of the states within the finished run."""
        return StateFiles(self.path / "states")

    @property
    def checkpoint(self) -> Path:
        """The last checkpoint: networks, poses and progress, from which the run is resumed."""
        return self.path / "checkpoint" / "state.safetensors"

    def results(self, classes: int = 1) -> list[Path]:
        """The files that a finished run of so many classes may have, but for run.json."""
        maps = [path for index in range(classes) for path in (*self.map(index).volumes, self.map(index).fsc)]
        return [*maps, self.particles, self.kept, self.particles_cs, self.kept_cs, self.report]

    def missing_results(self) -> list[Path]:
        """The files that the finished run had at its end, and has not now, or empty.

        Raises:
            InputError: if run.json is damaged.
        """
        values = read_json(self.summary, SUMMARY_REMEDY)
        names = values.get("files", [self.map().combined.name]) if isinstance(values, dict) else None
        if not isinstance(names, list) or not all(isinstance(name, str) for name in names):
            raise InputError(f"{self.summary}: 'files' is no list of names; {SUMMARY_REMEDY}")
        paths = [self.path / name for name in names]
        return [path for path in paths if not path.is_file() or path.stat().st_size == 0]

    def check_inputs(self, particles: Path, others: Iterable[Path] = ()) -> None:
        """Check that nothing which a run is given would be overwritten by what it writes.

        Args:
            particles: the particle file, which must not lie in the folder at all.
            others: image stacks and further files, which must not have the name of a result there.

        Raises:
            InputError: if it would be.
        """
        here = self.path.resolve()
        if particles.resolve().parent == here:
            raise InputError(
                f"{self.path}: is the folder of {particles.name}, which stays as it is; choose another folder with -o"
            )
        written = {here / path.name for path in (*self.results(), self.summary, self.log)}
        for path in others:
            if path.resolve() in written:
                raise InputError(f"{path}: is given to the run and would be overwritten; choose another folder with -o")

    def particle_marks(self) -> dict[str, str]:
        """What tells the run's particles from others, as its checkpoint keeps it."""
        settings = self.read_settings()
        return {name: settings[name] for name in PARTICLE_MARKS}

    def check_finished(self) -> None:
        """Check that the run is finished.

        Raises:
            InputError: if it is not, or this is no run's folder.
        """
        if not self.summary.is_file():
            raise InputError(f"{self.path}: is no finished run (has no {self.summary.name}); reconstruct it first")

    def read_config(self) -> Config:
        """The settings that the run was begun with; those that came later have the default.

        Raises:
            InputError: if the file is damaged.
        """
        return config_from_dict(self.read_settings()["config"], str(self.settings))

    def read_settings(self) -> dict[str, Any]:
        """What `run_settings` gave when the run began; its "config" may have earlier names (see `read_config`).

        Raises:
            InputError: if the file is damaged.
        """
        values = read_json(self.settings)
        kinds = {"particles": str, "particle_file_sha256": str, "rows_sha256": str, "config": dict}
        if not isinstance(values, dict) or any(not isinstance(values.get(key), kind) for key, kind in kinds.items()):
            raise InputError(f"{self.settings}: is damaged ({', '.join(kinds)} are not all there); start anew")
        return values

    def check_particles(self, now: dict[str, Any]) -> None:
        """Check that the particles are still those that the run was made of.

        Args:
            now: what `run_settings` gives for them now.

        Raises:
            InputError: if the particle file, its rows or a stack are others.
        """
        before = self.read_settings()
        for name, found in now.items():
            if name != "config" and found != before.get(name, found):
                raise InputError(
                    f"{self.path}: was made of other particles ({name} differs); give the same file, --ind and "
                    "--datadir"
                )

    def claim(self, settings: dict[str, Any]) -> None:
        """Make the folder this run's, or check that it already is, and remove files that were left half-written.

        Args:
            settings: what `run_settings` gives now.

        Raises:
            InputError: if the folder belongs to a run with other settings or images, or cannot be written.
        """
        try:
            self.check_settings(settings)
            if not self.settings.exists():
                self.settings.parent.mkdir(parents=True, exist_ok=True)
                write_json(self.settings, settings)
            self._remove_parts()
        except OSError as error:
            raise InputError(
                f"{self.path}: cannot be written ({error.strerror}); choose another folder with -o"
            ) from None

    def _remove_parts(self) -> None:
        """Remove files that were left half-written; folders of other runs within this one are left alone."""
        classes = [path for path in self.path.iterdir() if CLASS_FOLDER.fullmatch(path.name)]
        for folder in (self.path, self.settings.parent, self.live, *classes):
            if folder.is_dir():
                remove_parts(folder)
        for path in self.settings.parent.iterdir():
            if EARLIER_PART.fullmatch(path.name):
                path.unlink(missing_ok=True)

    def check_settings(self, settings: dict[str, Any]) -> None:
        """Check that the folder is this run's, or may become it; nothing is written.

        Args:
            settings: what `run_settings` gives now.

        Raises:
            InputError: if it belongs to a run with other settings or images, or holds something else.
        """
        if self.settings.exists():
            self._compare(settings)
        elif self.summary.exists() or self.map().combined.exists():
            raise InputError(f"{self.path}: holds results of something else; choose another folder with -o")

    def _compare(self, settings: dict[str, Any]) -> None:
        # settings that came later had no other value than today's default
        before = self.read_settings() | {"config": config_as_dict(self.read_config())}
        if before["particle_file_sha256"] != settings["particle_file_sha256"]:
            raise InputError(
                f"{self.path}: belongs to a run of other particles ({before['particles']} as it was then, now "
                f"{settings['particles']}); choose another folder with -o"
            )
        found = first_difference(before, settings)
        if found is None:
            return
        name, old, new = found
        if name.startswith("stacks."):
            raise InputError(
                f"{self.path}: image stack {name.removeprefix('stacks.')} is not the one that the run began "
                "with; put that one back, or choose another folder with -o"
            )
        raise InputError(
            f"{self.path}: belongs to a run with other settings ({name} was {old!r}, now {new!r}); choose another "
            "folder with -o, or give the old settings to resume"
        )


def map_to_write(path: Path, source: Path, *others: Path | None) -> Path:
    """The path of a map that will be written, checked before long work so that writing it will not fail in the end.

    Args:
        path: where the map is to lie.
        source: the file or folder that it is made from.
        others: further files that it is made from; None stands for none.

    Raises:
        InputError: if the name does not end in .mrc or .map, its folder does not exist, or it is the source or a map
            that a run has written.
    """
    if path.suffix not in (".mrc", ".map"):
        raise InputError(f"{path}: the name of a map must end in .mrc or .map; change -o")
    if not path.parent.is_dir():
        raise InputError(f"{path.parent}: there is no such folder; make it, or change -o")
    run, class_index = run_of_maps(path.parent.resolve())
    is_result = run.settings.exists() and path.resolve() in run.map(class_index).volumes
    is_given = path.resolve() in {one.resolve() for one in (source, *others) if one is not None}
    if is_given or is_result:
        raise InputError(f"{path}: is the source, or a result of the run; give another name with -o")
    return path


def run_of_maps(folder: Path) -> tuple[RunFolder, int]:
    """The run whose maps lie in this folder, if any do, and the class that they are of, from 0."""
    whole = folder.resolve()
    further = CLASS_FOLDER.fullmatch(whole.name)
    if further is None or not RunFolder(whole.parent).settings.exists():
        return RunFolder(folder), 0
    return RunFolder(whole.parent), int(further[1]) - 1


def write_json(path: Path, values: Any) -> None:
    """Write values as JSON; an older file stays until the new one is complete."""
    with atomic_path(path) as temporary:
        temporary.write_text(json.dumps(values, indent=2) + "\n", encoding="utf-8")


def read_json(path: Path, remedy: str = "start anew in another folder") -> Any:
    """Read the values of a JSON file that this program has written; remedy: what to do about a damaged one.

    Raises:
        InputError: if the file is absent, cannot be read now, or is damaged.
    """
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise InputError(f"{path}: cannot be read now ({error.strerror}); make it readable") from None
    except (ValueError, RecursionError) as error:
        raise InputError(f"{path}: is damaged ({error}); {remedy}") from None
