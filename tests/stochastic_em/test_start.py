"""One start: it finds a particle from nothing, goes on from any step to the same bits, and waits for others."""

from dataclasses import replace
from itertools import count

import numpy as np
import pytest
import torch

from cryofifa import Config
from cryofifa.particles.compare_poses import compare_poses
from cryofifa.particles.particle_size import ParticleSize
from cryofifa.particles.poses import Poses
from cryofifa.particles.signal_spectrum import SignalSpectrum
from cryofifa.stochastic_em.schedule import StartSchedule
from cryofifa.stochastic_em.start import Start
from cryofifa.train.working_set import WorkingSet
from cryofifa_testkit.known_volumes import random_rotations
from cryofifa_testkit.small_sets import simulated_working_set

BOX, PIXEL, COUNT = 32, 6.0, 600
SCHEDULE = StartSchedule(first_radius=5.0, last_radius=9.0, growth_epochs=4.0, most_epochs=8, memory_particles=200.0)
# one power for all shells: half of the noise's, in this field of view
SIGNAL = SignalSpectrum(BOX * PIXEL, (1.0,) * 17, (2.0,) * 17, (0.0,) * 17)
CONFIG = Config().changed(starts={"orientations": 1000, "minibatch": 60})


class Stop(Exception):  # noqa: N818
    """Ends an epoch in the middle."""


@pytest.fixture(scope="module")
def particles() -> WorkingSet:
    return simulated_working_set(COUNT, box=BOX, pixel_size_angstrom=PIXEL)


def begun(particles: WorkingSet, config: Config = CONFIG, schedule: StartSchedule = SCHEDULE) -> Start:
    return Start(config, schedule, particles, SIGNAL, ParticleSize(65.0, False, config.image), 25.0)


def to_the_end(start: Start) -> int:
    for epoch in count():
        if start.is_finished(epoch):
            return epoch
        start.train_epoch(epoch)
    raise AssertionError


@pytest.mark.slow
def test_it_finds_the_poses_from_nothing(particles: WorkingSet):
    """A fifth of them within 20 degrees is what two starts must agree in; of random poses three per cent are."""
    start = begun(particles)
    to_the_end(start)
    true = Poses.found(random_rotations(COUNT), torch.zeros(COUNT, 2))
    found = compare_poses(start.poses, true)
    assert np.mean(found.rotation_error_degree < 20) > 0.2
    assert start.explained_power > 0
    (small,) = start.volumes(16, 6.0)
    assert small.shape == (16, 16, 16)


def test_another_seed_is_another_start_and_the_same_seed_the_same(particles: WorkingSet):
    found = []
    for seed in (1, 1, 2):
        start = begun(particles, replace(CONFIG, seed=seed))
        start.train_epoch(0)
        found.append(start.poses.rotation)
    assert torch.equal(found[0], found[1])
    assert not torch.equal(found[0], found[2])


def test_it_goes_on_from_any_step_to_the_same_bits(particles: WorkingSet):
    whole = begun(particles)
    records = [whole.train_epoch(epoch) for epoch in range(3)]

    stopped, kept, steps = begun(particles), {}, count(1)

    def on_step(_: int) -> None:
        if next(steps) == 14:  # within the second epoch of ten steps
            kept.update({name: value.clone() for name, value in stopped.state().items()})
            raise Stop

    stopped.train_epoch(0, on_step)
    with pytest.raises(Stop):
        stopped.train_epoch(1, on_step)
    resumed = begun(particles)
    resumed.load_state(kept)
    again = [resumed.train_epoch(epoch) for epoch in (1, 2)]
    for name, value in whole.state().items():
        assert torch.equal(value, resumed.state()[name]), name
    assert [r.pose_change_median_degree for r in again] == [r.pose_change_median_degree for r in records[1:]]


def test_a_finished_start_waits_without_changing(particles: WorkingSet):
    start = begun(particles, schedule=replace(SCHEDULE, most_epochs=1))
    end = to_the_end(start)
    assert end == start.epochs_in_all == 3
    before, steps = {name: value.clone() for name, value in start.state().items()}, []
    start.train_epoch(end, steps.append)
    assert sum(steps) == COUNT
    assert all(torch.equal(value, start.state()[name]) for name, value in before.items())


def test_a_symmetric_start_has_a_symmetric_map(particles: WorkingSet):
    """A minibatch's orientations are spread over the group, so half a turn about z leaves the map nearly as it is."""
    config = CONFIG.changed(symmetry="C2")
    start = begun(particles, config)
    for epoch in range(2):
        start.train_epoch(epoch)
    volume = start.map.volume()[1:, 1:, 1:]
    turned = volume.flip((1, 2))
    assert float((volume * turned).sum() / (volume.norm() * turned.norm())) > 0.9
