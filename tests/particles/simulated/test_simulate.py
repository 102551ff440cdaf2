"""Simulated particles: outside projector, RELION's shift convention, the SNR asked for, the same bytes."""

import inspect
from dataclasses import MISSING, fields
from pathlib import Path

import mrcfile
import numpy as np
import pytest
import starfile
import torch
from scipy.ndimage import gaussian_filter
from scipy.spatial.transform import Rotation

from cryofifa.errors import InputError
from cryofifa.mrc_map import read_map, write_map
from cryofifa.particles.files.star import read_poses_star, read_star
from cryofifa.particles.particle_radius import radius_of_volume
from cryofifa.particles.simulated.pseudo_protein import density_of_atoms, other_molecule, pseudo_atoms, pseudo_protein
from cryofifa.particles.simulated.simulate import simulate, simulate_images
from cryofifa.particles.simulated.structure import structure_volume
from cryofifa.physics.ctf import CtfParameters
from cryofifa.physics.fourier import fourier_2d
from cryofifa.physics.shell_correlation import fourier_shell_correlation

BOX, PIXEL = 32, 5.0
SETTINGS = {"box": BOX, "pixel_size_angstrom": PIXEL}


def flat_ctf(n: int) -> CtfParameters:
    """CTF = 1 everywhere: pure amplitude contrast at zero defocus and zero Cs, phase -pi/2."""
    zero, one = torch.zeros(n), torch.ones(n)
    quarter = torch.full((n,), torch.pi / 2)
    return CtfParameters(zero, zero, zero, quarter, 300 * one, zero, zero, zero, one)


@pytest.fixture(scope="module")
def map_path(tmp_path_factory) -> Path:
    path = tmp_path_factory.mktemp("map") / "map.mrc"
    write_map(path, pseudo_protein(BOX, PIXEL), PIXEL)
    return path


@pytest.fixture(scope="module")
def simulated(map_path, tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("set")
    simulate(map_path, folder, particles=150, snr=0.5, junk=0.2, **SETTINGS)
    return folder


def test_images_equal_an_outside_projector():
    from torch_fourier_slice import project_3d_to_2d

    volume = pseudo_protein(BOX, PIXEL)
    rotation = torch.from_numpy(Rotation.random(5, random_state=0).as_matrix()).float()
    ours = simulate_images(volume, PIXEL, rotation, torch.zeros(5, 2), flat_ctf(5))
    theirs = project_3d_to_2d(volume, rotation.mT, pad_factor=3.0)
    for one, other in zip(ours, theirs, strict=True):
        assert torch.corrcoef(torch.stack([one.flatten(), other.flatten()]))[0, 1] > 0.998


def test_projection_equals_the_sum_over_turned_atoms():
    rotation = Rotation.random(random_state=1).as_matrix()
    turned = density_of_atoms(pseudo_atoms() @ rotation.T, BOX, PIXEL).sum(0)
    shift = torch.zeros(1, 2)
    image = simulate_images(
        pseudo_protein(BOX, PIXEL), PIXEL, torch.from_numpy(rotation[None]).float(), shift, flat_ctf(1)
    )
    assert torch.corrcoef(torch.stack([image.flatten(), turned.flatten()]))[0, 1] > 0.999


def test_a_particle_sits_at_minus_its_origin():
    point = np.zeros((BOX, BOX, BOX), dtype=np.float32)
    point[BOX // 2, BOX // 2, BOX // 2] = 1
    volume = torch.from_numpy(gaussian_filter(point, 1.5))
    shift_angstrom = torch.tensor([[5.0 * PIXEL, -3.0 * PIXEL]])
    image = simulate_images(volume, PIXEL, torch.eye(3)[None], shift_angstrom, flat_ctf(1))[0]
    y, x = np.unravel_index(int(image.argmax()), image.shape)
    assert (x, y) == (BOX // 2 - 5, BOX // 2 + 3)


def test_snr_is_the_one_asked_for(map_path, tmp_path):
    simulate(map_path, tmp_path / "signal", particles=256, snr=1e8, seed=5, **SETTINGS)
    simulate(map_path, tmp_path / "noisy", particles=256, snr=0.5, seed=5, **SETTINGS)
    signal = mrcfile.read(tmp_path / "signal" / "particles.mrcs") * np.sqrt(0.5 / 1e8)
    noise = mrcfile.read(tmp_path / "noisy" / "particles.mrcs") - signal
    y, x = np.mgrid[:BOX, :BOX] - BOX // 2
    disc = np.hypot(x, y) <= 0.35 * BOX
    assert signal[:, disc].var(axis=1).mean() == pytest.approx(0.5, rel=0.01)
    assert noise.std() == pytest.approx(1.0, abs=0.01)


def test_files_are_what_relion_and_our_reader_expect(simulated):
    assert sorted(path.name for path in simulated.rglob("*") if path.is_file()) == [
        "junk.txt", "junk_kind.txt", "map.mrc", "particles.mrcs", "particles.star", "poses.star",
    ]  # fmt: skip
    table = read_star(simulated / "particles.star")
    assert len(table) == 150
    assert table.box_size == BOX
    assert np.ptp(table.pixel_size_angstrom) == 0
    assert "rlnAngleRot" not in starfile.read(simulated / "particles.star")["particles"]
    poses = read_poses_star(simulated / "truth" / "poses.star")
    assert float(poses.shift_angstrom.std()) == pytest.approx(1.5 * PIXEL, rel=0.15)
    rows = np.loadtxt(simulated / "truth" / "junk.txt", dtype=int)
    assert len(set(rows)) == 30
    with mrcfile.open(simulated / "particles.mrcs") as file:
        assert file.is_image_stack()
        assert file.header.mode == 2
        assert float(file.voxel_size.x) == pytest.approx(PIXEL, rel=1e-5)
        assert float(file.header.dmean) == pytest.approx(float(file.data.mean()), abs=1e-3)
    assert mrcfile.validate(simulated / "particles.mrcs")


def test_same_seed_same_bytes_other_seed_other_images(simulated, map_path, tmp_path):
    simulate(map_path, tmp_path / "again", particles=150, snr=0.5, junk=0.2, **SETTINGS)
    simulate(map_path, tmp_path / "other", particles=150, snr=0.5, junk=0.2, seed=1, **SETTINGS)
    read = [mrcfile.read(folder / "particles.mrcs") for folder in (simulated, tmp_path / "again", tmp_path / "other")]
    np.testing.assert_array_equal(read[0], read[1])
    assert not np.array_equal(read[0], read[2])


def test_poses_and_images_belong_together(map_path, tmp_path):
    """Written particles back-project, with the written poses and CTFs, to the written map."""
    from cryofifa.physics.back_projection import BackProjector
    from cryofifa.physics.ctf import contrast_transfer
    from cryofifa.physics.fourier import HalfPlane
    from cryofifa.physics.shift import displacement_phase
    from cryofifa.results.fsc import fsc_to_truth

    simulate(map_path, tmp_path, particles=800, snr=5.0, **SETTINGS)
    table, poses = read_star(tmp_path / "particles.star"), read_poses_star(tmp_path / "truth" / "poses.star")
    names = [field.name.replace("scale", "ctf_scale") for field in fields(CtfParameters) if field.default is MISSING]
    ctf = CtfParameters(*(torch.from_numpy(getattr(table, name).copy()).float() for name in names))
    plane = HalfPlane.of_box(BOX, PIXEL, BOX // 2 - 1)
    images = plane.gather(fourier_2d(torch.from_numpy(mrcfile.read(tmp_path / "particles.mrcs"))))
    phase = displacement_phase(poses.shift_angstrom.float(), plane.frequency_per_angstrom)
    projector = BackProjector.empty(BOX)
    projector.add(
        images * phase.conj(),
        contrast_transfer(ctf, plane.frequency_per_angstrom),
        poses.rotation.float(),
        plane,
    )
    truth, _ = read_map(tmp_path / "truth" / "map.mrc")
    result = fsc_to_truth(projector.volume(), truth, PIXEL, 0.45)
    assert result.resolution_fsc05_angstrom < 1.15 * 2 * PIXEL


def test_junk_is_noise_ice_and_another_molecule(simulated, map_path):
    """Rows with the truth's own image taken off: noise has its power, the others more, each in its own way."""
    rows = np.loadtxt(simulated / "truth" / "junk.txt", dtype=int)
    kinds = np.array((simulated / "truth" / "junk_kind.txt").read_text().split())
    assert {kind: int((kinds == kind).sum()) for kind in set(kinds)} == {"noise": 10, "ice": 10, "molecule": 10}
    images = mrcfile.read(simulated / "particles.mrcs")
    y, x = np.mgrid[:BOX, :BOX] - BOX // 2
    disc = np.hypot(x, y) <= 0.35 * BOX
    variance = images[:, disc].var(axis=1)
    good = np.setdiff1d(np.arange(len(images)), rows)
    assert variance[rows[kinds == "noise"]].mean() == pytest.approx(1.0, abs=0.1)
    assert variance[rows[kinds == "ice"]].mean() > 2.0
    assert variance[good].mean() == pytest.approx(1.5, abs=0.1)
    assert variance[rows[kinds == "molecule"]].mean() == pytest.approx(1.5, abs=0.25)
    table, poses = read_star(simulated / "particles.star"), read_poses_star(simulated / "truth" / "poses.star")
    ctf = CtfParameters(
        *(
            torch.from_numpy(getattr(table, field.name.replace("scale", "ctf_scale")).copy()).float()
            for field in fields(CtfParameters)
            if field.default is MISSING
        )
    )
    rotation = poses.rotation.float()
    shift = poses.shift_angstrom.float()
    mine, _ = read_map(map_path)
    other = other_molecule(BOX, PIXEL, radius_of_volume(mine) * PIXEL)

    def correlation(volume: torch.Tensor) -> np.ndarray:
        clean = simulate_images(volume, PIXEL, rotation, shift, ctf).numpy()
        return np.array([np.corrcoef(one[disc], two[disc])[0, 1] for one, two in zip(clean, images, strict=True)])

    molecules = rows[kinds == "molecule"]
    # signal of variance 0.5 in noise of variance 1
    assert correlation(mine)[good].mean() == pytest.approx((0.5 / 1.5) ** 0.5, abs=0.05)
    assert correlation(mine)[molecules].mean() < 0.25
    assert correlation(other)[molecules].mean() == pytest.approx((0.5 / 1.5) ** 0.5, abs=0.1)


def test_preferred_views_look_down_one_axis(map_path, tmp_path):
    simulate(map_path, tmp_path, particles=300, snr=1.0, views="preferred", **SETTINGS)
    rotation = read_poses_star(tmp_path / "truth" / "poses.star").rotation.numpy()
    assert (rotation[:, 2, 2] > 0.8).mean() > 0.6


def test_a_model_is_centred_on_its_mass_and_scaled_to_the_box(tmp_path):
    lines = [
        f"ATOM  {i + 1:5d}  CA  GLY A{i + 1:4d}    {x:8.3f}{y:8.3f}{z:8.3f}  1.00 30.00           C"
        for i, (x, y, z) in enumerate([(100, 50, 20), (118, 50, 20)])
    ]
    (tmp_path / "two.pdb").write_text("\n".join([*lines, "END", ""]))
    volume = structure_volume(tmp_path / "two.pdb", 32, 3.0)
    z, y, x = np.unravel_index(volume.flatten().topk(2).indices.numpy(), volume.shape)
    assert sorted(x) == [16 - 3, 16 + 3]
    assert set(y) == set(z) == {16}
    one = structure_volume(tmp_path / "two.pdb", 32, 3.0, select="A/1")
    assert int(one.argmax()) == (16 * 32 + 16) * 32 + 16
    with pytest.raises(InputError, match="larger box"):
        structure_volume(tmp_path / "two.pdb", 16, 1.0)
    with pytest.raises(InputError, match="no atoms"):
        structure_volume(tmp_path / "two.pdb", 32, 3.0, select="Z")


def test_a_map_is_rescaled_to_the_wished_pixel_size(map_path):
    rescaled = structure_volume(map_path, 28, 6.0)
    assert fourier_shell_correlation(rescaled, pseudo_protein(28, 6.0))[:13].min() > 0.99


def test_wrong_settings_leave_nothing_behind(map_path, tmp_path):
    for wrong in ({"snr": 0.0}, {"junk": 1.5}, {"particles": 0}, {"views": "odd"}, {"box": 33}):
        with pytest.raises(InputError):
            # unwrapped: past the tests' own type check, which a caller does not have
            inspect.unwrap(simulate)(map_path, tmp_path / "out", **{"particles": 3, "snr": 1.0, **SETTINGS, **wrong})
    with pytest.raises(InputError, match=r"none\.mrc"):
        simulate(tmp_path / "none.mrc", tmp_path / "out", particles=3, snr=1.0, **SETTINGS)
    assert not (tmp_path / "out").exists()


def test_a_set_is_not_written_over(map_path, tmp_path):
    simulate(map_path, tmp_path, particles=3, snr=1.0, **SETTINGS)
    before = (tmp_path / "particles.mrcs").read_bytes()
    with pytest.raises(InputError, match="holds a particle set"):
        simulate(map_path, tmp_path, particles=5, snr=1.0, **SETTINGS)
    assert (tmp_path / "particles.mrcs").read_bytes() == before
