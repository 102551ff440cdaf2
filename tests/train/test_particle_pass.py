"""A pass that is interrupted anywhere goes on to the same sums, whatever its batches are then."""

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor

from cryofifa.errors import InputError
from cryofifa.particles.poses import Poses
from cryofifa.physics.central_slice import FourierGrid
from cryofifa.system.processes import ALONE, Processes
from cryofifa.train.particle_pass import ParticlePass

COUNT = 23
POSES = Poses.unknown(torch.arange(COUNT) % 2 + 1)


class StoppedHereError(Exception):
    pass


def begun() -> ParticlePass:
    return ParticlePass(POSES.copy(), torch.zeros(2))


def one_step(_: int, members: Tensor) -> Tensor:
    return torch.tensor([float(len(members)), float(members.sum())])


def batches(size: int) -> list[Tensor]:
    return list(torch.randperm(COUNT, generator=torch.Generator().manual_seed(0)).split(size))


@given(first=st.integers(1, 9), second=st.integers(1, 9), after=st.integers(1, COUNT))
def test_every_particle_is_seen_once_though_the_pass_was_cut_and_kept(first: int, second: int, after: int):
    def stop(_: int) -> None:
        if half_way.particles >= after:
            raise StoppedHereError

    half_way = begun()
    with pytest.raises(StoppedHereError):
        half_way.over(batches(first), one_step, stop)
    kept = {name: value.clone() for name, value in half_way.state(ALONE).items()}
    resumed = ParticlePass.from_state(kept, ALONE, "epoch")
    resumed.over(batches(second), one_step)
    assert resumed.particles == COUNT
    assert resumed.sums.tolist() == [COUNT, sum(range(COUNT))]


def test_steps_keep_their_numbers():
    """Draws and stages belong to a step's number: a pass that goes on must not count anew."""
    seen = []

    def numbered(number: int, members: Tensor) -> Tensor:
        seen.append(number)
        return one_step(number, members)

    going_on = begun()
    going_on.particles = 2 * 5
    going_on.over(batches(5), numbered)
    assert seen == [2, 3, 4]


def test_batches_of_a_later_part_wait_for_the_earlier_ones():
    """As the second half of the particles does, whose reference is another."""
    of_first, of_second = batches(23)[0][:11], batches(23)[0][11:]
    going_on = begun()
    going_on.particles = 15
    going_on.over([of_first], one_step)
    assert going_on.sums.tolist() == [0, 0]
    going_on.over([of_second], one_step, earlier=11)
    assert going_on.sums[0] == 8


def test_sampled_volumes_of_all_classes_are_kept():
    one = begun()
    one.sampled = [FourierGrid(torch.full((2, 7, 7, 7), float(index)), 1.5) for index in range(2)]
    again = ParticlePass.from_state(one.state(ALONE), ALONE, "epoch")
    assert [grid.radius for grid in again.sampled] == [1.5, 1.5]
    assert [float(grid.real_imaginary.mean()) for grid in again.sampled] == [0.0, 1.0]


def test_another_number_of_processes_cannot_go_on():
    with pytest.raises(InputError, match="in the middle of an iteration with --devices 1"):
        ParticlePass.from_state(begun().state(ALONE), Processes(0, 2), "iteration")
