"""FSC: its definition against numpy, its statistics on known noise, its crossings by hand."""

import numpy as np
import pytest
import torch

from cryofifa.errors import InputError
from cryofifa.mrc_map import read_map, write_map
from cryofifa.physics.shell_correlation import first_crossing_angstrom, fourier_shell_correlation
from cryofifa.results.fsc import fsc_to_truth, in_soft_sphere, write_fsc_csv


def noise(size: int, seed: int) -> torch.Tensor:
    return torch.randn(size, size, size, generator=torch.Generator().manual_seed(seed))


def test_is_one_for_a_scaled_copy_and_minus_one_for_the_negative():
    volume = noise(16, 0)
    torch.testing.assert_close(fourier_shell_correlation(volume, 3 * volume), torch.ones(9))
    torch.testing.assert_close(fourier_shell_correlation(volume, -volume), -torch.ones(9))


@pytest.mark.parametrize("size", [15, 16])
def test_equals_the_definition_written_in_numpy(size):
    a, b = noise(size, 1), noise(size, 2)
    ours = fourier_shell_correlation(a, a + b).numpy()
    fa, fb = np.fft.fftn(a.double().numpy()), np.fft.fftn((a + b).double().numpy())
    index = np.fft.fftfreq(size, 1 / size)
    shell = np.rint(np.sqrt(index[:, None, None] ** 2 + index[:, None] ** 2 + index**2)).astype(int)
    for number in range(size // 2 + 1):
        x, y = fa[shell == number], fb[shell == number]
        expected = np.vdot(x, y).real / np.sqrt(np.vdot(x, x).real * np.vdot(y, y).real)
        assert ours[number] == pytest.approx(expected, abs=1e-5)


def test_agrees_with_the_outside_package_to_the_width_of_its_shells():
    # torch_fourier_shell_correlation shares points between neighbouring shells: only a flat curve must agree.
    from torch_fourier_shell_correlation import fourier_shell_correlation as outside

    a, b = noise(32, 3), noise(32, 4)
    ours, theirs = fourier_shell_correlation(a + b, a - 0.2 * b), outside(a + b, a - 0.2 * b)
    assert (ours - theirs)[4:16].abs().max() < 0.05


def test_known_noise_gives_the_expected_correlation():
    # Two halves with noise as strong as the signal: FSC = 1 / (1 + 1).
    signal = noise(32, 5)
    curve = fourier_shell_correlation(signal + noise(32, 6), signal + noise(32, 7))
    assert curve[6:].mean() == pytest.approx(0.5, abs=0.02)


def test_a_shell_without_power_counts_as_zero():
    volume = torch.ones(8, 8, 8)
    torch.testing.assert_close(fourier_shell_correlation(volume, volume)[1:], torch.zeros(4))


def test_crossing_is_linear_in_frequency():
    curve = torch.tensor([1.0, 1.0, 0.8, 0.2, 0.0])
    assert first_crossing_angstrom(curve, 0.5, 80.0) == pytest.approx(80.0 / 2.5)
    assert first_crossing_angstrom(torch.ones(5), 0.5, 80.0) == 20.0
    assert first_crossing_angstrom(torch.tensor([1.0, 0.1, 0.9, 0.9, 0.9]), 0.5, 80.0) == 80.0


def test_a_constant_background_is_not_correlation():
    a, b = noise(32, 8), noise(32, 9)
    result = fsc_to_truth(a + 50, b + 50, 2.0, 0.4)
    assert result.curve[1:4].abs().max() < 0.6
    assert in_soft_sphere(a, 0.4)[0].abs().max() == 0


def test_csv_has_one_line_per_shell(tmp_path):
    write_fsc_csv(tmp_path / "fsc.csv", torch.tensor([1.0, 0.5, 0.25]), 40.0)
    lines = (tmp_path / "fsc.csv").read_text().splitlines()
    assert lines[0] == "shell,resolution_angstrom,frequency_per_angstrom,fsc"
    assert lines[2].split(",") == ["1", "40.0000", "0.0250000", "0.500000"]
    assert [path.name for path in tmp_path.iterdir()] == ["fsc.csv"]


def test_map_survives_disk_and_carries_its_voxel_size(tmp_path):
    volume = noise(8, 10)
    write_map(tmp_path / "a.mrc", volume, 3.3)
    back, pixel_size = read_map(tmp_path / "a.mrc")
    assert torch.equal(back, volume)
    assert pixel_size == 3.3
    assert [path.name for path in tmp_path.iterdir()] == ["a.mrc"]


def test_bad_maps_are_refused_in_one_line(tmp_path):
    import mrcfile

    (tmp_path / "text.mrc").write_text("no map" * 400)
    with mrcfile.new(tmp_path / "flat.mrc") as file:
        file.set_data(np.zeros((4, 8, 8), dtype=np.float32))
        file.voxel_size = 1.0
    write_map(tmp_path / "nan.mrc", torch.full((4, 4, 4), float("nan")), 1.0)
    write_map(tmp_path / "unsized.mrc", torch.ones(4, 4, 4), 0.0)
    (tmp_path / "short.mrc").write_bytes((tmp_path / "unsized.mrc").read_bytes()[:1100])
    for name in ("absent.mrc", "text.mrc", "flat.mrc", "nan.mrc", "unsized.mrc", "short.mrc"):
        with pytest.raises(InputError, match=name) as caught:
            read_map(tmp_path / name)
        assert "\n" not in str(caught.value)
