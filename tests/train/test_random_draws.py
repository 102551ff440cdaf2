"""Draws depend on seed, purpose, epoch and particle alone, and are distributed as they say."""

import math

import numpy as np
import pytest
import torch
from scipy.stats import kstest

from cryofifa.train.random_draws import RandomDraws

PARTICLES = torch.arange(5000)


def test_neither_order_nor_company_changes_a_particles_numbers():
    draws = RandomDraws(3, "bank", 2)
    everything = draws.uniform(PARTICLES, 4)
    order = torch.randperm(5000, generator=torch.Generator().manual_seed(0))
    assert torch.equal(draws.uniform(PARTICLES[order], 4), everything[order])
    assert torch.equal(draws.uniform(PARTICLES[17:18], 4), everything[17:18])
    assert torch.equal(draws.uniform(PARTICLES, 2), everything[:, :2])
    assert torch.equal(draws.normal(PARTICLES[order], 3), draws.normal(PARTICLES, 3)[order])
    assert torch.equal(draws.integers(PARTICLES[order], 3, 9), draws.integers(PARTICLES, 3, 9)[order])


def test_neither_torchs_nor_numpys_state_matters():
    draws = RandomDraws(3, "bank", 2)
    torch.manual_seed(1)
    np.random.seed(1)  # noqa: NPY002
    first = draws.normal(PARTICLES, 3)
    state = torch.random.get_rng_state()
    assert torch.equal(draws.normal(PARTICLES, 3), first)
    assert torch.equal(torch.random.get_rng_state(), state)


@pytest.mark.gpu
def test_the_same_on_a_gpu():
    draws = RandomDraws(3, "bank", 2)
    assert torch.equal(draws.uniform(PARTICLES.cuda(), 4).cpu(), draws.uniform(PARTICLES, 4))
    torch.testing.assert_close(draws.normal(PARTICLES.cuda(), 4).cpu(), draws.normal(PARTICLES, 4))


@pytest.mark.parametrize("seed", [0, 1, -5, 2**63 - 1])
def test_uniform_is_uniform(seed):
    values = RandomDraws(seed, "any", 1).uniform(PARTICLES, 8)
    assert kstest(values.flatten().numpy(), "uniform").pvalue > 1e-3
    correlation = np.corrcoef(values.T.numpy()) - np.eye(8)
    assert np.abs(correlation).max() < 5 / math.sqrt(len(PARTICLES))
    neighbours = np.corrcoef(values[:-1, 0], values[1:, 0])[0, 1]
    assert abs(neighbours) < 5 / math.sqrt(len(PARTICLES))


def test_normal_is_normal():
    values = RandomDraws(0, "any", 1).normal(PARTICLES, 8).double()
    assert kstest(values.flatten().numpy(), "norm").pvalue > 1e-3
    assert abs(float(values.mean())) < 5 / 200
    assert float(values.var()) == pytest.approx(1, abs=0.04)
    assert float(values.pow(4).mean()) == pytest.approx(3, abs=0.2)


def test_integers_are_uniform_below_the_limit():
    counts = torch.bincount(RandomDraws(0, "any").integers(PARTICLES, 8, 16).flatten(), minlength=16)
    assert len(counts) == 16
    expected = 40_000 / 16
    assert float(((counts - expected) ** 2 / expected).sum()) < 45  # chi squared, 15 degrees of freedom, p < 1e-4


def test_uniform_never_reaches_one_and_normal_is_finite():
    """The largest word a draw can meet: all bits set (seen in practice once in 2^24 draws)."""

    class LargestWord(RandomDraws):
        def _words(self, particles, count):
            return torch.full((len(particles), count), -1)

    class SmallestWord(RandomDraws):
        def _words(self, particles, count):
            return torch.zeros(len(particles), count, dtype=torch.long)

    few = torch.arange(3)
    assert float(LargestWord(0, "any").uniform(few, 2).max()) < 1
    assert float(SmallestWord(0, "any").uniform(few, 2).min()) > 0
    assert bool(torch.isfinite(LargestWord(0, "any").normal(few, 2)).all())
    assert bool(torch.isfinite(SmallestWord(0, "any").normal(few, 2)).all())
    assert int(LargestWord(0, "any").integers(few, 2, 16).max()) == 15


def test_seeds_purposes_and_epochs_are_independent():
    kinds = [(0, "a", 0), (1, "a", 0), (0, "b", 0), (0, "a", 1), (0, "ab", 0), (0, "ba", 0), (97, "", 0), (0, "", 97)]
    values = torch.stack([RandomDraws(*kind).uniform(PARTICLES, 1)[:, 0] for kind in kinds])
    correlation = np.corrcoef(values.numpy()) - np.eye(len(kinds))
    assert np.abs(correlation).max() < 5 / math.sqrt(len(PARTICLES))


def test_order_is_a_permutation_without_pattern():
    order = RandomDraws(0, "order", 0).order(PARTICLES)
    assert torch.equal(order.sort().values, PARTICLES)
    assert abs(np.corrcoef(order.numpy(), PARTICLES.numpy())[0, 1]) < 5 / math.sqrt(len(PARTICLES))
    assert not torch.equal(order, RandomDraws(0, "order", 1).order(PARTICLES))
    shuffled = PARTICLES.flip(0)
    assert torch.equal(RandomDraws(0, "order", 0).order(shuffled), order)
