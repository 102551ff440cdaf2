"""Errors of a run's poses against time, from the checkpoints that it writes while it goes on."""

import csv
from pathlib import Path

import numpy as np
import torch
from safetensors import safe_open

from cryofifa.names import AB_INITIO_PART, HALF_MAP_POSES_PART, STARTS_UNDER_WAY_PART
from cryofifa.particles.compare_poses import compare_poses
from cryofifa.particles.files.star import read_poses_star
from cryofifa.particles.poses import Poses
from cryofifa.physics.point_groups import symmetry_rotations
from cryofifa.run.folder import RunFolder

CURVE_HEAD = ("seconds", "phase", "median rotation error (deg)", "share within 10 deg")

# what a checkpoint calls the poses: the latest phase it has; a start's own until the first one has ended
CHECKPOINT_POSES = (
    ("half-map refinement", f"{HALF_MAP_POSES_PART}."),
    ("ab initio", f"{AB_INITIO_PART}.poses."),
    ("first start", f"{STARTS_UNDER_WAY_PART}.poses."),
)


class PoseWatch:
    """Poses of a run while it goes on, from its checkpoints; for runs whose search sees all particles."""

    def __init__(self, output: Path) -> None:
        self._checkpoint = RunFolder(output).checkpoint
        self._seen = 0
        self.poses: list[tuple[float, str, Poses]] = []

    def look(self, seconds: float, _: int) -> None:
        """Take up the checkpoint if it is new."""
        if not self._checkpoint.exists() or (changed := self._checkpoint.stat().st_mtime_ns) == self._seen:
            return
        self._seen = changed
        with safe_open(self._checkpoint, framework="np") as file:
            names = set(file.keys())
            phase, prefix = next(one for one in CHECKPOINT_POSES if f"{one[1]}rotation" in names)
            rotation = file.get_tensor(f"{prefix}rotation").astype(np.float64)
            shift = file.get_tensor(f"{prefix}shift_angstrom").astype(np.float64)
        if phase == "first start":  # those of each process, of which there is one
            rotation, shift = rotation[0], shift[0]
        self.poses.append((seconds, phase, Poses.found(torch.from_numpy(rotation), torch.from_numpy(shift))))

    def write(self, path: Path, truth: Path, symmetry: str) -> None:
        """One line per checkpoint; afterwards, so that the comparing takes no time from the run."""
        true, group = read_poses_star(truth), symmetry_rotations(symmetry)
        with path.open("w", newline="", encoding="utf-8") as file:
            writer = csv.writer(file)
            writer.writerow(CURVE_HEAD)
            for seconds, phase, poses in self.poses:
                if len(poses) == len(true):
                    found = compare_poses(poses, true, group)
                    error, share = found.median_rotation_error_degree, found.share_within_10_degree
                    writer.writerow([f"{seconds:.0f}", phase, f"{error:.2f}", f"{share:.3f}"])
