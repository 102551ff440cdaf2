"""Beam tilt and other aberrations: read from files, taken out of images, kept in what is written, warned of."""

from pathlib import Path

import mrcfile
import numpy as np
import pytest
import starfile
import torch

from cryofifa.errors import InputError
from cryofifa.particles.files.read import read_particles
from cryofifa.particles.files.star_writer import write_particles_star
from cryofifa.particles.poses import Poses
from cryofifa.particles.preprocess import ParticleImages
from cryofifa.particles.stacks import ImageStacks
from cryofifa_testkit.particle_files import (
    OPTICS,
    PARTICLES,
    STAR30,
    cs_records,
    write_cs,
    write_star,
    write_star30,
)

pytestmark = pytest.mark.usefixtures("stack")

SIZE, PIXEL = 48, 1.5
GROUPS = {
    "rlnOpticsGroup": [5, 2, 9],
    "rlnVoltage": [300.0, 200.0, 300.0],
    "rlnSphericalAberration": [2.7, 2.0, 2.7],
    "rlnAmplitudeContrast": [0.1] * 3,
    "rlnImagePixelSize": [PIXEL] * 3,
}
TILTS = {"rlnBeamTiltX": [1.5, 0.0, -2.0], "rlnBeamTiltY": [-0.8, 0.0, 0.4]}
IN_GROUPS = {**PARTICLES, "rlnOpticsGroup": [9, 5, 2]}


def no_poses(n: int = 3) -> Poses:
    poses = Poses.unknown(torch.ones(n, dtype=torch.long))
    poses.score = torch.zeros(n)
    return poses


def particles_on_noise() -> np.ndarray:
    """Three images with nothing at Nyquist, where a phase is not defined."""
    image = np.random.default_rng(0).normal(size=(3, SIZE, SIZE))
    line = np.arange(SIZE) - SIZE // 2
    image += 5 * np.exp(-((line - 3) ** 2 + (line[:, None] + 2) ** 2) / 30)
    transform = np.fft.fft2(image)
    transform[:, SIZE // 2] = 0
    transform[:, :, SIZE // 2] = 0
    return np.fft.ifft2(transform).real


def tilted(image: np.ndarray, kilovolt: float, cs: float, tilt: tuple[float, float], trefoil: float = 0) -> np.ndarray:
    """As the microscope shows it: RELION's formula in degrees with the sign that puts the tilt in."""
    wavelength = 12.2643 / np.sqrt(kilovolt * 1e3 * (1 + 0.978466e-6 * kilovolt * 1e3))
    y, x = np.meshgrid(*[np.fft.fftfreq(SIZE, PIXEL)] * 2, indexing="ij")
    degree = -0.360 * cs * 1e7 * wavelength**2 * (x**2 + y**2) * (tilt[0] * x + tilt[1] * y)
    phase = np.radians(degree) + trefoil * (x**3 - 3 * x * y**2)
    return np.fft.ifft2(np.fft.fft2(image) * np.exp(1j * phase)).real


def normalised(folder: Path, image: np.ndarray, optics: dict) -> torch.Tensor:
    with mrcfile.new(folder / "stack.mrcs", overwrite=True) as file:
        file.set_data(image.astype(np.float32))
        file.set_image_stack()
    table = read_particles(write_star(folder / "a.star", IN_GROUPS, {**GROUPS, **optics}))
    return ParticleImages(table, ImageStacks(table)).normalised(np.arange(3))


def test_tilts_of_their_groups_are_taken_out_of_the_images(tmp_path: Path) -> None:
    clean = particles_on_noise()
    zernike = {"rlnOddZernike": ["[0,0,0,0,0,0]", "[0,0,0,0,0,12.0]", "[0,0]"]}
    seen = clean.copy()  # the STAR file's particles are images 1, 3, 2 in groups 9, 5, 2
    seen[0] = tilted(clean[0], 300, 2.7, (-2.0, 0.4))
    seen[2] = tilted(clean[2], 300, 2.7, (1.5, -0.8))
    seen[1] = tilted(clean[1], 200, 2.0, (0.0, 0.0), trefoil=12.0)
    expected = normalised(tmp_path, clean, {})
    found = normalised(tmp_path, seen, TILTS | zernike)
    torch.testing.assert_close(found, expected, atol=1e-3, rtol=0)
    uncorrected = normalised(tmp_path, seen, {})
    assert float((uncorrected - expected).flatten(1).abs().amax(1).min()) > 0.5


def test_tilt_of_the_optics_group(tmp_path: Path) -> None:
    table = read_particles(write_star(tmp_path / "a.star", IN_GROUPS, {**GROUPS, **TILTS}))
    np.testing.assert_array_equal(table.beam_tilt_x_milliradian, [-2.0, 1.5, 0.0])
    np.testing.assert_array_equal(table.beam_tilt_y_milliradian, [0.4, -0.8, 0.0])
    assert table.odd_zernike.shape == (3, 0)
    np.testing.assert_array_equal(table.select(np.array([1])).beam_tilt_x_milliradian, [1.5])


def test_without_the_columns_there_is_no_tilt(tmp_path: Path) -> None:
    for table in (read_particles(write_star(tmp_path / "a.star")), read_particles(write_star30(tmp_path / "b.star"))):
        np.testing.assert_array_equal(table.beam_tilt_x_milliradian, 0)
        np.testing.assert_array_equal(table.beam_tilt_y_milliradian, 0)


def test_lists_of_zernike_terms_may_differ_in_length(tmp_path: Path) -> None:
    lists = {"rlnOddZernike": ["[0.5,-0.25]", "[]", "[1,2,3]"]}
    table = read_particles(write_star(tmp_path / "a.star", IN_GROUPS, {**GROUPS, **lists}))
    np.testing.assert_array_equal(table.odd_zernike, [[1, 2, 3], [0.5, -0.25, 0], [0, 0, 0]])


@pytest.mark.parametrize("cell", ["[0.1,none]", "[nan]"])
def test_bad_zernike_list_is_named(tmp_path: Path, cell: str) -> None:
    path = write_star(tmp_path / "a.star", optics={**OPTICS, "rlnOddZernike": [cell]})
    with pytest.raises(InputError, match=r"a\.star: data_optics row 0 .*rlnOddZernike is"):
        read_particles(path)


def test_tilt_per_particle_becomes_one_per_optics_group(tmp_path: Path) -> None:
    """STAR 3.0 has it per particle, and RELION 3.1 reads it from data_optics only."""
    path = write_star30(tmp_path / "a.star", {**STAR30, "rlnBeamTiltX": [0.25, 0.25, -1.5], "rlnBeamTiltY": [0.5] * 3})
    table = read_particles(path)
    np.testing.assert_array_equal(table.beam_tilt_x_milliradian, [0.25, 0.25, -1.5])
    write_particles_star(tmp_path / "out.star", table, no_poses())
    written = starfile.read(tmp_path / "out.star")
    assert written["optics"]["rlnBeamTiltX"].tolist() == [0.25, 0.25, -1.5]  # voltages 300, 200, 300
    assert "rlnBeamTiltX" not in written["particles"].columns
    again = read_particles(tmp_path / "out.star")
    np.testing.assert_array_equal(again.beam_tilt_x_milliradian, table.beam_tilt_x_milliradian)
    np.testing.assert_array_equal(again.beam_tilt_y_milliradian, table.beam_tilt_y_milliradian)


def test_tilt_stays_in_what_is_written_since_the_images_keep_it(tmp_path: Path) -> None:
    table = read_particles(write_star(tmp_path / "a.star", IN_GROUPS, {**GROUPS, **TILTS}))
    write_particles_star(tmp_path / "out.star", table, no_poses())
    assert starfile.read(tmp_path / "out.star")["optics"]["rlnBeamTiltX"].tolist() == TILTS["rlnBeamTiltX"]


def test_even_terms_and_magnification_are_read_per_particle(tmp_path: Path, recwarn: pytest.WarningsRecorder) -> None:
    matrices = {"rlnMagMat00": [1.01, 1, 0.99], "rlnMagMat01": [0.02, 0, 0], "rlnMagMat10": [-0.01, 0, 0]}
    even = {"rlnEvenZernike": ["[0.5,-0.25]", "[]", "[1,2,3]"]}
    table = read_particles(write_star(tmp_path / "a.star", IN_GROUPS, {**GROUPS, **even, **matrices}))
    np.testing.assert_array_equal(table.even_zernike, [[1, 2, 3], [0.5, -0.25, 0], [0, 0, 0]])
    np.testing.assert_array_equal(
        table.magnification, [[[0.99, 0], [0, 1]], [[1.01, 0.02], [-0.01, 1]], [[1, 0], [0, 1]]]
    )
    neutral = {"rlnEvenZernike": ["[0,0,0]"], "rlnMagMat00": ["1.0"], "rlnMagMat01": ["0"]}
    table = read_particles(write_star(tmp_path / "a.star", optics={**OPTICS, **neutral}))
    assert table.even_zernike is None
    assert table.magnification is None
    assert not recwarn.list


def test_a_matrix_that_is_no_small_distortion_is_refused(tmp_path: Path) -> None:
    path = write_star(tmp_path / "a.star", optics={**OPTICS, "rlnMagMat01": [0.5]})
    with pytest.raises(InputError, match=r"a\.star: particle row 0 .*the magnification matrix .* no small distortion"):
        read_particles(path)


def test_cryosparcs_aberrations_are_not_applied_and_told(tmp_path: Path, recwarn: pytest.WarningsRecorder) -> None:
    def read(value: float) -> np.ndarray:
        fields = {"ctf/tilt_A": np.full((3, 2), value, "f4"), "ctf/trefoil_A": np.zeros((3, 2), "f4")}
        return read_particles(write_cs(tmp_path / "a.cs", cs_records(**fields))).beam_tilt_x_milliradian

    read(0.0)
    assert not recwarn.list
    with pytest.warns(UserWarning, match=r"a\.cs: ctf/tilt_A is not applied"):
        np.testing.assert_array_equal(read(500.0), 0)
