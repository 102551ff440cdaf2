"""A map made from turned, shifted and mirrored atoms, without the program's own fit, must be laid on their model."""

from pathlib import Path

import gemmi
import numpy as np
import pytest
import torch
from scipy.spatial.transform import Rotation

from cryofifa.after_run.evaluate import Evaluation, evaluate
from cryofifa.cli import main
from cryofifa.errors import InputError
from cryofifa.mrc_map import write_map
from cryofifa.particles.simulated.pseudo_protein import density_of_atoms, pseudo_atoms
from cryofifa_testkit.said import assert_one_line

BOX, PIXEL, RADIUS_SHARE = 32, 5.0, 0.45
Q = Rotation.from_rotvec([-1.3, 0.4, 1.9]).as_matrix()
ORIGIN_ANGSTROM = np.array([3.5, -4.2, 5.1])
MIRROR = np.diag([1.0, 1.0, -1.0])


def add_chain(model: gemmi.Model, name: str, atom_angstrom: np.ndarray) -> None:
    chain = gemmi.Chain(name)
    for number, places in enumerate(np.array_split(atom_angstrom, len(atom_angstrom) // 4), start=1):
        residue = gemmi.Residue()
        residue.name, residue.seqid = "GLY", gemmi.SeqId(number, " ")
        for atom_name, place in zip(("N", "CA", "C", "O", "CB"), places, strict=False):
            atom = gemmi.Atom()
            atom.name, atom.element = atom_name, gemmi.Element("C")
            atom.pos, atom.b_iso = gemmi.Position(*place), 60.0
            residue.add_atom(atom)
        chain.add_residue(residue)
    model.add_chain(chain)


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Chain A is the molecule, chain B another one of the same size and envelope; far from the origin."""
    structure, one = gemmi.Structure(), gemmi.Model(1)
    for name, seed in (("A", 0), ("B", 1)):
        add_chain(one, name, pseudo_atoms(seed) + np.array([120.0, -30.0, 55.0]))
    structure.add_model(one)
    structure.setup_entities()
    path = tmp_path_factory.mktemp("model") / "two.cif"
    structure.make_mmcif_document().write_file(str(path))
    return path


def moved_map(box: int, mirror: np.ndarray) -> torch.Tensor:
    return density_of_atoms((pseudo_atoms() @ Q.T + ORIGIN_ANGSTROM) @ mirror, box, PIXEL)


def laid_on_chain_a(model: Path, path: Path, box: int, mirrored: bool) -> Evaluation:
    write_map(path, moved_map(box, MIRROR if mirrored else np.eye(3)), PIXEL)
    return evaluate(path, model=model, select="A")


@pytest.fixture(scope="module")
def as_it_is(model: Path) -> Evaluation:
    return laid_on_chain_a(model, model.with_name("map.mrc"), BOX, mirrored=False)


@pytest.mark.parametrize(
    ("box", "mirrored"), [(BOX, False), *(pytest.param(box, True, marks=pytest.mark.slow) for box in (BOX, BOX + 1))]
)
def test_a_map_in_any_frame_and_hand_is_laid_on_its_model(
    model: Path, as_it_is: Evaluation, tmp_path: Path, box: int, mirrored: bool
):
    found = laid_on_chain_a(model, tmp_path / "map.mrc", box, mirrored) if mirrored else as_it_is
    assert found.hand_flipped == mirrored
    assert found.compared_with == "model"
    assert found.fsc is not None
    assert min(found.fsc[: int(0.9 * BOX / 2) + 1]) > 0.99
    assert found.resolution_fsc05_angstrom == pytest.approx(2 * PIXEL, rel=0.05)
    assert found.as_text().splitlines()[-2].endswith("mirrored" if mirrored else "as the model")


@pytest.mark.slow
def test_another_chain_is_much_worse(model: Path, as_it_is: Evaluation):
    wrong = evaluate(model.with_name("map.mrc"), model=model, select="B")
    assert wrong.resolution_fsc05_angstrom > 2 * as_it_is.resolution_fsc05_angstrom


def shell_power(volume: torch.Tensor) -> np.ndarray:
    """Mean |F|^2 per shell, in numpy."""
    line = np.arange(BOX) - BOX // 2
    z, y, x = np.meshgrid(line, line, line, indexing="ij")
    shell = np.rint(np.sqrt(x**2 + y**2 + z**2)).astype(int).ravel()
    power = np.abs(np.fft.fftshift(np.fft.fftn(volume.numpy()))).ravel() ** 2
    return (np.bincount(shell, power) / np.bincount(shell))[: BOX // 2 + 1]


@pytest.mark.slow
def test_noise_costs_the_resolution_that_its_power_says(model: Path, tmp_path: Path):
    """A perfect map with noise of power N has FSC = sqrt(S / (S + N)) to its model."""
    clean = moved_map(BOX, np.eye(3))
    noise = torch.randn(clean.shape, generator=torch.Generator().manual_seed(0))
    line = np.arange(BOX) - BOX // 2
    radius = np.sqrt(sum(axis**2 for axis in np.meshgrid(line, line, line)))
    sphere = torch.from_numpy(np.clip((RADIUS_SHARE * BOX - radius) / 3 + 0.5, 0, 1)).float()
    signal = shell_power(clean * sphere)
    resolutions = []
    for shell_of_equal_power in (12, 6):
        scale = (signal[shell_of_equal_power] / shell_power(noise * sphere)[shell_of_equal_power]) ** 0.5
        write_map(tmp_path / "map.mrc", clean + float(scale) * noise, PIXEL)
        found = evaluate(tmp_path / "map.mrc", model=model, select="A", radius=RADIUS_SHARE)
        expected = np.sqrt(signal / (signal + scale**2 * shell_power(noise * sphere)))
        assert found.fsc is not None
        assert np.abs(np.array(found.fsc) - expected)[1:-1].mean() < 0.05
        resolutions.append(found.resolution_fsc05_angstrom)
    assert resolutions[1] > 1.3 * resolutions[0]


@pytest.mark.slow
def test_true_poses_and_a_model_go_together(model: Path, tmp_path: Path):
    """The poses' frame is not the model's: it must not mislead the fit."""
    import pandas as pd
    import starfile

    euler = np.degrees(Rotation.random(100, random_state=0).as_euler("ZYZ"))
    table = {"rlnImageName": [f"{row + 1}@stack.mrcs" for row in range(100)]}
    table |= {f"rlnAngle{name}": euler[:, column] for column, name in enumerate(("Rot", "Tilt", "Psi"))}
    table |= {"rlnOriginXAngst": np.zeros(100), "rlnOriginYAngst": np.zeros(100)}
    starfile.write({"particles": pd.DataFrame(table)}, tmp_path / "particles.star")
    write_map(tmp_path / "map.mrc", moved_map(BOX, MIRROR), PIXEL)
    found = evaluate(tmp_path, truth_poses=tmp_path / "particles.star", model=model, select="A")
    assert found.median_rotation_error_degree == pytest.approx(0, abs=1e-3)
    assert found.resolution_fsc05_angstrom == pytest.approx(2 * PIXEL, rel=0.05)
    assert found.hand_flipped


def test_wrong_calls_are_refused_in_one_line(model: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    path = tmp_path / "map.mrc"
    write_map(path, moved_map(BOX, np.eye(3)), PIXEL)
    write_map(tmp_path / "small.mrc", moved_map(BOX, np.eye(3)), PIXEL / 4)
    for calls, wanted in (
        (["map.mrc", "--model", str(model), "--truth-map", str(path)], "leave the other out"),
        (["map.mrc", "--truth-map", str(path), "--select", "A"], "needs a model"),
        (["map.mrc", "--model", str(path)], "not an atomic model"),
        (["map.mrc", "--model", "absent.cif"], "absent.cif"),
        (["map.mrc", "--model", str(model), "--select", "Z"], "no atoms"),
        (["small.mrc", "--model", str(model), "--select", "A"], "the box only"),
    ):
        assert main(["evaluate", str(tmp_path / calls[0]), *calls[1:]]) == 2
        assert_one_line(capsys, wanted)
    with pytest.raises(InputError, match="nothing to compare"):
        evaluate(path)


@pytest.mark.slow
@pytest.mark.data
def test_a_map_made_elsewhere_from_a_model_reaches_nyquist(data_folder: Path):
    """3SN6 without the lysozyme, made into a map by another program; a part of the complex does not explain it."""
    path, model = data_folder / "gpcr" / "truth" / "map.mrc", data_folder / "models" / "3SN6.cif"
    whole = evaluate(path, model=model, select="*/1-1000")
    part = evaluate(path, model=model, select="A")
    assert whole.resolution_fsc05_angstrom < 1.1 * 2 * 3.3
    assert not whole.hand_flipped
    assert part.resolution_fsc05_angstrom > 2 * whole.resolution_fsc05_angstrom
