"""Evaluate a run where the truth is known: FSC to the true map or to a model, and errors of the poses."""

import json
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Literal

import numpy as np
import torch
from torch import Tensor

from cryofifa.conventions import flip_hand
from cryofifa.errors import InputError
from cryofifa.mrc_map import read_map
from cryofifa.particles.compare_classes import ClassComparison, compare_classes
from cryofifa.particles.compare_poses import PoseComparison, compare_poses
from cryofifa.particles.files.stack_paths import clean_stack_name
from cryofifa.particles.files.star import poses_of_star
from cryofifa.particles.files.star_blocks import StarBlocks, read_star_blocks
from cryofifa.particles.files.star_columns import numbers
from cryofifa.particles.poses import Poses, known
from cryofifa.particles.simulated.structure import model_volume
from cryofifa.physics.point_groups import symmetry_rotations
from cryofifa.results.align_volumes import align_volumes
from cryofifa.results.fsc import FscToTruth, fsc_to_truth
from cryofifa.run.folder import RunFolder
from cryofifa.system.input_file import check_input_file

# With a smaller share of good poses, their common frame is no safe start for aligning the maps.
_TRUSTED_SHARE = 0.3
CLASS_LABEL = "rlnClassNumber"


@dataclass(frozen=True)
class Evaluation:
    """A run compared with the truth; None where that part of the truth was not given.

    compared_with: what the map was aligned to; hand_flipped, fsc, map_correlation and resolutions are relative to it.
    mask_radius_share_of_box: radius of the soft sphere in which the FSC is taken.
    hand_flipped: from the maps where there is a true map or a model, else from the poses.
    fsc: per shell 0, 1, ... of a box `box_angstrom` wide.
    map_correlation: Pearson's, of the aligned maps.
    particles, particles_matched: how many the run has, and how many of them have a true pose.
    rotation_error_degree, shift_error_angstrom: one value per matched particle, in the run's order.
    classes: of rlnClassNumber, where both have it, as the states of a run do (`cryofifa evaluate RUN/states`).
    median_rotation_error_degree, median_shift_error_angstrom, share_within_10_degree: over these particles.
    """

    symmetry: str
    compared_with: Literal["true map", "model"] | None
    mask_radius_share_of_box: float
    hand_flipped: bool | None
    resolution_fsc05_angstrom: float | None
    resolution_fsc0143_angstrom: float | None
    nyquist_angstrom: float | None
    fsc: tuple[float, ...] | None
    map_correlation: float | None
    box_angstrom: float | None
    particles: int | None
    particles_matched: int | None
    median_rotation_error_degree: float | None
    median_shift_error_angstrom: float | None
    share_within_10_degree: float | None
    rotation_error_degree: tuple[float, ...] | None
    shift_error_angstrom: tuple[float, ...] | None
    classes: ClassComparison | None = None

    def as_text(self) -> str:
        """The numbers as a table for the terminal."""
        lines = []
        if self.fsc is not None:
            lines += [
                ("map compared with", self.compared_with),
                ("resolution at FSC 0.5", f"{self.resolution_fsc05_angstrom:.2f} A"),
                ("resolution at FSC 0.143", f"{self.resolution_fsc0143_angstrom:.2f} A"),
                ("best possible (Nyquist)", f"{self.nyquist_angstrom:.2f} A"),
                ("correlation of the maps", f"{self.map_correlation:.4f}"),
            ]
        if self.particles_matched is not None:
            lines += [
                ("particles compared", f"{self.particles_matched} of {self.particles}"),
                ("median rotation error", f"{self.median_rotation_error_degree:.2f} degrees"),
                ("within 10 degrees", f"{100 * (self.share_within_10_degree or 0):.1f} %"),
                ("median shift error", f"{self.median_shift_error_angstrom:.2f} A"),
            ]
        if self.classes is not None:
            lines += self.classes.lines()
        reference = "model" if self.compared_with == "model" else "truth"
        lines.append(("hand", "mirrored" if self.hand_flipped else f"as the {reference}"))
        lines.append(("symmetry", self.symmetry))
        return "\n".join(f"{name:<26}{value:>18}" for name, value in lines)

    def as_json(self, *, per_particle: bool = False) -> str:
        """All fields as JSON; the errors of single particles only if asked for."""
        values = dict(vars(self)) | {"classes": None if self.classes is None else asdict(self.classes)}
        if not per_particle:
            values.pop("rotation_error_degree")
            values.pop("shift_error_angstrom")
        return json.dumps(values, indent=2)


def evaluate(
    run_or_map: Path,
    truth_map: Path | None = None,
    truth_poses: Path | None = None,
    symmetry: str = "C1",
    radius: float = 0.45,
    *,
    model: Path | None = None,
    select: str | None = None,
) -> Evaluation:
    """Compare a run (a folder with map.mrc and particles.star), or a map alone, with the truth.

    The map is aligned over rotation, origin and hand to the true map or to the model's density.

    truth_poses: a STAR file; particles are matched by image number and stack name (without folders); those
        that only one of the files has are left out.
    symmetry: the truth's point group (`physics.point_groups`), in the truth's frame.
    radius: of the soft sphere both maps are multiplied by, as a share of the box.
    model: a PDB or mmCIF model in any frame, in place of truth_map: its density is made on the map's grid.
    select: the part of the model to use, in gemmi's syntax.

    Raises:
        InputError: if a file is absent or wrong, nothing is there to compare, both a true map and a model
            are given, or no particle is in both.
    """
    run_or_map = Path(run_or_map)
    if not run_or_map.exists():
        raise InputError(f"{run_or_map}: there is no such run folder or map")
    if truth_map is None and model is None and truth_poses is None:
        raise InputError("nothing to compare with: give the true map or a model, the true poses, or both")
    if truth_map is not None and model is not None:
        raise InputError("a true map and a model: the map is compared with one of them; leave the other out")
    if select is not None and model is None:
        raise InputError(f"a selection ('{select}') needs a model to select from")
    if not 0 < radius <= 0.5:
        raise InputError(f"a mask radius of {radius} box is no share between 0 and 0.5")
    group = symmetry_rotations(symmetry)
    is_run = run_or_map.is_dir()
    if truth_poses is not None and not is_run:
        raise InputError(f"{run_or_map}: is a map; poses can only be compared for a run folder")

    for given in (truth_poses, model):
        if given is not None:
            check_input_file(Path(given), bytes_per_byte=3)  # text, and what it says
    poses, particles, classes = None, None, None
    if truth_poses is not None:
        found, true, particles, classes = _matched(RunFolder(run_or_map).particles, Path(truth_poses))
        poses = compare_poses(found, true, group)
    fsc, correlation, mirrored = None, None, None
    map_path = RunFolder(run_or_map).map().combined if is_run else run_or_map
    if truth_map is not None:
        fsc, correlation, mirrored = _compared_maps(
            read_map(map_path), read_map(Path(truth_map)), _frame_of(poses), radius
        )
    elif model is not None:
        found, pixel_size = read_map(map_path)
        density = model_volume(Path(model), found.shape[-1], pixel_size, select)
        # The model's frame is its own, not the true poses': no start from these.
        fsc, correlation, mirrored = _compared_maps((found, pixel_size), (density, pixel_size), None, radius)
    return Evaluation(
        symmetry=symmetry.strip().upper(),
        compared_with="true map" if truth_map is not None else "model" if model is not None else None,
        mask_radius_share_of_box=radius,
        hand_flipped=mirrored if mirrored is not None else (poses.hand_flipped if poses else None),
        resolution_fsc05_angstrom=fsc.resolution_fsc05_angstrom if fsc else None,
        resolution_fsc0143_angstrom=fsc.resolution_fsc0143_angstrom if fsc else None,
        nyquist_angstrom=fsc.box_angstrom / (len(fsc.curve) - 1) if fsc else None,
        fsc=tuple(fsc.curve.tolist()) if fsc else None,
        map_correlation=correlation,
        box_angstrom=fsc.box_angstrom if fsc else None,
        particles=particles,
        particles_matched=len(poses.rotation_error_degree) if poses else None,
        median_rotation_error_degree=poses.median_rotation_error_degree if poses else None,
        median_shift_error_angstrom=poses.median_shift_error_angstrom if poses else None,
        share_within_10_degree=poses.share_within_10_degree if poses else None,
        rotation_error_degree=tuple(poses.rotation_error_degree.tolist()) if poses else None,
        shift_error_angstrom=tuple(poses.shift_error_angstrom.tolist()) if poses else None,
        classes=classes,
    )


def _compared_maps(
    found: tuple[Tensor, float],
    truth: tuple[Tensor, float],
    initial: list[tuple[bool, Tensor]] | None,
    radius: float,
) -> tuple[FscToTruth, float, bool]:
    """FSC, correlation and whether mirrored, of a map and the truth, each with its pixel size in angstrom."""
    aligned = align_volumes(*found, *truth, initial=initial)
    return fsc_to_truth(aligned.volume, *truth, radius), aligned.correlation, aligned.mirrored


def _frame_of(poses: PoseComparison | None) -> list[tuple[bool, Tensor]] | None:
    """The frame of the poses in both hands, to start the alignment of the maps; None if too few poses are right.

    Both hands, because a map may have been flipped without its poses.
    """
    if poses is None or poses.share_within_10_degree < _TRUSTED_SHARE:
        return None
    rotation = torch.from_numpy(poses.rotation_truth_to_estimate)
    other_hand = torch.from_numpy(flip_hand(poses.rotation_truth_to_estimate[None])[0])
    return [(poses.hand_flipped, rotation), (not poses.hand_flipped, other_hand)]


def _matched(found_path: Path, truth_path: Path) -> tuple[Poses, Poses, int, ClassComparison | None]:
    """Found and true poses of the particles that are in both files, in the run's order; and the run's particles.

    Last, the comparison of their classes, where there are any.
    """
    found_star, true_star = (read_star_blocks(path) for path in (found_path, truth_path))
    found, found_names = poses_of_star(found_star), _image_names(found_star)
    true, true_names = poses_of_star(true_star), _image_names(true_star)
    row_of_name = {name: row for row, name in enumerate(true_names)}
    pairs = [(row, row_of_name[name]) for row, name in enumerate(found_names) if name in row_of_name]
    if not pairs:
        raise InputError(
            f"{found_path} and {truth_path} have no image in common (rlnImageName, compared without folders)"
        )
    rows, true_rows = torch.tensor(pairs).T
    scored = ~known(found.score)[rows].isnan()
    if scored.any():  # a run gives its particles scores, and none to the images that it has left out
        rows, true_rows = rows[scored], true_rows[scored]
    columns = _class_numbers(found_star, rows), _class_numbers(true_star, true_rows)
    classes = None if columns[0] is None or columns[1] is None else compare_classes(columns[0], columns[1])
    return found.select(rows), true.select(true_rows), len(found), classes


def _class_numbers(star: StarBlocks, rows: Tensor) -> np.ndarray | None:
    """rlnClassNumber of these rows; None where there is no such column."""
    if CLASS_LABEL not in star.particles.columns:
        return None
    return numbers(star, CLASS_LABEL, rows.numpy()).astype(np.int64)


def _image_names(star: StarBlocks) -> list[tuple[int, str]]:
    """Image number (1-based) and stack name without folders, of every row."""
    names = []
    for row, text in enumerate(star.particles["rlnImageName"]):
        number, _, stack = str(text).rpartition("@")
        try:
            names.append((int(number or 1), Path(clean_stack_name(stack)).name))
        except ValueError as error:
            raise InputError(
                f"{star.path}: particle row {row} (counted from 0): rlnImageName '{text}' is not like 000001@stack.mrcs"
            ) from error
    if len(set(names)) != len(names):
        raise InputError(
            f"{star.path}: two particles have the same image number and stack name (folders are not compared)"
        )
    return names
