"""Two processes are one: the same minibatches give the same poses and networks, whoever computes them."""

import os
import socket
from dataclasses import dataclass, replace
from pathlib import Path

import pytest
import torch
from jaxtyping import Int
from safetensors.torch import load_file, save_file
from test_ab_initio import CONFIG, CURRICULUM, RADIUS_ANGSTROM, SHIFT_RANGE_ANGSTROM, particles
from torch import Tensor
from torch.multiprocessing.spawn import spawn

from cryofifa.train.ab_initio import AbInitio
from cryofifa.train.local_refinement import LocalRefinement
from cryofifa.train.process_group import Processes, joined
from cryofifa.train.training_loop import TrainingLoop, WorkingSet

COUNT = 53  # shards of 27 and 26; minibatches of 16, the last one of 5
SMALL = CONFIG.changed(curriculum={"minibatch": 16})
LOOPS = {
    "guided": (AbInitio, SMALL),
    "amortized": (AbInitio, replace(SMALL, pose_mode="amortized")),
    "refinement": (LocalRefinement, SMALL),
}


@dataclass(frozen=True)
class OneOrderedAsTwo(Processes):
    """A process alone that takes the particles in the order in which two would."""

    def dealt(self, order: Int[Tensor, " n"]) -> Int[Tensor, " n"]:
        return Processes(0, 2).dealt(order)


def new_loop(name: str, processes: Processes) -> TrainingLoop:
    kind, config = LOOPS[name]
    every = particles(COUNT)
    own = torch.arange(COUNT)[processes.rank :: processes.count]
    held = WorkingSet(every.particle, every.image[own], every.ctf[own], every.pixel_size_angstrom)
    loop = kind(config, CURRICULUM, held, RADIUS_ANGSTROM, SHIFT_RANGE_ANGSTROM, processes)
    for group in loop.optimiser.param_groups:
        # Adam divides a gradient by its own size: one that is nothing but rounding errors would become a step
        group["eps"] = 1e-4
    return loop


def trained(
    name: str, processes: Processes, epochs: range, start: dict[str, Tensor] | None = None
) -> dict[str, Tensor]:
    loop = new_loop(name, processes)
    if start is not None:
        loop.load_state(start)
    records = [loop.train_epoch(epoch) for epoch in epochs]
    known = torch.tensor([[record.loss, record.encoder_loss, loop.explained_power] for record in records])
    return loop.state() | {"records": known}


def in_process(rank: int, port: int, output: Path) -> None:
    torch.set_num_threads(1)
    os.environ |= {"RANK": str(rank), "WORLD_SIZE": "2", "MASTER_ADDR": "127.0.0.1", "MASTER_PORT": str(port)}
    with joined() as processes:
        for name in LOOPS:
            save_file(trained(name, processes, range(2)), output / f"{name}{rank}.safetensors")
        half_way = trained("guided", processes, range(1))
        save_file(trained("guided", processes, range(1, 2), half_way), output / f"resumed{rank}.safetensors")


@pytest.fixture(scope="module")
def by_two(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What each of two processes ends with."""
    output = tmp_path_factory.mktemp("two")
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    spawn(in_process, (port, output), nprocs=2)
    return output


@pytest.mark.parametrize("name", list(LOOPS))
def test_two_processes_learn_what_one_learns_from_the_same_minibatches(name: str, by_two: Path):
    found, second = (load_file(by_two / f"{name}{rank}.safetensors") for rank in range(2))
    wanted, fresh = trained(name, OneOrderedAsTwo(), range(2)), new_loop(name, Processes()).state()
    assert found.keys() == second.keys() == wanted.keys()
    learned = 0
    for key, value in wanted.items():
        assert torch.equal(found[key], second[key]), key
        if key.startswith("optimiser."):
            # some gradients (a bias before batch normalisation) are rounding alone
            assert float((found[key] - value).norm()) <= 0.05 * float(value.norm()) + 1e-4, key
            continue
        tolerance = 2e-3 if key.startswith(("poses.", "records")) else 2e-4
        torch.testing.assert_close(
            found[key], value, atol=tolerance, rtol=tolerance, msg=lambda text, key=key: f"{key}: {text}"
        )
        learned += key in fresh and not torch.allclose(value, fresh[key], atol=10 * tolerance)
    assert learned > 40


def test_two_processes_go_on_from_a_checkpoint_as_if_never_interrupted(by_two: Path):
    resumed, whole = (load_file(by_two / f"{name}0.safetensors") for name in ("resumed", "guided"))
    for key in whole.keys() - {"records"}:
        assert torch.equal(resumed[key], whole[key]), key


@pytest.mark.parametrize(("count", "size", "minibatch"), [(2, 53, 16), (3, 50, 16), (8, 100, 16), (4, 9, 4)])
def test_every_process_has_its_share_of_every_minibatch(count: int, size: int, minibatch: int):
    order = torch.randperm(size, generator=torch.Generator().manual_seed(count))
    dealt = Processes(0, count).dealt(order)
    assert sorted(dealt.tolist()) == list(range(size))
    for members in dealt.split(minibatch)[: size // minibatch]:
        shares = torch.bincount(members % count, minlength=count)
        assert int(shares.max() - shares.min()) <= 1
    held = [Processes(rank, count).own(dealt, dealt) for rank in range(count)]
    assert sorted(torch.cat(held).tolist()) == list(range(size))
    for rank, members in enumerate(held):
        own = torch.arange(size)[rank::count]
        assert torch.equal(own[Processes(rank, count).local(members)], members)
