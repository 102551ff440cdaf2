"""How many states: as many as there are, one where there is one, and none that is only a piece of a motion."""

import math

import pytest
import torch

from cryofifa.variability.states import find_states
from cryofifa_testkit.varied_particles import drawn_terms


def test_states_are_counted_and_told_apart():
    place = torch.tensor([[1.5, 0.0], [-1.5, 1.0], [-0.5, -1.5]], dtype=torch.float64)
    truth = torch.multinomial(torch.tensor([0.6, 0.25, 0.15]), 1500, True, generator=torch.Generator().manual_seed(0))
    terms = drawn_terms(place[truth], 4.0)
    found = find_states(terms)
    assert found.count == 3
    assert not found.is_motion
    assert not found.some_hang_together
    label = found.probabilities(terms).argmax(dim=1)
    # no rule can be better than the one that knows the places and the shares
    at_place = (terms.slope @ place.mT) - torch.einsum("ka,nab,kb->nk", place, terms.curvature, place) / 2
    best = (at_place + torch.tensor([0.6, 0.25, 0.15]).log()).argmax(dim=1)
    reachable = float((best == truth).double().mean())
    assert float((label == truth).double().mean()) > reachable - 0.02  # the largest state comes first


def test_one_wide_state_is_one():
    generator = torch.Generator().manual_seed(0)
    coordinate = torch.randn(1500, 3, generator=generator).double() * torch.tensor([1.0, 0.6, 0.3])
    found = find_states(drawn_terms(coordinate, 4.0))
    assert found.count == 1
    assert not found.is_motion
    assert not found.some_hang_together


@pytest.mark.slow
def test_a_motion_is_no_state_however_it_bends():
    angle = math.pi * torch.rand(2500, generator=torch.Generator().manual_seed(0)).double()
    arc = 2 * torch.stack([angle.cos(), angle.sin()], dim=1)
    found = find_states(drawn_terms(arc, 8.0))
    assert found.mixture.centre.shape[0] > 1  # one Gaussian cannot follow it
    assert found.count == 1
    assert found.is_motion


def test_the_user_may_say_how_many():
    place = torch.tensor([[1.5], [-1.5]], dtype=torch.float64)
    found = find_states(drawn_terms(place[torch.arange(400) % 2], 4.0), 3)
    assert found.count == 3
