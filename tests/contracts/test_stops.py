"""A run that is stopped, killed or fails says so in one line, and goes on by the same command to the same end."""

import os
import resource
import shutil
import signal
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from itertools import count
from pathlib import Path
from typing import Any

import mrcfile
import pytest
import torch

from cryofifa import Config, reconstruct
from cryofifa.cli import main
from cryofifa.errors import Stopped
from cryofifa.half_map_refinement import particle_frame
from cryofifa.results import map_result, outputs
from cryofifa.results.report import report
from cryofifa.run import starts
from cryofifa.run.folder import RunFolder
from cryofifa.run.progress import read_run_state
from cryofifa.settings.config import config_as_toml
from cryofifa.stochastic_em.start import Start
from cryofifa.system.atomic_file import PART
from cryofifa.train.training_loop import TrainingLoop
from cryofifa_testkit.permissions import permissions_count
from cryofifa_testkit.said import assert_one_line
from cryofifa_testkit.same_results import differing
from cryofifa_testkit.small_sets import simulated_particles

PIXEL_SIZE_ANGSTROM = 6.0
# two starts of two steps per epoch; then five, of which every second one samples the decoder anew
SMALL = Config().changed(
    device="cpu",  # where the same run gives the same bits
    encoder={"channels": 4, "stages": 2, "feature_width": 32},
    decoder={"minibatches_per_sampling": 2},
    starts={"count": 2, "growth_visits": 80, "most_visits": 80, "minibatch": 40, "orientations": 60},
    curriculum={"visits": 200, "fewest_epochs": 3, "minibatch": 16, "mask_steps": 4},
    search={"orientations": 60},
    encoder_refinement={"epochs": 1, "minibatches_per_sampling": 2, "mask_steps": 2},
    half_map_refinement={"iterations": 2, "most_searches": 2, "candidates": 2},
)
STEPS = 2 * 4 * 2 + 3 * 5 + 5  # of both starts, of ab initio after them, of the refinement


@pytest.fixture(scope="module", autouse=True)
def small_blocks_and_no_pictures() -> Iterator[None]:
    """So that the half-map refinement has several blocks; pictures take half of such a run's time."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(particle_frame, "BLOCK", 16)
        patch.setattr(report, "report_html", lambda _: "report " * 1000)
        yield


@pytest.fixture(scope="module")
def particles(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("set")
    star = simulated_particles(folder, particles=80, box=32, pixel_size_angstrom=PIXEL_SIZE_ANGSTROM)
    star.with_name("settings.toml").write_text(config_as_toml(SMALL))
    return star


@pytest.fixture(scope="module")
def undisturbed(particles: Path) -> Path:
    reconstruct(particles, particles.parent.parent / "run", config=SMALL)
    return particles.parent.parent / "run"


@pytest.fixture
def own_particles(particles: Path, tmp_path: Path) -> Path:
    """A copy of the set that may be damaged."""
    shutil.copytree(particles.parent, tmp_path / "set")
    return tmp_path / "set" / "particles.star"


def command(particles: Path, run: Path) -> list[str]:
    return ["reconstruct", str(particles), "-o", str(run), "--config", str(particles.with_name("settings.toml"))]


def assert_as_undisturbed(run: Path, undisturbed: Path) -> None:
    """Poses and maps bit for bit, but for headers, which say when they were written; nothing half-written."""
    assert differing(run, undisturbed, ("particles.star", "map.mrc", "half1.mrc", "half2.mrc", "decoder.mrc")) == []
    assert [path for path in run.rglob("*") if PART.fullmatch(path.name)] == []


@pytest.fixture
def at_step(monkeypatch: pytest.MonkeyPatch) -> Callable[[int, Callable[[], None]], Iterator[int]]:
    """Do something right after a step of the training, counted from 1; gives a counter of all steps."""

    def install(number: int, act: Callable[[], None]) -> Iterator[int]:
        steps = count(1)

        def counted(original: Callable) -> Callable:
            def step(*arguments):
                found = original(*arguments)
                if next(steps) == number:
                    act()
                return found

            return step

        for training in (Start, TrainingLoop):
            monkeypatch.setattr(training, "_step", counted(training._step))
        return steps

    return install


def test_a_run_stopped_again_and_again_ends_as_undisturbed(particles: Path, undisturbed: Path, tmp_path: Path):
    """In every phase, always at another step of an epoch."""
    stops = 0
    while not (tmp_path / "run" / "run.json").exists():
        asked = count(1)
        try:
            reconstruct(particles, tmp_path / "run", config=SMALL, stop=lambda asked=asked: next(asked) == 8)
        except Stopped:
            stops += 1
    assert stops > 6
    assert_as_undisturbed(tmp_path / "run", undisturbed)


@pytest.mark.slow
@pytest.mark.parametrize(("seconds", "repeated"), [(1e-9, 1), (0.0, 4)])
def test_a_killed_run_repeats_what_came_after_its_last_checkpoint(
    particles: Path, undisturbed: Path, tmp_path: Path, at_step, seconds: float, repeated: int
):
    """Killed within the fourth step of an epoch, with a checkpoint after every step, or of every epoch."""

    def kill() -> None:
        (tmp_path / "run" / ".map.mrc.0123abcd.part.mrc").write_bytes(b"half")
        (tmp_path / "run" / "checkpoint" / ".state.safetensors.0123abcd.part.safetensors").write_bytes(b"half")
        raise KeyboardInterrupt

    steps = at_step(2 * 4 * 2 + 4, kill)
    config = SMALL.changed(checkpoint_seconds=seconds)
    with pytest.raises(KeyboardInterrupt):
        reconstruct(particles, tmp_path / "run", config=config)
    reconstruct(particles, tmp_path / "run", config=config)
    assert next(steps) - 1 == STEPS + repeated
    assert_as_undisturbed(tmp_path / "run", undisturbed)


@pytest.mark.slow
def test_a_start_that_was_killed_before_it_was_compared_counts_as_much(
    particles: Path, undisturbed: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    """What a start explains decides between starts: it is in the checkpoint that its last epoch leaves."""
    compare, times = starts.Starts._compare, count(1)

    def killed_at_first(*arguments: Any) -> None:
        if next(times) % 2:
            raise KeyboardInterrupt
        compare(*arguments)

    monkeypatch.setattr(starts.Starts, "_compare", killed_at_first)
    for _ in range(2):
        with pytest.raises(KeyboardInterrupt):
            reconstruct(particles, tmp_path / "run", config=SMALL)
    reconstruct(particles, tmp_path / "run", config=SMALL)
    runs = [RunFolder(path).checkpoint for path in (tmp_path / "run", undisturbed)]
    found, expected = (read_run_state(checkpoint, torch.device("cpu"))[1].starts for checkpoint in runs)
    assert found == expected
    assert 0 not in expected
    assert_as_undisturbed(tmp_path / "run", undisturbed)


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGUSR1, signal.SIGINT])
def test_a_signal_leaves_a_checkpoint_and_its_own_exit_code(
    particles: Path, undisturbed: Path, tmp_path: Path, at_step, capsys: pytest.CaptureFixture[str], number: int
):
    before = signal.getsignal(number)
    steps = at_step(1, lambda: os.kill(os.getpid(), number))
    run = tmp_path / "run"
    assert main(command(particles, run)) == 128 + number
    assert_one_line(capsys, f"stopped by {signal.Signals(number).name}", "same command")
    assert signal.getsignal(number) == before
    assert sorted(path.name for path in run.iterdir()) == ["checkpoint", "log.txt"]
    if number == signal.SIGUSR1:
        assert main(command(particles, run)) == 0
        assert next(steps) - 1 == STEPS
        assert_as_undisturbed(run, undisturbed)


def test_a_second_interrupt_does_not_wait_for_the_step(particles: Path, tmp_path: Path, at_step):
    def twice() -> None:
        signal.raise_signal(signal.SIGINT)
        with pytest.raises(KeyboardInterrupt):
            signal.raise_signal(signal.SIGINT)

    at_step(1, twice)
    assert main(command(particles, tmp_path / "run")) == 130


@contextmanager
def no_file_longer_than(size: int) -> Iterator[None]:
    """A disk that is full after so many bytes of every file."""
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))


def test_a_full_disk_leaves_no_half_of_a_checkpoint(
    particles: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
):
    with no_file_longer_than(20_000):
        assert main(command(particles, tmp_path / "run")) == 2
    assert_one_line(capsys, "state.safetensors: cannot be written", "File too large")
    assert [path.name for path in (tmp_path / "run" / "checkpoint").iterdir()] == ["settings.json"]


@pytest.mark.parametrize("name", ["map.mrc", "particles.star", "report.html"])
def test_a_full_disk_leaves_no_half_of_an_output(
    particles: Path, undisturbed: Path, tmp_path: Path, monkeypatch, capsys: pytest.CaptureFixture[str], name: str
):
    run = tmp_path / "run"
    shutil.copytree(undisturbed, run, ignore=shutil.ignore_patterns("run.json"))
    (run / name).write_text("old")
    module, writer = {
        "map.mrc": (map_result, "write_map"),
        "particles.star": (outputs, "write_particles_star"),
        "report.html": (outputs, "write_report"),
    }[name]
    original = getattr(module, writer)

    def full(*arguments, **options):
        with no_file_longer_than(5_000):
            original(*arguments, **options)

    with monkeypatch.context() as patch:
        patch.setattr(module, writer, full)
        assert main(command(particles, run)) == 2
    assert_one_line(capsys, f"{name}: cannot be written")
    assert (run / name).read_text() == "old"
    assert not (run / "run.json").exists()
    assert [path for path in run.rglob("*") if PART.fullmatch(path.name)] == []


def test_a_read_only_folder_is_named(particles: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    folder = tmp_path / "folder"
    folder.mkdir()
    folder.chmod(0o555)
    with permissions_count():
        assert main(command(particles, folder / "run")) == 2
        assert_one_line(capsys, str(folder / "run"), "cannot be written", "Permission denied")
        assert main(command(particles, folder)) == 2
        assert_one_line(capsys, str(folder), "cannot be written", "Permission denied")
    assert list(folder.iterdir()) == []


@pytest.mark.slow
def test_a_folder_that_becomes_read_only_costs_nothing_that_was_kept(
    particles: Path, undisturbed: Path, tmp_path: Path, at_step, capsys: pytest.CaptureFixture[str]
):
    run = tmp_path / "run"
    steps = at_step(2 * 4 * 2 + 3, lambda: (run / "checkpoint").chmod(0o555))
    with permissions_count():
        assert main(command(particles, run)) == 2
    assert_one_line(capsys, "state.safetensors: cannot be written", "Permission denied")
    (run / "checkpoint").chmod(0o755)
    assert main(command(particles, run)) == 0
    assert next(steps) - 1 == STEPS + 5
    assert_as_undisturbed(run, undisturbed)


@pytest.mark.slow
def test_a_stack_cut_short_in_mid_run_is_named_and_the_run_goes_on_with_the_whole_one(
    own_particles: Path, undisturbed: Path, tmp_path: Path, at_step, capsys: pytest.CaptureFixture[str]
):
    stack, run = own_particles.with_suffix(".mrcs"), tmp_path / "run"
    whole = stack.read_bytes()
    at_step(3, lambda: os.truncate(stack, len(whole) // 2))
    assert main(command(own_particles, run)) == 2
    assert_one_line(capsys, "particles.mrcs: was changed while")
    assert not (run / "map.mrc").exists()
    stack.write_bytes(whole)
    assert main(command(own_particles, run)) == 0
    assert_as_undisturbed(run, undisturbed)


def test_another_stack_in_place_of_the_runs_own_is_noticed(
    own_particles: Path, tmp_path: Path, at_step, monkeypatch, capsys: pytest.CaptureFixture[str]
):
    """Of the same size and shape: within a run, and between two calls."""
    stack, run = own_particles.with_suffix(".mrcs"), tmp_path / "run"
    with mrcfile.open(stack) as file:
        other = file.data[::-1].copy()

    def replace() -> None:
        with mrcfile.mmap(stack, mode="r+") as file:
            file.data[:] = other

    with monkeypatch.context():
        at_step(1, replace)
        assert main(command(own_particles, run)) == 2
    assert_one_line(capsys, "particles.mrcs: was changed while")
    assert main(command(own_particles, run)) == 2
    assert_one_line(capsys, "particles.mrcs is not the one that the run began with")


def test_a_copy_of_the_stack_is_the_same_stack(particles: Path, undisturbed: Path):
    os.utime(particles.with_suffix(".mrcs"), (1, 1))
    assert reconstruct(particles, undisturbed, config=SMALL).particles == 80


@pytest.mark.slow
def test_a_search_whose_starts_are_judged_by_half_maps_resumes(particles: Path, tmp_path: Path):
    """Of cubic groups; stopped again and again, within starts, between them and while they are judged."""
    cubic = SMALL.changed(symmetry="T", encoder_refinement={"epochs": 0})
    reconstruct(particles, tmp_path / "undisturbed", config=cubic)
    told = (tmp_path / "undisturbed" / "log.txt").read_text()
    assert "start 1: half maps" in told
    assert "start 2: half maps" in told
    for patience in count(5):
        asked = count()
        try:
            reconstruct(
                particles, tmp_path / "run", config=cubic, stop=lambda asked=asked, n=patience: next(asked) >= n
            )
            break
        except Stopped:
            continue
    assert patience > 8
    assert_as_undisturbed(tmp_path / "run", tmp_path / "undisturbed")


@pytest.mark.slow
@pytest.mark.parametrize(("scores", "first_start_goes_on"), [((3.0, 1.0, 2.0), True), ((2.0, 1.0, 3.0), False)])
def test_what_is_judged_best_goes_on(
    scores: tuple[float, ...],
    first_start_goes_on: bool,
    particles: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
):
    """Of a cubic group: the poses of two starts and of the end of ab initio, which goes on from the first one."""
    said, shared_shells = iter(scores), set()

    def agreement(_one, _other, shared_shell: float) -> float:
        shared_shells.add(shared_shell)
        return next(said)

    monkeypatch.setattr(starts, "half_map_agreement", agreement)
    reconstruct(particles, tmp_path / "run", config=SMALL.changed(symmetry="T", half_map_refinement={"iterations": 0}))
    assert next(said, None) is None
    tensors, progress = read_run_state(RunFolder(tmp_path / "run").checkpoint, torch.device("cpu"))
    # what the refinement makes the halves share, they do not share yet
    assert shared_shells == {progress.plan.curriculum.end_radius}
    assert progress.plan.encoder_refinement.end_radius > progress.plan.curriculum.end_radius
    for name in ("rotation", "shift_angstrom"):
        same = torch.equal(tensors[f"ab_initio.poses.{name}"], tensors[f"start0.{name}"])
        assert same == first_start_goes_on
