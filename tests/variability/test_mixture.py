"""The mixture's likelihood is the integral that it stands for, and expectation maximisation climbs it."""

import math

import numpy as np
import pytest
import torch
from scipy.integrate import quad
from scipy.stats import norm

from cryofifa.variability.latent import LatentTerms
from cryofifa.variability.mixture import Mixture, fit_mixture, mixture_of
from cryofifa_testkit.varied_particles import drawn_terms


def test_the_density_is_the_integral_over_the_coordinate():
    terms = LatentTerms(torch.tensor([[[1.7]]], dtype=torch.float64), torch.tensor([[0.9]], dtype=torch.float64))
    mixture = Mixture(
        torch.tensor([0.3, 0.7], dtype=torch.float64),
        torch.tensor([[-1.0], [2.0]], dtype=torch.float64),
        torch.tensor([[0.6]], dtype=torch.float64),
        0.0,
    )
    for state, (share, centre) in enumerate([(0.3, -1.0), (0.7, 2.0)]):

        def image(z: float, centre: float = centre) -> float:
            return math.exp(0.9 * z - 1.7 * z * z / 2) * norm.pdf(z, centre, 0.6**0.5)

        assert float(mixture.log_densities(terms)[0, state]) == pytest.approx(
            math.log(share * quad(image, -20, 20)[0]), abs=1e-6
        )
        weighted = quad(lambda z, image=image: z * image(z), -20, 20)[0] / quad(image, -20, 20)[0]
        alone = Mixture(torch.ones(1).double(), torch.tensor([[centre]]).double(), mixture.spread, 0.0)
        assert float(alone.coordinates(terms)) == pytest.approx(weighted, abs=1e-6)


def test_the_likelihood_never_falls():
    place = torch.tensor([[2.0, 0.0], [-1.0, 1.5], [-1.0, -1.5]], dtype=torch.float64)
    terms = drawn_terms(place[torch.arange(300) % 3], 2.0)
    found = Mixture(torch.full((3,), 1 / 3).double(), 0.3 * place, torch.eye(2).double(), -math.inf)
    likelihood = []
    for _ in range(15):
        found = fit_mixture(terms, found, iterations=1)
        likelihood.append(found.log_likelihood)
    assert np.diff(likelihood).min() > -1e-6


def test_one_gaussian_is_found_behind_the_images_noise():
    covariance = torch.tensor([[2.0, 0.8], [0.8, 0.5]], dtype=torch.float64)
    generator = torch.Generator().manual_seed(1)
    coordinate = torch.randn(4000, 2, generator=generator).double() @ torch.linalg.cholesky(covariance).mT + 1.0
    found = mixture_of(drawn_terms(coordinate, 1.0), 1)
    assert found.centre[0].tolist() == pytest.approx([1.0, 1.0], abs=0.15)
    assert found.spread.flatten().tolist() == pytest.approx([2.0, 0.8, 0.8, 0.5], abs=0.25)
