"""The folder of one run: where its files lie, to which settings it belongs, and the checkpoint it is resumed from."""

from __future__ import annotations

import hashlib
import json
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from torch import Tensor

from cryofifa.errors import InputError
from cryofifa.particles.stacks import ImageStacks
from cryofifa.run.map_files import MapFiles
from cryofifa.settings.config import Config, config_as_dict, config_from_dict
from cryofifa.system.atomic_file import atomic_path, remove_parts, unwritable

CLASS_FOLDER = re.compile(r"class(\d+)")  # of a further class within a run's: `RunFolder.map`
# settings that may change between two calls of one run: they do not change what it computes
FREE_SETTINGS = ("device", "checkpoint_seconds", "memory_gib", "cache_folder", "cache_gib", "absolute_paths")


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
    def checkpoint(self) -> Path:
        """The last checkpoint: networks, poses and progress, from which the run is resumed."""
        return self.path / "checkpoint" / "state.safetensors"

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
            for folder in (self.path, self.settings.parent, self.live):
                if folder.is_dir():
                    remove_parts(folder)
        except OSError as error:
            raise InputError(
                f"{self.path}: cannot be written ({error.strerror}); choose another folder with -o"
            ) from None

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
        old, new = _flat(before), _flat(settings)
        if old["particle_file_sha256"] != new["particle_file_sha256"]:
            raise InputError(
                f"{self.path}: belongs to a run of other particles ({old['particles']} as it was then, now "
                f"{new['particles']}); choose another folder with -o"
            )
        for name in sorted(old.keys() | new.keys()):
            if name.split(".")[-1] in FREE_SETTINGS:
                continue
            if name.startswith("stacks."):
                # runs of older versions name no stacks
                if name in old and name in new and old[name] != new[name]:
                    raise InputError(
                        f"{self.path}: image stack {name.removeprefix('stacks.')} is not the one that the run began "
                        "with; put that one back, or choose another folder with -o"
                    )
            elif old.get(name) != new.get(name):
                raise InputError(
                    f"{self.path}: belongs to a run with other settings ({name} was {old.get(name)!r}, now "
                    f"{new.get(name)!r}); choose another folder with -o, or give the old settings to resume"
                )


def map_to_write(path: Path, source: Path) -> Path:
    """The path of a map that will be written, checked before long work so that writing it will not fail in the end.

    Args:
        path: where the map is to lie.
        source: the file or folder that it is made from.

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
    if path.resolve() == source.resolve() or is_result:
        raise InputError(f"{path}: is the source, or a result of the run; give another name with -o")
    return path


def run_of_maps(folder: Path) -> tuple[RunFolder, int]:
    """The run whose maps lie in this folder, if any do, and the class that they are of, from 0."""
    whole = folder.resolve()
    further = CLASS_FOLDER.fullmatch(whole.name)
    if further is None or not RunFolder(whole.parent).settings.exists():
        return RunFolder(folder), 0
    return RunFolder(whole.parent), int(further[1]) - 1


def run_settings(stacks: ImageStacks, config: Config) -> dict[str, Any]:
    """What identifies a run, ready for JSON: the particle file and its stacks as they are now, rows, and settings."""
    table = stacks.table
    return {
        "particles": str(table.source_path.resolve()),
        "particle_file_sha256": hashlib.sha256(table.source_path.read_bytes()).hexdigest(),
        "rows_sha256": hashlib.sha256(table.row.tobytes()).hexdigest(),
        "stacks": stacks.marks(),
        "config": config_as_dict(config),
    }


def _flat(values: dict[str, Any], prefix: str = "") -> dict[str, Any]:
    flat: dict[str, Any] = {}
    for key, value in values.items():
        if isinstance(value, dict):
            flat |= _flat(value, f"{prefix}{key}.")
        else:
            flat[f"{prefix}{key}"] = value
    return flat


def write_json(path: Path, values: Any) -> None:
    """Write values as JSON; an older file stays until the new one is complete."""
    with atomic_path(path) as temporary:
        temporary.write_text(json.dumps(values, indent=2) + "\n", encoding="utf-8")


def read_json(path: Path) -> Any:
    """Read the values of a JSON file that this program has written.

    Raises:
        InputError: if the file is absent or damaged.
    """
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError) as error:
        raise InputError(f"{path}: cannot be read ({error}); delete the folder and start anew") from None


def write_checkpoint(path: Path, tensors: dict[str, Tensor], progress: dict[str, Any]) -> None:
    """Write all tensors of a run and its progress to one file, with a checksum.

    Args:
        path: the file (safetensors); an older one stays until the new one is complete.
        tensors: tensors by name.
        progress: what JSON can hold.

    Raises:
        InputError: if the disk is full or the folder cannot be written; the older checkpoint stays.
    """
    with atomic_path(path) as temporary:
        plain = {name: tensor.detach().contiguous().cpu() for name, tensor in tensors.items()}
        text = json.dumps(progress)
        try:
            save_file(plain, temporary, metadata={"progress": text, "sha256": _sha256(plain, text)})
        except SafetensorError as error:  # what safetensors raises when the disk is full
            raise unwritable(path, error) from error


def read_checkpoint(path: Path, device: torch.device) -> tuple[dict[str, Tensor], dict[str, Any]]:
    """The tensors, on a device, and the progress that `write_checkpoint` wrote.

    Raises:
        InputError: if the file is damaged.
    """
    try:
        with safe_open(path, framework="pt", device="cpu") as file:
            metadata = file.metadata() or {}
            tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
        if metadata["sha256"] != _sha256(tensors, metadata["progress"]):
            raise ValueError("its checksum is another")
        return {name: tensor.to(device) for name, tensor in tensors.items()}, json.loads(metadata["progress"])
    except (OSError, SafetensorError, KeyError, ValueError, MemoryError) as error:
        raise InputError(f"{path}: checkpoint is damaged ({error}); delete the folder and start anew") from None


def _sha256(tensors: dict[str, Tensor], progress: str) -> str:
    """Checksum of all that a checkpoint holds; without it a single wrong bit would become a wrong result."""
    digest = hashlib.sha256(progress.encode())
    for name, tensor in sorted(tensors.items()):
        digest.update(f"{name} {tensor.dtype} {tuple(tensor.shape)}".encode())
        digest.update(tensor.flatten().view(torch.uint8).numpy().data)
    return digest.hexdigest()
