"""From particles with known poses to states: those that there are, and none where all particles are alike."""

import pytest
import torch

from cryofifa.variability.analysis import Analysis, analyse
from cryofifa_testkit.varied_particles import varied_particles

COUNT = 900


def analysed(states: list[tuple[int, ...]], noise_sd: float) -> Analysis:
    source = varied_particles(states, COUNT, noise_sd)
    members, frame = torch.arange(COUNT), source.frame
    return analyse(source, members, frame.sphere, frame.plane, 4, None, 0, lambda _: None, lambda _: None)


@pytest.mark.parametrize("noise_sd", [0.7, 2.0])
def test_alike_particles_are_one_state(noise_sd: float):
    found = analysed([()], noise_sd)
    assert found.spectrum.real == 0
    assert found.states is None
    assert found.probabilities.shape == (COUNT, 1)


@pytest.mark.slow
def test_three_states_have_two_components():
    found = analysed([(), (0,), (1,)], 1.2)
    assert found.spectrum.real == 2
    assert found.states is not None
    assert found.states.count == 3
    label, truth = found.probabilities.argmax(dim=1), torch.arange(COUNT) % 3
    table = torch.zeros(3, 3).index_put_((label, truth), torch.ones(COUNT), accumulate=True)
    assert sorted(table.argmax(dim=1).tolist()) == [0, 1, 2]
    assert float(table.max(dim=1).values.sum()) / COUNT > 0.85
