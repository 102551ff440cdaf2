"""The junk filter of a minibatch: the worst are left out, and bright junk cannot outvote particles."""

import math

import pytest
import torch

from cryofifa.train.loss_ranking import gradient_weight


def losses(count: int = 50) -> torch.Tensor:
    return 1 + 0.1 * torch.rand(count, generator=torch.Generator().manual_seed(0))


def test_the_worst_are_left_out_and_the_rest_count_as_their_mean():
    loss = losses()
    weight = gradient_weight(loss, 0.8)
    best = loss.argsort()[:40]
    assert set(weight.nonzero()[:, 0].tolist()) == set(best.tolist())
    assert float((weight * loss).mean()) == pytest.approx(float(loss[best].mean()), rel=1e-6)


@pytest.mark.parametrize("keep_fraction", [1e-6, 0.5, 1.0])
def test_at_least_one_is_kept(keep_fraction):
    assert float(gradient_weight(losses(3), keep_fraction).count_nonzero()) >= 1


def test_equal_particles_count_alike():
    assert torch.equal(gradient_weight(torch.ones(7), 1.0), torch.ones(7))


@pytest.mark.parametrize("brightness", [10.0, 1000.0])
def test_bright_junk_pulls_the_fit_by_a_bounded_amount(brightness):
    """One number is fitted to particles at 1 and a tenth of junk far away, by gradient steps on the weighted loss."""
    value = torch.ones(100)
    value[:10] = math.sqrt(brightness)
    noise = torch.ones(100)  # power of the noise, which no fit explains

    def fitted(weighted: bool) -> float:
        found = torch.zeros((), requires_grad=True)
        for _ in range(400):
            loss = (value - found).square() + noise
            weight = gradient_weight(loss.detach(), 1.0) if weighted else torch.ones(100)
            (gradient,) = torch.autograd.grad((weight * loss).mean(), found)
            with torch.no_grad():
                found -= 0.1 * gradient
        return float(found.detach())

    plain, bounded = fitted(False) - 1, fitted(True) - 1
    assert bounded < 0.05
    assert plain == pytest.approx(0.1 * (math.sqrt(brightness) - 1), rel=0.01)
    assert bounded < 0.8 * plain
