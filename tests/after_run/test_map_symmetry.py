"""The point group of a map is named: scipy's own groups are put in, turned, off the centre, with noise."""

import json
from pathlib import Path

import numpy as np
import pytest
import torch
from scipy.spatial.transform import Rotation

from cryofifa.after_run.map_symmetry import SymmetryReport, find_symmetry
from cryofifa.cli import main
from cryofifa.errors import InputError
from cryofifa.mrc_map import read_map, write_map
from cryofifa.physics.mask import distance_from_centre
from cryofifa.physics.point_groups import symmetry_rotations
from cryofifa.physics.shell_correlation import fourier_shell_correlation
from cryofifa.results.symmetry.group_search import SearchedGroup
from cryofifa_testkit.known_volumes import density_of_blobs, symmetric_places

SIZE, PIXEL, WIDTH = 41, 2.5, 1.4
Q = Rotation.from_rotvec([0.7, -1.1, 0.5]).as_matrix()
CENTRE = np.array([1.6, -2.3, 0.7])
SOME_GROUPS = ("C2", "C3", "C4", "D2", "D3", "T", "O")


def noise(seed: int = 0) -> torch.Tensor:
    return torch.randn(SIZE, SIZE, SIZE, generator=torch.Generator().manual_seed(seed))


def blobs(group: str, noise_share: float, seed: int = 0) -> tuple[np.ndarray, torch.Tensor]:
    """Places (x, y, z) from the map's centre, and the map with noise of a share of its own sd."""
    places, weights = symmetric_places(group, 8, 0.28 * SIZE, seed)
    places = places @ Q.T + CENTRE
    volume = density_of_blobs(SIZE, places, weights, WIDTH)
    return places, volume + noise_share * volume.std() * noise(seed)


def symmetry_of(volume: torch.Tensor, folder: Path, groups: tuple[str, ...] | None = None) -> SymmetryReport:
    write_map(folder / "map.mrc", volume, PIXEL)
    return find_symmetry(folder / "map.mrc", groups)


@pytest.mark.parametrize(
    "group", ["D2", *(pytest.param(group, marks=pytest.mark.slow) for group in ("C4", "T", "O", "I"))]
)
def test_the_largest_group_is_named_and_its_axes_carry_the_map_onto_itself(group, tmp_path: Path):
    places, volume = blobs(group, 0.7)
    report = symmetry_of(volume, tmp_path)
    assert report.symmetry == group
    found = report.groups[group]
    map_to_group = Rotation.from_euler("ZYZ", found.map_to_group_angles_degree, degrees=True).as_matrix().T
    turned = (places - np.array(found.centre_angstrom) / PIXEL) @ map_to_group.T
    for member in symmetry_rotations(group):
        apart = np.linalg.norm((turned @ member.T)[:, None] - turned, axis=-1).min(axis=1)
        assert apart.max() < 0.5
    # blobs of this width fall to the noise at about twice the pixel size
    assert found.resolution_fsc05_angstrom is not None
    assert 2 * PIXEL <= found.resolution_fsc05_angstrom < 5 * PIXEL


@pytest.mark.parametrize("noise_share", [0.0, pytest.param(1.0, marks=pytest.mark.slow)])
def test_a_map_without_symmetry_is_c1(noise_share, tmp_path: Path):
    report = symmetry_of(blobs("C1", noise_share, seed=3)[1], tmp_path, SOME_GROUPS)
    assert report.symmetry == "C1"
    assert not any(group.fits for group in report.groups.values())


@pytest.mark.slow
def test_only_groups_asked_for_are_tried(tmp_path: Path):
    volume = blobs("O", 0.5)[1]
    assert symmetry_of(volume, tmp_path, ("C3", "C7")).symmetry == "C3"
    neither_holds_the_other = symmetry_of(volume, tmp_path, ("D4", "D3"))
    assert neither_holds_the_other.symmetry is None
    assert "D4, D3" in neither_holds_the_other.reason


@pytest.mark.slow
@pytest.mark.parametrize("noise_share", [0.0, 0.5])
def test_a_shell_cannot_be_told(noise_share, tmp_path: Path):
    shell = torch.exp(-((distance_from_centre(SIZE, 3) - 11) ** 2) / 4)
    report = symmetry_of(shell + noise_share * shell.std() * noise(), tmp_path, SOME_GROUPS)
    assert report.symmetry is None


@pytest.mark.slow
def test_a_round_rod_cannot_be_told(tmp_path: Path):
    line = (torch.arange(SIZE) - SIZE // 2).float()
    rod = torch.exp(-(line[:, None].square() + line.square()) / 5) * torch.exp(-((line / 12) ** 6))[:, None, None]
    report = symmetry_of(rod, tmp_path, ("C2", "C7", "C8"))
    assert report.symmetry is None
    assert "alike" in report.reason


@pytest.mark.slow
def test_noise_has_no_symmetry(tmp_path: Path):
    report = symmetry_of(noise(), tmp_path, SOME_GROUPS)
    assert report.symmetry in (None, "C1")


@pytest.mark.slow
def test_the_map_is_written_symmetrised_in_the_groups_frame(tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    places, volume = blobs("O", 1.0)
    write_map(tmp_path / "map.mrc", volume, PIXEL)
    output = tmp_path / "out.mrc"
    assert main(["symmetry", str(tmp_path / "map.mrc"), "--groups", "D4", "O", "--json", "-o", str(output)]) == 0
    report = json.loads(capsys.readouterr().out)
    assert report["symmetry"] == "O"
    written, pixel_size = read_map(output)
    assert pixel_size == PIXEL
    # 4-folds on all three axes of an odd box move voxels onto voxels
    for axes in ((0, 1), (0, 2), (1, 2)):
        assert float((written.rot90(1, axes) - written).abs().max()) < 0.02 * float(written.abs().max())
    found = report["groups"]["O"]
    map_to_group = Rotation.from_euler("ZYZ", found["map_to_group_angles_degree"], degrees=True).as_matrix().T
    turned = (places - np.array(found["centre_angstrom"]) / PIXEL) @ map_to_group.T
    truth = density_of_blobs(SIZE, turned, np.ones(len(turned)), WIDTH)
    assert fourier_shell_correlation(written, truth)[:9].min() > 0.9


@pytest.mark.parametrize(
    ("volume", "groups", "wanted"),
    [
        (torch.ones(24, 24, 24), ("C2",), "constant"),
        (torch.rand(8, 8, 8), ("C2",), "too few"),
        (torch.rand(24, 24, 24), ("C1",), "C1"),
        (torch.rand(24, 24, 24), ("X3",), "X3"),
    ],
)
def test_what_cannot_be_tried_is_refused(volume, groups, wanted, tmp_path: Path):
    with pytest.raises(InputError, match=wanted):
        symmetry_of(volume, tmp_path, groups)


def test_nothing_is_written_where_no_group_fits(tmp_path: Path):
    write_map(tmp_path / "map.mrc", blobs("C1", 0.5)[1], PIXEL)
    with pytest.raises(InputError, match="--groups"):
        find_symmetry(tmp_path / "map.mrc", ("C2", "C3"), tmp_path / "out.mrc")
    assert not (tmp_path / "out.mrc").exists()


@pytest.mark.parametrize(
    ("name", "order", "turns"), [("C6", 6, 3), ("D3", 3, 4), ("T", 3, 7), ("O", 4, 16), ("I", 5, 37)]
)
def test_a_group_is_searched_by_its_axis_of_highest_order_without_inverses(name, order, turns):
    """Half turns are their own inverses; the other members come in pairs."""
    members = torch.from_numpy(symmetry_rotations(name)).float()
    group = SearchedGroup.of(members)
    assert (group.order, len(group.turns)) == (order, turns)
    turn = Rotation.from_rotvec(2 * np.pi / order * group.axis.double().numpy()).as_matrix()
    assert np.abs(members.numpy() - turn).max(axis=(1, 2)).min() < 1e-5
