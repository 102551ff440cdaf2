"""Two processes are one: the same minibatches give the same poses and networks, whoever computes them."""

import os
import re
import signal
import subprocess
import sys
import time
from dataclasses import dataclass, replace
from pathlib import Path

import mrcfile
import numpy as np
import pytest
import torch
from jaxtyping import Int
from safetensors.torch import load_file, save_file
from test_ab_initio import CONFIG, CURRICULUM, PIXEL, RADIUS_ANGSTROM, SHIFT_RANGE_ANGSTROM, SIZE, particles
from torch import Tensor
from torch.multiprocessing.spawn import spawn

from cryofifa import Config, InputError, reconstruct
from cryofifa.cli import main
from cryofifa.half_map_refinement import particle_frame
from cryofifa.half_map_refinement.particle_frame import ParticleFrame
from cryofifa.half_map_refinement.projection_matching import ProjectionMatching
from cryofifa.particles.files.star import read_poses_star
from cryofifa.particles.kept_images import ImagesInMemory
from cryofifa.particles.particle_size import ParticleSize
from cryofifa.particles.poses import Poses, known
from cryofifa.physics.fourier import HalfPlane
from cryofifa.settings.config import config_as_toml
from cryofifa.system.launch import LAUNCHER, environment, launch, store_port
from cryofifa.system.processes import Processes, joined
from cryofifa.train.ab_initio import AbInitio
from cryofifa.train.encoder_refinement import EncoderRefinement
from cryofifa.train.training_loop import TrainingLoop
from cryofifa.train.working_set import WorkingSet
from cryofifa_testkit.known_volumes import random_rotations, turned_by_degrees
from cryofifa_testkit.said import assert_one_line
from cryofifa_testkit.same_results import differing
from cryofifa_testkit.small_sets import simulated_particles

COUNT = 53  # shards of 27 and 26; minibatches of 16, the last one of 5
SMALL = CONFIG.changed(curriculum={"minibatch": 16})
LOOPS = {
    "guided": (AbInitio, SMALL),
    "amortized": (AbInitio, replace(SMALL, pose_mode="amortized")),
    "encoder refinement": (EncoderRefinement, SMALL),
}


@dataclass(frozen=True)
class OneOrderedAsTwo(Processes):
    """A process alone that takes the particles in the order in which two would."""

    def balanced(self, order: Int[Tensor, " n"]) -> Int[Tensor, " n"]:
        return Processes(0, 2).balanced(order)


def new_loop(name: str, processes: Processes) -> TrainingLoop:
    kind, config = LOOPS[name]
    every = particles(COUNT)
    own = torch.arange(COUNT)[processes.rank :: processes.count]
    held = WorkingSet(every.particle, ImagesInMemory(every.image.read(own)), every.ctf[own], every.pixel_size_angstrom)
    return kind(config, CURRICULUM, held, RADIUS_ANGSTROM, SHIFT_RANGE_ANGSTROM, processes)


def trained(
    name: str, processes: Processes, epochs: range, start: dict[str, Tensor] | None = None
) -> dict[str, Tensor]:
    loop = new_loop(name, processes)
    if start is not None:
        loop.load_state(start)
    records = [loop.train_epoch(epoch) for epoch in epochs]
    known = torch.tensor([[record.loss, record.encoder_loss, loop.explained_power] for record in records])
    return loop.state() | {"records": known}


def state_after_step(number: int, name: str, processes: Processes) -> dict[str, Tensor]:
    """What a checkpoint within the first epoch would hold."""
    states, loop = [], new_loop(name, processes)
    loop.train_epoch(0, lambda _: states.append({key: value.clone() for key, value in loop.state().items()}))
    return states[number - 1]


def refined(processes: Processes) -> dict[str, Tensor]:
    """Two iterations and the scores, of halves whose last blocks are of one process alone; so are those looked at."""
    every = particles(COUNT)
    own = torch.arange(COUNT)[processes.rank :: processes.count]
    kept = ImagesInMemory(every.image.read(own))
    frame = ParticleFrame(
        lambda rows: kept.read(processes.local_index(torch.from_numpy(rows))),
        every.ctf,
        HalfPlane.of_box(SIZE, PIXEL),
        ParticleSize(RADIUS_ANGSTROM, is_given=False, settings=SMALL.image),
        torch.eye(3)[None],
        processes,
    )
    matching = ProjectionMatching(SMALL, frame, SHIFT_RANGE_ANGSTROM)
    everyone = torch.arange(COUNT)
    poses = Poses.unknown(torch.where((everyone % 2 == 0) | (everyone < 6), 1, 2))
    poses.rotation, poses.posed[:] = turned_by_degrees(random_rotations(COUNT), 8.0), True
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(particle_frame, "BLOCK", 8 // processes.count)
        patch.setattr(particle_frame, "MOST_FOR_NOISE", 27)
        for iteration in range(2):
            matching.iterate(poses, iteration, search=iteration == 0)
        matching.score(poses)
    return poses.columns()


def in_process(rank: int, port: int, output: Path) -> None:
    torch.set_num_threads(1)
    os.environ |= environment(rank, 2, port) | {LAUNCHER: ""}
    with joined() as processes:
        for name in LOOPS:
            save_file(trained(name, processes, range(2)), output / f"{name}{rank}.safetensors")
        save_file(refined(processes), output / f"refined{rank}.safetensors")
        half_way = state_after_step(2, "guided", processes)
        save_file(half_way, output / f"half_way{rank}.safetensors")
        save_file(trained("guided", processes, range(2), half_way), output / f"resumed{rank}.safetensors")


@pytest.fixture(scope="module")
def by_two(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What each of two processes ends with."""
    output = tmp_path_factory.mktemp("two")
    with store_port() as port:
        spawn(in_process, (port, output), nprocs=2)
    return output


@pytest.mark.slow
@pytest.mark.parametrize("name", list(LOOPS))
def test_two_processes_learn_what_one_learns_from_the_same_minibatches(name: str, by_two: Path):
    found, second = (load_file(by_two / f"{name}{rank}.safetensors") for rank in range(2))
    wanted, fresh = trained(name, OneOrderedAsTwo(), range(2)), new_loop(name, Processes()).state()
    assert found.keys() == second.keys() == wanted.keys()
    learned = 0
    for key, value in wanted.items():
        assert torch.equal(found[key], second[key]), key
        if key.startswith(("optimiser.", "decoder.0.density")):
            # sums over images that nearly cancel, of which Adam makes steps: as a whole, not element by element
            allowed = 0.02 if key.startswith("optimiser.") else 1e-3
            assert float((found[key] - value).norm()) <= allowed * float(value.norm()), key
            continue
        tolerance = 2e-3 if key.startswith(("poses.", "records")) else 2e-4
        torch.testing.assert_close(
            found[key], value, atol=tolerance, rtol=tolerance, msg=lambda text, key=key: f"{key}: {text}"
        )
        learned += key in fresh and not torch.allclose(value, fresh[key], atol=10 * tolerance)
    assert learned > 40


@pytest.mark.slow
def test_two_processes_refine_as_one_though_some_blocks_are_of_one_of_them(by_two: Path):
    found, second = (load_file(by_two / f"refined{rank}.safetensors") for rank in range(2))
    for key, value in refined(OneOrderedAsTwo()).items():
        assert torch.equal(found[key], second[key]), key
        torch.testing.assert_close(found[key], value, atol=2e-3, rtol=2e-3)


@pytest.mark.slow
def test_two_processes_go_on_within_an_epoch_as_if_never_interrupted(by_two: Path):
    resumed, whole = (load_file(by_two / f"{name}0.safetensors") for name in ("resumed", "guided"))
    torch.testing.assert_close(resumed.pop("records"), whole.pop("records"))  # sums of other parts
    assert resumed.keys() == whole.keys()
    for key in whole:
        assert torch.equal(resumed[key], whole[key]), key


@pytest.mark.slow
def test_another_number_of_processes_cannot_end_the_epoch(by_two: Path):
    first, second = (load_file(by_two / f"half_way{rank}.safetensors") for rank in range(2))
    assert all(torch.equal(first[key], second[key]) for key in first)
    with pytest.raises(InputError, match="--devices 2; go on with as many, not 1"):
        new_loop("guided", Processes()).load_state(first)


@pytest.mark.parametrize(("count", "size", "minibatch"), [(2, 53, 16), (3, 50, 16), (8, 100, 16), (4, 9, 4)])
def test_every_process_has_its_share_of_every_minibatch(count: int, size: int, minibatch: int):
    order = torch.randperm(size, generator=torch.Generator().manual_seed(count))
    dealt = Processes(0, count).balanced(order)
    assert sorted(dealt.tolist()) == list(range(size))
    for members in dealt.split(minibatch)[: size // minibatch]:
        shares = torch.bincount(members % count, minlength=count)
        assert int(shares.max() - shares.min()) <= 1
    held = [Processes(rank, count).shard(dealt, dealt) for rank in range(count)]
    assert sorted(torch.cat(held).tolist()) == list(range(size))
    for rank, members in enumerate(held):
        own = torch.arange(size)[rank::count]
        assert torch.equal(own[Processes(rank, count).local_index(members)], members)


# Runs as a whole, by the command

TINY = Config().changed(
    encoder={"channels": 4, "stages": 2, "feature_width": 32},
    starts={"count": 2, "growth_visits": 80, "most_visits": 80, "minibatch": 40, "orientations": 60},
    curriculum={"visits": 200, "fewest_epochs": 4, "minibatch": 16},
    search={"orientations": 100},
    encoder_refinement={"epochs": 1, "minibatches_per_sampling": 4, "mask_steps": 2},
    half_map_refinement={"iterations": 2, "most_searches": 2, "candidates": 2},
)
# One epoch, one search: poses of a run this small are near random, and further on a winner that another all but equals
# may fall either way by rounding alone, after which runs part. Refinement is left out likewise; the loops are compared
# above.
SHORT = TINY.changed(
    curriculum={"visits": 100, "fewest_epochs": 1},
    search={"encoder_share": 0.0},
    encoder_refinement={"epochs": 0},
    half_map_refinement={"most_searches": 1},
)


@pytest.fixture(scope="module")
def set_of_particles(tmp_path_factory: pytest.TempPathFactory) -> Path:
    star = simulated_particles(tmp_path_factory.mktemp("set"), particles=101, box=32, pixel_size_angstrom=6.0)
    star.with_name("tiny.toml").write_text(config_as_toml(TINY))
    star.with_name("short.toml").write_text(config_as_toml(SHORT))
    return star


def command(particles: Path, run: Path, devices: int = 2, settings_file: str = "tiny.toml") -> list[str]:
    settings = ["--config", str(particles.with_name(settings_file)), "--device", "cpu", "--devices", str(devices)]
    return ["reconstruct", str(particles), "-o", str(run), *settings]


@pytest.fixture(scope="module")
def run_by_two(set_of_particles: Path) -> Path:
    run = set_of_particles.with_name("run")
    assert main(command(set_of_particles, run)) == 0
    return run


def children_of(launcher: int) -> list[int]:
    """Processes that `--devices` has started, by what it has told them."""
    found = []
    for path in Path("/proc").glob("[0-9]*/environ"):
        try:
            if f"{LAUNCHER}={launcher}\0".encode() in path.read_bytes():
                found.append(int(path.parent.name))
        except OSError:  # it has just ended
            continue
    return found


@pytest.mark.slow
def test_a_run_by_two_processes_is_the_run_of_one_in_the_same_order(set_of_particles: Path):
    """All phases but refinement; a few poses may differ where two candidates were as good as each other."""
    run_by_two, one = set_of_particles.with_name("two"), set_of_particles.with_name("one")
    assert main(command(set_of_particles, run_by_two, settings_file="short.toml")) == 0
    reconstruct(set_of_particles, one, config=SHORT.changed(device="cpu"), processes=OneOrderedAsTwo())
    assert sorted(path.name for path in run_by_two.iterdir()) == sorted(path.name for path in one.iterdir())
    poses, wanted = (read_poses_star(run / "particles.star") for run in (run_by_two, one))
    cosine = np.einsum("nij,nij->n", poses.rotation.numpy(), wanted.rotation.numpy()) / 2 - 0.5
    turned_degree = np.degrees(np.arccos(cosine.clip(-1, 1)))
    assert np.mean(turned_degree < 0.5) > 0.95
    assert float(((known(poses.score) - known(wanted.score)).abs() < 0.01).double().mean()) > 0.95
    found, expected = (mrcfile.read(run / "map.mrc") for run in (run_by_two, one))
    assert np.corrcoef(found.ravel(), expected.ravel())[0, 1] > 0.99
    shown, wanted_epochs = (
        [line.split("(")[1] for line in re.findall(r"epoch \d+ \([^,]+, \d+ particles", (run / "log.txt").read_text())]
        for run in (run_by_two, one)
    )
    assert shown == wanted_epochs
    assert starts_of(run_by_two) == starts_of(one)  # each is made by one process


def starts_of(run: Path) -> list[str]:
    """What the log says of every finished start, in their order."""
    return re.findall(r"start \d: explained power [\d.]+", (run / "log.txt").read_text())


def stop_after(said: str, particles: Path, run: Path) -> None:
    """Begin a run by two processes, or go on with it, and stop it once its log says this."""
    arguments = [sys.executable, "-m", "cryofifa", *command(particles, run)]
    with subprocess.Popen(arguments, stderr=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as launcher:
        log = run / "log.txt"
        while launcher.poll() is None and not (log.exists() and said in log.read_text()):
            time.sleep(0.02)
        assert len(children_of(launcher.pid)) == 2
        launcher.send_signal(signal.SIGTERM)
        output, errors = launcher.communicate(timeout=60)
    assert launcher.returncode == 128 + signal.SIGTERM
    assert output == ""
    told = [line for line in errors.splitlines() if not line.startswith("warning: ")]
    assert told == ["cryofifa: stopped by SIGTERM; the same command goes on where it was"]
    assert children_of(launcher.pid) == []
    assert not (run / "run.json").exists()


@pytest.mark.slow
def test_a_run_of_two_stopped_twice_goes_on_to_the_same_end_and_leaves_no_process(
    set_of_particles: Path, run_by_two: Path, tmp_path: Path
):
    """Within an epoch of the starts, and after them."""
    run = tmp_path / "run"
    for said in ("epoch 0 (", "start 1: "):
        stop_after(said, set_of_particles, run)
    assert main(command(set_of_particles, run)) == 0
    log = (run / "log.txt").read_text()
    assert log.count("resumed after") == 2
    assert "is made anew" not in log
    assert starts_of(run) == starts_of(run_by_two)
    assert differing(run, run_by_two, ("map.mrc", "particles.star")) == []


@pytest.mark.slow
def test_one_process_makes_the_starts_of_two_anew_and_the_same_ones(
    set_of_particles: Path, run_by_two: Path, tmp_path: Path
):
    stop_after("epoch 0 (", set_of_particles, tmp_path / "run")
    assert main(command(set_of_particles, tmp_path / "run", devices=1)) == 0
    log = (tmp_path / "run" / "log.txt").read_text()
    assert "resumed after" in log
    assert "is made anew" in log
    assert starts_of(tmp_path / "run") == starts_of(run_by_two)


@pytest.mark.slow
def test_each_process_takes_its_share_of_the_threads_whatever_mkl_was_told(
    capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setenv("MKL_NUM_THREADS", "8")
    assert launch([sys.executable, "-c", "import torch; print(torch.get_num_threads())"], 2) == 0
    assert int(capfd.readouterr().out) == max(1, torch.get_num_threads() // 2)


@pytest.mark.slow
def test_processes_end_with_the_one_that_has_started_them(set_of_particles: Path, tmp_path: Path):
    arguments = [sys.executable, "-m", "cryofifa", *command(set_of_particles, tmp_path / "run")]
    with subprocess.Popen(arguments, stderr=subprocess.DEVNULL) as launcher:
        while launcher.poll() is None and not (tmp_path / "run" / "checkpoint").exists():
            time.sleep(0.02)
        launcher.kill()
    deadline = time.monotonic() + 30
    while children_of(launcher.pid) and time.monotonic() < deadline:
        time.sleep(0.1)
    assert children_of(launcher.pid) == []
    assert not (tmp_path / "run" / "run.json").exists()


@pytest.mark.slow
def test_a_mistake_is_one_line_and_exit_code_2(
    set_of_particles: Path, tmp_path: Path, capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
):
    run = str(tmp_path / "run")
    assert main(["reconstruct", str(tmp_path / "absent.star"), "-o", run, "--devices", "2", "--device", "cpu"]) == 2
    assert_one_line(capfd, "absent.star")
    with pytest.raises(InputError, match="17 processes are too many for minibatches of 16 particles"):
        reconstruct(set_of_particles, tmp_path / "run", config=TINY, processes=Processes(0, 17))
    assert main(command(set_of_particles, tmp_path / "run", devices=0)) == 2
    assert "--devices 0" in capfd.readouterr().err
    for name, value in (("WORLD_SIZE", "4"), ("RANK", "0"), ("MASTER_ADDR", "127.0.0.1"), ("MASTER_PORT", "1")):
        monkeypatch.setenv(name, value)
    assert main(command(set_of_particles, tmp_path / "run", devices=2)) == 2
    assert "torchrun has started 4" in capfd.readouterr().err
    assert list(tmp_path.iterdir()) == []


def test_only_the_process_that_knows_the_reason_is_heard_and_all_end(capfd: pytest.CaptureFixture[str]):
    """The third fails; without it the first would have waited for long, as in a collective, and complained."""
    script = "import os, sys, time; r = int(os.environ['RANK']); time.sleep(0 if r == 2 else 60); sys.exit('reason')"
    started = time.monotonic()
    assert launch([sys.executable, "-c", script], 3) == 1
    assert time.monotonic() - started < 30
    assert capfd.readouterr().err == "reason\n"
    assert children_of(os.getpid()) == []


def test_a_killed_process_is_named(capfd: pytest.CaptureFixture[str]):
    script = "import os, time; os.kill(os.getpid(), 9) if os.environ['RANK'] == '1' else time.sleep(60)"
    assert launch([sys.executable, "-c", script], 2) == 128 + signal.SIGKILL
    assert "process 2 was ended by SIGKILL" in capfd.readouterr().err
