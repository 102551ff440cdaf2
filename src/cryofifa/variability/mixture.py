"""States as a mixture: how many places of the latent space the particles come from, where they lie, and who is where.

Coordinates of single particles are uncertain, each in its own way: a view along which nothing changes tells nothing.
So no cloud of points is clustered; the mixture is fitted to the images' own likelihood of their coordinates z,

    log p(y_i | z) = h_i.z - z.G_i z / 2 + constant,      p(z) = sum_k pi_k N(z; mu_k, S)

which has the integral, with S = L L^T, A_i = 1 + L^T G_i L and g_ik = h_i - G_i mu_k,

    log p(y_i | k) = h_i.mu_k - mu_k.G_i mu_k / 2 + (L^T g_ik).A_i^-1 (L^T g_ik) / 2 - log det A_i / 2

Expectation maximisation finds the shares pi, the centres mu and the spread S that all states have in common. One
state is a single Gaussian of any shape. The number of states is that of the least Bayesian information criterion.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor

from cryofifa.variability.latent import LatentTerms

ITERATIONS, SETTLED = 300, 1e-4  # most iterations, and the gain in log-likelihood per particle that ends them
STARTS, STARTING = 6, 20  # of each number of states, from other centres, and their iterations; our choice
MOST_FOR_STATES = 20_000  # particles that the mixture is fitted to, of more of them; our choice
LEAST_SPREAD = 1e-4  # variance of a state's own spread, so that it can be inverted


@dataclass(frozen=True)
class Mixture:
    """States of the latent space.

    Attributes:
        share: of the particles, in every state.
        centre: where the states lie.
        spread: covariance of the coordinates within a state.
        log_likelihood: of all particles, up to a constant that every mixture of them has in common.
    """

    share: Float[Tensor, " k"]
    centre: Float[Tensor, "k q"]
    spread: Float[Tensor, "q q"]
    log_likelihood: float

    def criterion(self, particles: int) -> float:
        """The Bayesian information criterion: the less, the better (Schwarz 1978)."""
        states, q = self.centre.shape
        parameters = states * q + (states - 1) + q * (q + 1) // 2
        return parameters * math.log(particles) - 2 * self.log_likelihood

    def log_densities(self, terms: LatentTerms) -> Float[Tensor, "n k"]:
        """log( pi_k p(y_i | k) ) of every particle and state, by the formula above."""
        root = torch.linalg.cholesky(self.spread)
        inner = torch.eye(len(root)).to(root) + root.mT @ terms.curvature @ root
        pull = terms.slope[:, None] - torch.einsum("nab,kb->nka", terms.curvature, self.centre)
        at_centre = (terms.slope[:, None] + pull).mul(self.centre).sum(-1) / 2
        scaled = pull @ root
        gain = (scaled * torch.linalg.solve(inner, scaled.mT).mT).sum(-1) / 2
        return at_centre + gain - torch.logdet(inner)[:, None] / 2 + self.share.log()

    def probabilities(self, terms: LatentTerms) -> Float[Tensor, "n k"]:
        """How probable every state is for every particle."""
        return self.log_densities(terms).softmax(dim=1)

    def coordinates(self, terms: LatentTerms) -> Float[Tensor, "n q"]:
        """The mean coordinates of every particle, given its image and the mixture."""
        inverse = torch.linalg.inv(self.spread)
        right = terms.slope[:, None] + (self.centre @ inverse)
        within = torch.linalg.solve((terms.curvature + inverse)[:, None], right[..., None])[..., 0]
        return (self.probabilities(terms)[..., None] * within).sum(dim=1)


def fit_mixture(terms: LatentTerms, start: Mixture, iterations: int = ITERATIONS) -> Mixture:
    """Expectation maximisation from a mixture, until it has settled or for so many iterations."""
    found, eye = start, torch.eye(len(start.spread)).to(start.spread)
    for _ in range(iterations):
        density = found.log_densities(terms)
        total = float(density.logsumexp(dim=1).sum())
        if total - found.log_likelihood < SETTLED * len(terms):
            return Mixture(found.share, found.centre, found.spread, total)
        weight = density.softmax(dim=1)
        share = weight.mean(dim=0).clamp_min(1e-6)
        # given who is where, the centres are weighted least squares of what the images say, the spread included
        root = torch.linalg.cholesky(found.spread)
        inner = torch.linalg.inv(eye + root.mT @ terms.curvature @ root)
        known = root @ inner @ root.mT  # covariance of z given image and centre
        precision = terms.curvature - terms.curvature @ known @ terms.curvature
        pull = terms.slope - torch.einsum("nab,nb->na", terms.curvature @ known, terms.slope)
        left = torch.einsum("nk,nab->kab", weight, precision) + 1e-6 * len(terms) * eye
        centre = torch.linalg.solve(left, torch.einsum("nk,na->ka", weight, pull))
        push = terms.slope[:, None] - torch.einsum("nab,kb->nka", terms.curvature, centre)
        within = torch.einsum("nab,nkb->nka", known, push)
        second = torch.einsum("nk,nka,nkb->ab", weight, within, within) + known.sum(dim=0)
        spread = second / len(terms) + LEAST_SPREAD * eye
        found = Mixture(share / share.sum(), centre, spread, total)
    return found


def _spread_out(point: Float[Tensor, "n q"], count: int, generator: torch.Generator) -> Float[Tensor, "count q"]:
    """Points far from each other, drawn as k-means++ does (Arthur & Vassilvitskii 2007)."""
    chosen = [point[torch.randint(len(point), (), generator=generator)]]
    while len(chosen) < count:
        distance = torch.cdist(point, torch.stack(chosen)).min(dim=1).values.square()
        chosen.append(point[torch.multinomial(distance.cpu().double() + 1e-12, 1, generator=generator)[0]])
    return torch.stack(chosen)


def mixture_of(terms: LatentTerms, states: int, seed: int = 0) -> Mixture:
    """The likeliest mixture of so many states, of those found from several starts; the largest state comes first."""
    q = terms.slope.shape[1]
    eye = torch.eye(q).to(terms.slope)
    one = fit_mixture(terms, Mixture(eye.new_ones(1), eye.new_zeros(1, q), eye, -math.inf))
    if states == 1:
        return one
    generator = torch.Generator().manual_seed(seed)
    point = one.coordinates(terms)
    # states within the whole distribution are narrower than it
    spread = one.spread / states**2 + LEAST_SPREAD * eye
    even = torch.full((states,), 1 / states).to(spread)
    starts = [Mixture(even, _spread_out(point, states, generator), spread, -math.inf) for _ in range(STARTS)]
    tried = [fit_mixture(terms, start, STARTING) for start in starts]
    best = fit_mixture(terms, max(tried, key=lambda found: found.log_likelihood))
    order = best.share.argsort(descending=True)
    return Mixture(best.share[order], best.centre[order], best.spread, best.log_likelihood)
