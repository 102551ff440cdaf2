"""What can be asked of a finished run: its map sharpened from unfiltered data, its network on any grid."""

import sys
from pathlib import Path

import pytest
import torch

from cryofifa import Config, reconstruct
from cryofifa.after_run.sharpen import sharpen
from cryofifa.after_run.volume import volume
from cryofifa.cli import main
from cryofifa.half_map_refinement import half_maps
from cryofifa.mrc_map import read_map
from cryofifa.physics.fourier import fourier_3d, rescale_volume
from cryofifa.physics.mask import distance_from_centre
from cryofifa.results.fsc import read_fsc_csv
from cryofifa.train.ab_initio import AbInitio
from cryofifa_testkit.said import assert_one_line
from cryofifa_testkit.small_sets import simulated_particles

SIZE, PIXEL = 32, 6.0
SMALL = Config().changed(
    device="cpu",  # where the test computes, too
    starts={"count": 2, "growth_visits": 400, "most_visits": 800, "minibatch": 20, "orientations": 400},
    curriculum={"visits": 200, "fewest_epochs": 3},
    search={"orientations": 100},
    half_map_refinement={"iterations": 1, "most_searches": 1, "candidates": 2},
)


@pytest.fixture(scope="module")
def particles(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return simulated_particles(tmp_path_factory.mktemp("set"), particles=80, box=SIZE, pixel_size_angstrom=PIXEL)


@pytest.fixture(scope="module")
def unfiltered_and_run(particles: Path) -> tuple[list[torch.Tensor], Path]:
    """Plain back-projections (half 1, half 2, both), caught before any gain, and the run they belong to."""
    caught, run = [], particles.parent.parent / "run"
    original = half_maps.solve_half_maps

    def catches(sums, radius, edge):
        caught[:] = [sums[0].volume(), sums[1].volume(), (sums[0] + sums[1]).volume()]
        return original(sums, radius, edge)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("cryofifa.run.phases.solve_half_maps", catches)
        reconstruct(particles, run, config=SMALL)
    return caught, run


def assert_same_shells(found: torch.Tensor, expected: torch.Tensor, last_shell: int) -> None:
    inside = distance_from_centre(SIZE, 3).round() <= last_shell
    a, b = fourier_3d(found)[inside], fourier_3d(expected)[inside]
    assert float((a - b).abs().max()) < 1e-3 * float(b.abs().max())


def test_a_runs_map_is_weighted_once_from_unfiltered_data(unfiltered_and_run):
    (_, _, combined), run = unfiltered_and_run
    found = sharpen(run, b_factor_square_angstrom=0.0)
    assert found.path == run / "map_sharpened.mrc"
    last = SIZE * PIXEL / found.resolution_angstrom  # the low-pass begins there
    assert last >= 3
    # by the curve that the run's resolution is read from, not by that of the map's own filter
    fsc = read_fsc_csv(run / "fsc.csv", "fsc_corrected")[0].clamp(0, 1)
    radius = distance_from_centre(SIZE, 3)
    shell = radius.round().long().clamp(max=SIZE // 2)
    weighted = fourier_3d(combined) * (2 * fsc / (1 + fsc)).sqrt()[shell]
    inside = radius <= last
    now = fourier_3d(read_map(found.path)[0])
    assert float((now - weighted)[inside].abs().max()) < 1e-3 * float(weighted[inside].abs().max())


def test_the_map_of_a_run_means_the_run_and_its_halves_are_refused(unfiltered_and_run, tmp_path: Path, capsys):
    _, run = unfiltered_and_run
    by_folder = sharpen(run, tmp_path / "folder.mrc", b_factor_square_angstrom=-100)
    by_map = sharpen(run / "map.mrc", tmp_path / "map.mrc", b_factor_square_angstrom=-100)
    assert torch.equal(read_map(by_folder.path)[0], read_map(by_map.path)[0])
    assert main(["sharpen", str(run / "half1.mrc")]) == 2
    assert "give the run's folder" in capsys.readouterr().err


def test_the_halves_are_written_without_any_filter(unfiltered_and_run):
    (first, second, _), run = unfiltered_and_run
    for name, expected in (("half1.mrc", first), ("half2.mrc", second)):
        torch.testing.assert_close(
            read_map(run / name)[0], expected, rtol=1e-4, atol=1e-5 * float(expected.abs().max())
        )


@pytest.mark.parametrize("name", ["map.mrc", "half2.mrc", "decoder.mrc", "mask.mrc"])
def test_no_result_of_a_run_is_written_over(unfiltered_and_run, capsys: pytest.CaptureFixture[str], name: str):
    _, run = unfiltered_and_run
    before = (run / name).read_bytes()
    grid = ["--box", str(SIZE), "--pixel-size", str(PIXEL)]
    for command in (
        ["symmetry", str(run / "map.mrc"), "--groups", "C2", "-o", str(run / name)],
        ["volume", str(run), *grid, "-o", str(run / name)],
        ["sharpen", str(run), "--b-factor", "-50", "-o", str(run / name)],
    ):
        assert main(command) == 2
        assert "give another name with -o" in capsys.readouterr().err
    assert (run / name).read_bytes() == before


def test_deepemhancer_gets_the_unfiltered_halves(unfiltered_and_run, tmp_path: Path, monkeypatch):
    """A stand-in that checks what the real program does: new output name, .mrc, and takes the halves' mean."""
    (first, second, _), run = unfiltered_and_run
    program = tmp_path / "bin" / "deepemhancer"
    program.parent.mkdir()
    program.write_text(f"""#!{sys.executable}
import argparse, os, mrcfile
parser = argparse.ArgumentParser()
for option in ("-i", "-i2", "-o", "-p"):
    parser.add_argument(option, required=True)
given = parser.parse_args()
assert given.p == "tightTarget" and given.o.endswith(".mrc") and not os.path.exists(given.o)
with mrcfile.open(given.i) as one, mrcfile.open(given.i2) as two, mrcfile.new(given.o) as out:
    out.set_data((one.data + two.data) / 2)
    out.voxel_size = one.voxel_size
""")
    program.chmod(0o755)
    monkeypatch.setenv("PATH", str(program.parent), prepend=":")
    for _ in range(2):  # an output that is there already is no obstacle
        assert main(["sharpen", str(run), "-o", str(tmp_path / "out.mrc"), "--deepemhancer"]) == 0
    found, pixel_size = read_map(tmp_path / "out.mrc")
    assert pixel_size == PIXEL
    assert_same_shells(found, (first + second) / 2, SIZE // 2)


def test_deepemhancer_that_is_absent_or_fails_is_one_line(unfiltered_and_run, tmp_path: Path, monkeypatch, capfd):
    _, run = unfiltered_and_run
    command = ["sharpen", str(run), "-o", str(tmp_path / "out.mrc"), "--deepemhancer"]
    monkeypatch.setenv("PATH", str(tmp_path))
    assert main(command) == 2
    assert "deepemhancer is not installed" in capfd.readouterr().err
    program = tmp_path / "deepemhancer"
    program.write_text("#!/bin/sh\nexit 3\n")
    program.chmod(0o755)
    assert main(command) == 2
    assert_one_line(capfd, "exit code 3")
    assert main([*command, "--b-factor", "-50"]) == 2
    assert [path.name for path in tmp_path.iterdir()] == ["deepemhancer"]


def test_the_network_on_the_runs_own_grid_is_the_runs_decoder_map(unfiltered_and_run):
    _, run = unfiltered_and_run
    found = volume(run, SIZE, PIXEL)
    assert found.path == run / "volume.mrc"
    expected = read_map(run / "decoder.mrc")[0]
    assert float(expected.std()) > 0
    torch.testing.assert_close(read_map(found.path)[0], expected, atol=1e-5 * float(expected.abs().max()), rtol=1e-5)


def test_finer_pixels_are_fourier_padding_and_a_smaller_box_is_its_middle(unfiltered_and_run, tmp_path: Path):
    _, run = unfiltered_and_run

    def sampled(box: int, pixel_size: float) -> torch.Tensor:
        return read_map(volume(run, box, pixel_size, tmp_path / f"{box}.mrc", resolution_angstrom=15).path)[0]

    coarse, fine, cut = sampled(SIZE, PIXEL), sampled(2 * SIZE, PIXEL / 2), sampled(SIZE // 2, PIXEL)
    tolerance = 1e-4 * float(coarse.abs().max())
    torch.testing.assert_close(fine, rescale_volume(coarse, 2 * SIZE), atol=tolerance, rtol=0)
    # the window fills this run's box: sampled for the small one alone, its far sides would fold in
    torch.testing.assert_close(cut, coarse[8:24, 8:24, 8:24], atol=tolerance, rtol=0)


def test_the_radius_ends_at_nyquist_or_at_the_resolution_asked_for(unfiltered_and_run, tmp_path: Path):
    _, run = unfiltered_and_run
    trained = volume(run, SIZE, PIXEL, tmp_path / "a.mrc").resolution_angstrom
    assert volume(run, 24, 12.0, tmp_path / "b.mrc").resolution_angstrom == pytest.approx(24)
    assert volume(run, SIZE, PIXEL, tmp_path / "c.mrc", resolution_angstrom=1).resolution_angstrom == trained
    found = volume(run, SIZE, PIXEL, tmp_path / "d.mrc", resolution_angstrom=30)
    assert found.resolution_angstrom == pytest.approx(30)
    transform = fourier_3d(read_map(found.path)[0]).abs()
    radius = distance_from_centre(SIZE, 3)
    limit = SIZE * PIXEL / 30
    assert float(transform[radius > limit].max()) < 1e-4 * float(transform.max())
    assert float(transform[(radius <= limit) & (radius > limit - 1)].max()) > 1e-3 * float(transform.max())


def test_a_running_run_is_sampled_as_far_as_it_has_learnt(
    unfiltered_and_run, particles: Path, tmp_path: Path, monkeypatch, capsys
):
    original = AbInitio.train_epoch
    # a single start leaves a checkpoint before its first epoch
    single = SMALL.changed(starts={"count": 1})
    runs = ((tmp_path / "early", 0, SMALL), (tmp_path / "single", 0, single), (tmp_path / "running", 1, SMALL))
    for run, epochs, config in runs:
        calls = iter(range(epochs))

        def stops(*arguments, left=calls, **options):
            if next(left, None) is None:
                raise KeyboardInterrupt
            return original(*arguments, **options)

        monkeypatch.setattr(AbInitio, "train_epoch", stops)
        with pytest.raises(KeyboardInterrupt):
            reconstruct(particles, run, config=config)
    assert (tmp_path / "single" / "checkpoint" / "state.safetensors").exists()
    found = volume(tmp_path / "running", SIZE, PIXEL)
    assert found.resolution_angstrom == volume(unfiltered_and_run[1], SIZE, PIXEL).resolution_angstrom
    assert float(read_map(found.path)[0].std()) > 0
    early = [(tmp_path / name, "no checkpoint yet") for name in ("early", "single")]
    for folder, wanted in (*early, (tmp_path, "not the folder of a run")):
        assert main(["volume", str(folder), "--box", "32", "--pixel-size", "6"]) == 2
        assert wanted in capsys.readouterr().err


@pytest.mark.parametrize(
    ("arguments", "wanted"),
    [
        (["--box", "33", "--pixel-size", "6"], "--box 33"),
        (["--box", "14", "--pixel-size", "6"], "--box 14"),
        (["--box", "32", "--pixel-size", "0"], "--pixel-size 0"),
        (["--box", "32", "--pixel-size", "nan"], "--pixel-size nan"),
        (["--box", "32", "--pixel-size", "6", "--resolution", "-5"], "--resolution -5"),
    ],
)
def test_impossible_grids_are_refused(unfiltered_and_run, capsys, arguments: list[str], wanted: str):
    assert main(["volume", str(unfiltered_and_run[1]), *arguments]) == 2
    assert_one_line(capsys, wanted)
