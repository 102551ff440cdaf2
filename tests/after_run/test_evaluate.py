"""A run made from the truth in another frame, origin, hand and row order must be judged perfect."""

import json
from dataclasses import MISSING, fields
from pathlib import Path

import numpy as np
import pytest
import starfile
import torch
from scipy.spatial.transform import Rotation

from cryofifa.after_run.evaluate import evaluate
from cryofifa.conventions import relion_euler_degrees_from_rotations
from cryofifa.errors import InputError
from cryofifa.mrc_map import write_map
from cryofifa.particles.simulated.pseudo_protein import density_of_atoms, pseudo_atoms

BOX, PIXEL = 32, 5.0
Q = Rotation.from_rotvec([0.4, 0.9, -0.8]).as_matrix()
ORIGIN = np.array([3.0, -4.0, 5.0])
MIRROR = np.diag([1.0, 1.0, -1.0])


def write_star(path: Path, names: list[str], rotation: np.ndarray, shift: np.ndarray) -> None:
    euler = relion_euler_degrees_from_rotations(rotation)
    table = {"rlnImageName": names} | {f"rlnAngle{n}": euler[:, i] for i, n in enumerate(("Rot", "Tilt", "Psi"))}
    table |= {f"rlnOrigin{axis}Angst": shift[:, i] for i, axis in enumerate("XY")}
    import pandas as pd

    starfile.write({"particles": pd.DataFrame(table)}, path)


@pytest.fixture(scope="module", params=[False, True], ids=["same hand", "other hand"])
def run(request, tmp_path_factory) -> tuple[Path, bool]:
    folder = tmp_path_factory.mktemp("run")
    truth = Rotation.random(200, random_state=0).as_matrix()
    names = [f"{i + 1:06d}@stack.mrcs" for i in range(200)]
    write_star(folder / "truth.star", names, truth, np.zeros((200, 2)))
    write_map(folder / "truth.mrc", density_of_atoms(pseudo_atoms(), BOX, PIXEL), PIXEL)
    atoms = pseudo_atoms() @ Q.T + ORIGIN
    rotation = truth @ Q.T
    shift = (rotation @ ORIGIN)[:, :2]
    if request.param:
        atoms, rotation = atoms @ MIRROR, MIRROR @ rotation @ MIRROR
    order = np.random.default_rng(0).permutation(200)[:150]
    found_names = [f"{i + 1}@some/folder/stack.mrcs" for i in order]
    write_star(folder / "particles.star", found_names, rotation[order], shift[order])
    write_map(folder / "map.mrc", density_of_atoms(atoms, BOX, PIXEL), PIXEL)
    return folder, request.param


def test_a_perfect_run_is_perfect(run):
    folder, flipped = run
    result = evaluate(folder, folder / "truth.mrc", folder / "truth.star")
    assert result.hand_flipped == flipped
    assert result.particles_matched == 150
    assert result.median_rotation_error_degree == pytest.approx(0, abs=1e-3)
    assert result.median_shift_error_angstrom == pytest.approx(0, abs=1e-3)
    assert result.share_within_10_degree == 1
    assert result.resolution_fsc05_angstrom == pytest.approx(2 * PIXEL, rel=0.05)
    assert json.loads(result.as_json())["particles_matched"] == 150
    assert "FSC 0.5" in result.as_text()


def test_poses_alone_and_map_alone(run):
    folder, flipped = run
    poses = evaluate(folder, None, folder / "truth.star")
    assert poses.hand_flipped == flipped
    assert poses.fsc is None
    assert "FSC" not in poses.as_text()


def test_bad_calls_are_refused_in_one_line(run, tmp_path):
    folder, _ = run
    write_star(tmp_path / "else.star", ["1@other.mrcs", "2@other.mrcs"], np.stack([np.eye(3)] * 2), np.zeros((2, 2)))
    calls = [
        (folder, None, None, "C1"),
        (folder / "absent", folder / "truth.mrc", None, "C1"),
        (folder, folder / "absent.mrc", None, "C1"),
        (folder, None, tmp_path / "else.star", "C1"),
        (folder, None, folder / "truth.star", "X2"),
        (folder / "map.mrc", None, folder / "truth.star", "C1"),
    ]
    for found, truth_map, truth_poses, symmetry in calls:
        with pytest.raises(InputError) as caught:
            evaluate(found, truth_map, truth_poses, symmetry)
        assert "\n" not in str(caught.value)


@pytest.mark.data
def test_true_poses_back_project_to_the_true_map(data_folder):
    """Our slices, shifts and CTFs against particles that RELION's own projector made."""
    import mrcfile

    from cryofifa.mrc_map import read_map
    from cryofifa.particles.files.star import read_poses_star, read_star
    from cryofifa.physics.back_projection import BackProjector
    from cryofifa.physics.ctf import CtfParameters, contrast_transfer
    from cryofifa.physics.fourier import HalfPlane, fourier_2d
    from cryofifa.physics.shift import displacement_phase
    from cryofifa.results.fsc import fsc_to_truth

    table = read_star(data_folder / "gpcr" / "gpcr.star")
    poses = read_poses_star(data_folder / "gpcr" / "truth" / "poses.star")
    truth, pixel_size = read_map(data_folder / "gpcr" / "truth" / "map.mrc")
    plane = HalfPlane.of_box(64, pixel_size, 31)
    names = [field.name.replace("scale", "ctf_scale") for field in fields(CtfParameters) if field.default is MISSING]
    ctf = CtfParameters(*(torch.from_numpy(getattr(table, name).copy()).float() for name in names))
    projector = BackProjector.empty(64)
    with mrcfile.mmap(data_folder / "gpcr" / "gpcr.mrcs", permissive=True) as file:
        for first in range(0, 5000, 250):
            rows = slice(first, first + 250)
            images = plane.gather(fourier_2d(torch.from_numpy(file.data[rows].astype(np.float32))))
            shift = poses.shift_angstrom[rows].float()
            centred = images * displacement_phase(shift, plane.frequency_per_angstrom).conj()
            rotation = poses.rotation[rows].float()
            projector.add(centred, contrast_transfer(ctf[rows], plane.frequency_per_angstrom), rotation, plane)
    result = fsc_to_truth(projector.volume(), truth, pixel_size, 0.45)
    assert result.resolution_fsc05_angstrom < 1.1 * 2 * pixel_size
