"""How many states there are: the mixture that the particles speak for, and which of its parts are apart.

The number of parts is that of the least Bayesian information criterion. A mixture needs several parts to follow a
motion, too, which has no states: its parts lie side by side. So the particles of every two parts are laid out on the
line through both centres: their likeliest density there, begun as an even one, says whether there is a valley between.
Two parts are apart where the density in the middle is less than a fifth of that about the lower centre. Measured
(LOG.md): 0.00 to 0.02 between the states of states; 0.4 to 1.4 between neighbouring parts of a domain of 3SN6 that
turns by 0 to 40 degrees, but also 0.6 between two states of a ribosome that images hardly tell from each other. So one
pair alone decides nothing: where all parts hang together, as those of every motion do, they are one state that moves;
where some are apart, all of them are states.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace

import numpy as np
import torch
from jaxtyping import Bool, Float
from scipy.sparse.csgraph import connected_components
from torch import Tensor

from cryofifa.variability.latent import LatentTerms
from cryofifa.variability.mixture import MOST_FOR_STATES, Mixture, mixture_of

MOST_STATES = 10  # of more, each would have few particles; our choice
NO_BETTER = 2  # so many further numbers of states are tried after the best one; our choice
LEAST_SHARE = 0.02  # of a state; less is a tail of another one; our choice
DEEPEST_VALLEY = 0.2  # density between two states over that of the lower one; what is less deep is no valley
PLACES = torch.linspace(-0.5, 1.5, 17, dtype=torch.float64)  # of the line: 0 is one centre, 1 the other
BETWEEN, ABOUT_ONE, ABOUT_OTHER = slice(7, 10), slice(2, 7), slice(10, 15)  # which of them are compared
WIDTHS = (0.05, 0.2, 0.5, 1.0)  # spreads about the line, over that of a state, of which the likeliest counts
LAYING_OUT = 60  # iterations; few, for what the particles do not contradict is to stay even; our choice


@dataclass(frozen=True)
class States:
    """The states of a set of particles, the largest first.

    Attributes:
        mixture: what the particles' coordinates are drawn from.
        apart: for every two parts of the mixture, whether they are apart.
        criterion: the Bayesian information criterion of 1, 2, ... parts, as far as they were tried.
    """

    mixture: Mixture
    apart: Bool[np.ndarray, "parts parts"]
    criterion: tuple[float, ...]

    @property
    def is_motion(self) -> bool:
        """Whether there are several parts that all hang together: one state that moves."""
        groups, _ = connected_components(~self.apart, directed=False)
        return len(self.apart) > 1 and groups == 1

    @property
    def some_hang_together(self) -> bool:
        """Whether some parts of the mixture are not clearly apart."""
        return not bool((self.apart | np.eye(len(self.apart), dtype=bool)).all())

    @property
    def count(self) -> int:
        """The number of states."""
        return 1 if self.is_motion else len(self.apart)

    def probabilities(self, terms: LatentTerms) -> Float[Tensor, "n states"]:
        """How probable every state is for every particle."""
        parts = self.mixture.probabilities(terms)
        return parts.sum(dim=1, keepdim=True) if self.is_motion else parts


def find_states(terms: LatentTerms, count: int | None = None, seed: int = 0) -> States:
    """The states that the particles speak for.

    Args:
        terms: what the particles' images say of their coordinates.
        count: the number of states; by default as many as the particles speak for.
        seed: of the places that the states begin at.
    """
    if len(terms) > MOST_FOR_STATES:
        some = torch.randperm(len(terms), generator=torch.Generator().manual_seed(seed))[:MOST_FOR_STATES]
        terms = LatentTerms(terms.curvature[some], terms.slope[some])
    if count is not None:
        found = mixture_of(terms, count, seed)
        return States(found, ~np.eye(count, dtype=bool), (found.criterion(len(terms)),))
    mixtures: list[Mixture] = []
    best = 0
    while len(mixtures) < MOST_STATES and len(mixtures) <= best + NO_BETTER:
        mixtures.append(mixture_of(terms, len(mixtures) + 1, seed))
        latest = mixtures[-1]
        better = latest.criterion(len(terms)) < mixtures[best].criterion(len(terms))
        if better and float(latest.share.min()) >= LEAST_SHARE:
            best = len(mixtures) - 1
    criterion = tuple(one.criterion(len(terms)) for one in mixtures)
    return States(mixtures[best], _apart(mixtures[best], terms), criterion)


def _apart(mixture: Mixture, terms: LatentTerms) -> Bool[np.ndarray, "parts parts"]:
    """For every two parts of the mixture, whether there is a valley between them."""
    probability = mixture.probabilities(terms)
    parts = range(len(mixture.centre))
    found = np.zeros((len(parts), len(parts)), dtype=bool)
    for one in parts:
        for other in range(one):
            depth = valley(mixture, probability, terms, one, other)
            found[one, other] = found[other, one] = depth <= DEEPEST_VALLEY
    return found


def valley(mixture: Mixture, probability: Float[Tensor, "n parts"], terms: LatentTerms, one: int, other: int) -> float:
    """The density of particles between two parts of a mixture, over that about the centre where it is lower.

    Args:
        mixture: what both are parts of.
        probability: of every part, for every particle; particles count as far as they belong to one of the two.
        terms: what the particles' images say of their coordinates.
        one, other: the two parts.
    """
    start, end = mixture.centre[one], mixture.centre[other]
    counts = probability[:, one] + probability[:, other]
    even = torch.full_like(PLACES, 1 / len(PLACES)).to(start)
    line = replace(mixture, centre=start + PLACES.to(start)[:, None] * (end - start), share=even)
    best, found = -math.inf, even
    for width in WIDTHS:
        density = replace(line, spread=width * mixture.spread).log_densities(terms) - even.log()
        share = even
        for _ in range(LAYING_OUT):
            share = (counts @ (density + share.log()).softmax(dim=1) / counts.sum()).clamp_min(1e-9)
        likelihood = float(counts @ (density + share.log()).logsumexp(dim=1))
        if likelihood > best:
            best, found = likelihood, share
    lower = min(float(found[ABOUT_ONE].mean()), float(found[ABOUT_OTHER].mean()))
    return float(found[BETWEEN].mean()) / lower
