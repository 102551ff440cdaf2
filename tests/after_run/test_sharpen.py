"""Sharpening against decays that were put in by hand, written in numpy from the definitions."""

from pathlib import Path

import numpy as np
import pytest
import torch

from cryofifa.after_run.sharpen import sharpen
from cryofifa.cli import main
from cryofifa.errors import InputError
from cryofifa.mrc_map import read_map, write_map
from cryofifa.results.fsc import write_fsc_csv
from cryofifa_testkit.said import assert_one_line

SIZE, PIXEL = 64, 2.0
BOX_ANGSTROM, SHELLS = SIZE * PIXEL, SIZE // 2 + 1
INDEX = np.arange(SIZE) - SIZE // 2
RADIUS = np.sqrt(INDEX[:, None, None] ** 2 + INDEX[:, None] ** 2 + INDEX**2)
FREQUENCY = RADIUS / BOX_ANGSTROM


def transform(volume: np.ndarray) -> np.ndarray:
    return np.fft.fftshift(np.fft.fftn(np.fft.ifftshift(np.asarray(volume, dtype=np.float64))))


def filtered(volume: np.ndarray, gain: np.ndarray) -> np.ndarray:
    return np.fft.fftshift(np.fft.ifftn(np.fft.ifftshift(transform(volume) * gain))).real


def atoms() -> np.ndarray:
    """Point atoms at random in a ball of 36 A: a flat Wilson falloff at all frequencies beyond its shape."""
    generator = np.random.default_rng(0)
    places = generator.integers(0, SIZE, (60_000, 3))
    inside = places[np.linalg.norm(places - SIZE // 2, axis=1) < 18][:4000]
    density = np.zeros((SIZE, SIZE, SIZE))
    np.add.at(density, tuple(inside.T), 1.0)
    return density


def decayed(b_factor: float) -> np.ndarray:
    return filtered(atoms(), np.exp(-b_factor / 4 * FREQUENCY**2))


def write(path: Path, volume: np.ndarray) -> Path:
    write_map(path, torch.from_numpy(volume).float(), PIXEL)
    return path


def curve(path: Path, values: np.ndarray) -> Path:
    write_fsc_csv(path, torch.from_numpy(values).float(), BOX_ANGSTROM)
    return path


def shell_ratio(after: np.ndarray, before: np.ndarray) -> np.ndarray:
    """Least-squares factor between two maps, shell by shell."""
    shell, a, b = np.rint(RADIUS).astype(int), transform(after), transform(before)
    return np.array([np.vdot(b[shell == n], a[shell == n]).real / np.vdot(b[shell == n], b[shell == n]).real
                     for n in range(SHELLS)])  # fmt: skip


@pytest.mark.parametrize("decay", [80.0, 200.0])
def test_guinier_finds_the_decay_that_was_put_in(tmp_path: Path, decay: float):
    source = write(tmp_path / "map.mrc", decayed(decay))
    found = sharpen(source, fsc_file=curve(tmp_path / "one.csv", np.ones(SHELLS)))
    assert found.b_factor_square_angstrom == pytest.approx(-decay, rel=0.1)
    assert found.resolution_angstrom == pytest.approx(2 * PIXEL)
    assert found.path == tmp_path / "map_sharpened.mrc"


def test_noise_does_not_hide_the_decay(tmp_path: Path):
    """Unweighted, the amplitudes of signal and noise fall far less than the signal's own."""
    generator, signal = np.random.default_rng(1), decayed(200.0)
    halves = [signal + generator.normal(0, 0.1, signal.shape) for _ in range(2)]
    for name, half in zip(("half1.mrc", "half2.mrc"), halves, strict=True):
        write(tmp_path / name, half)
    source = write(tmp_path / "whole.mrc", (halves[0] + halves[1]) / 2)
    write(tmp_path / "ball.mrc", (np.clip((20.0 - RADIUS) / 4 + 0.5, 0, 1)))
    found = sharpen(source, mask_file=tmp_path / "ball.mrc")
    assert 2 * PIXEL < found.resolution_angstrom < 6
    assert found.b_factor_square_angstrom == pytest.approx(-200, rel=0.15)
    # a curve that ends at the same resolution, but knows of no noise
    steps = np.where(np.arange(SHELLS) <= BOX_ANGSTROM / found.resolution_angstrom, 1.0, 0.0)
    blind = sharpen(source, tmp_path / "blind.mrc", mask_file=tmp_path / "ball.mrc",
                    fsc_file=curve(tmp_path / "steps.csv", steps))  # fmt: skip
    assert abs(blind.b_factor_square_angstrom + 200) > 2 * abs(found.b_factor_square_angstrom + 200)


def test_minus_b_undoes_a_decay_of_b_inside_the_resolution_and_nothing_is_left_outside(tmp_path: Path):
    steps = np.where(np.arange(SHELLS) <= 24, 1.0, 0.0)
    source = write(tmp_path / "map.mrc", decayed(120.0))
    found = sharpen(source, b_factor_square_angstrom=-120, fsc_file=curve(tmp_path / "fsc.csv", steps))
    after, pixel_size = read_map(found.path)
    limit = BOX_ANGSTROM / found.resolution_angstrom
    assert 24 < limit < 25
    assert pixel_size == PIXEL
    before, now = transform(atoms()), transform(after.numpy())
    inside = np.rint(RADIUS) <= 24
    assert np.abs(now - before)[inside].max() < 1e-3 * np.abs(before).max()
    assert np.abs(now)[limit + 2 < RADIUS].max() < 1e-3


def test_each_shell_is_weighted_by_the_expected_correlation_with_the_truth(tmp_path: Path):
    fsc = np.ones(SHELLS)
    fsc[10:20] = 0.5
    source = write(tmp_path / "map.mrc", atoms())
    found = sharpen(source, b_factor_square_angstrom=0, fsc_file=curve(tmp_path / "fsc.csv", fsc))
    ratio = shell_ratio(read_map(found.path)[0].numpy(), atoms())
    np.testing.assert_allclose(ratio[:10], 1, atol=1e-4)
    np.testing.assert_allclose(ratio[10:20], (2 / 3) ** 0.5, atol=1e-4)
    np.testing.assert_allclose(ratio[20 : SHELLS - 1], 1, atol=1e-4)


def test_a_coarse_map_is_weighted_only_and_says_so(tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    coarse = np.where(np.arange(SHELLS) <= 9, 1.0, 0.0)  # 13 A
    source = write(tmp_path / "map.mrc", decayed(100.0))
    assert main(["sharpen", str(source), "--fsc", str(curve(tmp_path / "fsc.csv", coarse))]) == 0
    output = capsys.readouterr()
    assert "Guinier" in output.err
    assert output.err.count("\n") == 1
    np.testing.assert_allclose(
        shell_ratio(read_map(tmp_path / "map_sharpened.mrc")[0].numpy(), decayed(100.0))[:10], 1, atol=1e-4
    )


def test_a_fit_that_ends_early_is_made_but_warned_about(tmp_path: Path):
    early = np.where(np.arange(SHELLS) <= 20, 1.0, 0.0)  # 6.2 A
    source = write(tmp_path / "map.mrc", decayed(150.0))
    found = sharpen(source, fsc_file=curve(tmp_path / "fsc.csv", early))
    assert found.b_factor_square_angstrom == pytest.approx(-150, rel=0.15)  # atoms at random: flat all the same
    assert "too strong" in str(found.note)
    whole = sharpen(source, fsc_file=curve(tmp_path / "one.csv", np.ones(SHELLS)))
    assert whole.note is None


def test_mistakes_are_one_line_and_exit_code_2(tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    source = write(tmp_path / "map.mrc", atoms())
    write(tmp_path / "half1.mrc", atoms())
    write_map(tmp_path / "small.mrc", torch.ones(8, 8, 8), PIXEL)
    (tmp_path / "text.csv").write_text("no,curve\n1,2\n")
    for arguments, wanted in [
        ([], "--fsc FILE or --b-factor"),
        (["--fsc", "absent.csv"], "absent.csv"),
        (["--fsc", str(tmp_path / "text.csv")], "frequency_per_angstrom"),
        (["--b-factor", "-50", "--mask", str(tmp_path / "small.mrc")], "small.mrc"),
        (["--b-factor", "-50", "--mask", str(source)], "no mask"),
        (["--b-factor", "nan"], "--b-factor nan"),
        (["--b-factor", "-50", "-o", str(source)], "another name"),
        (["--b-factor", "-50", "-o", str(tmp_path / "absent" / "a.mrc")], "no such folder"),
        (["--b-factor", "-50", "-o", str(tmp_path / "a.txt")], ".mrc or .map"),
    ]:
        assert main(["sharpen", str(source), *arguments]) == 2, arguments
        assert_one_line(capsys, wanted)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["half1.mrc", "map.mrc", "small.mrc", "text.csv"]
    with pytest.raises(InputError, match="no such run"):
        sharpen(tmp_path / "absent")
