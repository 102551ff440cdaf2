"""Signed and unsigned bytes are told apart by what the images look like, or by IMOD's mark."""

from pathlib import Path

import mrcfile
import numpy as np
import pytest

from cryofifa.particles.files.read import read_particles
from cryofifa.particles.preprocess import ParticleImages
from cryofifa.particles.stacks import ImageStacks
from cryofifa_testkit.particle_files import OPTICS, PARTICLES, write_star

SIZE, COUNT = 32, 5


def written(folder: Path, values: np.ndarray, *, imod_flags: int | None = None) -> Path:
    """A set whose stack holds these bytes, whatever they mean, in a file of mode 0."""
    with mrcfile.new(folder / "bytes.mrcs") as file:
        file.set_data(values.view(np.int8))
        file.set_image_stack()
    if imod_flags is not None:
        content = bytearray((folder / "bytes.mrcs").read_bytes())
        content[152:160] = np.array([1146047817, imod_flags], dtype="<i4").tobytes()
        (folder / "bytes.mrcs").write_bytes(content)
    particles = {label: column[:1] * COUNT for label, column in PARTICLES.items()}
    particles |= {"rlnImageName": [f"{number + 1}@bytes.mrcs" for number in range(COUNT)]}
    return write_star(folder / "a.star", particles, OPTICS | {"rlnImageSize": [SIZE]})


def noise(mean: float, spread: float) -> np.ndarray:
    return np.random.default_rng(0).normal(mean, spread, (COUNT, SIZE, SIZE)).round()


@pytest.mark.parametrize(("mean", "spread"), [(128, 30), (110, 12), (200, 25), (150, 10)])
def test_unsigned_bytes_are_read_as_such_and_told(tmp_path: Path, mean: float, spread: float):
    values = noise(mean, spread).clip(0, 255).astype(np.uint8)
    table = read_particles(written(tmp_path, values))
    np.testing.assert_array_equal(ImageStacks(table).read(np.arange(COUNT)), values)
    with pytest.warns(UserWarning, match=r"bytes\.mrcs: its bytes .* look unsigned"):
        ParticleImages.of_table(table, inverted=False)


@pytest.mark.parametrize(("mean", "spread"), [(0, 30), (-20, 10), (60, 25)])
def test_signed_bytes_stay_signed(tmp_path: Path, mean: float, spread: float):
    values = noise(mean, spread).clip(-128, 127).astype(np.int8)
    np.testing.assert_array_equal(ImageStacks(read_particles(written(tmp_path, values))).read(np.arange(COUNT)), values)


def test_imods_mark_decides(tmp_path: Path):
    values = noise(0, 30).clip(-128, 127).astype(np.int8)
    read = ImageStacks(read_particles(written(tmp_path, values, imod_flags=0))).read(np.arange(COUNT))
    np.testing.assert_array_equal(read, values.view(np.uint8))
    (tmp_path / "bytes.mrcs").unlink()
    read = ImageStacks(read_particles(written(tmp_path, values, imod_flags=1))).read(np.arange(COUNT))
    np.testing.assert_array_equal(read, values)
