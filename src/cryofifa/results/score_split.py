"""Split particles into kept ones and junk by their scores alone, as a mixture of two Gaussians.

The Bayesian information criterion decides whether one Gaussian fits the scores or two. Two count only where the lower
one is clearly apart: heavy tails and slight skews are one population, all of which is kept.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool, Float64
from scipy.optimize import root_scalar
from scipy.stats import norm, rankdata

LEAST_PARTICLES = 50  # fewer scores cannot tell two populations apart; our choice
MOST_FITTED = 10_000  # of more particles, this many evenly spaced quantiles are fitted
LEAST_EVIDENCE = 10.0  # difference of the criterion that counts as very strong (Kass & Raftery 1995)
LEAST_SEPARATION = 2.0  # of the means, over the root mean variance; less is one population (Ashman et al. 1994)
LEAST_SHARE = 0.1  # of the upper population: a few high outliers cannot be the only particles; our choice
# Highest mean score of junk over that of particles; a population nearer to the particles may be in thicker ice or at
# another defocus. Our choice.
HIGHEST_JUNK = 0.75
_ITERATIONS = 500


@dataclass(frozen=True)
class JunkSplit:
    """The score at which particles and junk are split.

    Attributes:
        threshold: the lowest score of a kept particle; None where there is only one population.
    """

    threshold: float | None

    def describe(self) -> str:
        """The split in a few words, for the log."""
        return "one population of scores" if self.threshold is None else f"scores under {self.threshold:.3f}"

    def kept(self, score: Float64[np.ndarray, " n"]) -> Bool[np.ndarray, " n"]:
        """Which particles are kept: those with a score of at least the threshold, and those without a score (NaN)."""
        if self.threshold is None:
            return np.ones(len(score), dtype=bool)
        return ~(score < self.threshold)


ONE_POPULATION = JunkSplit(None)


def split_scores(score: Float64[np.ndarray, " n"]) -> JunkSplit:
    """Split at the score where a particle belongs to the lower population as likely as to the upper one.

    Scores that are not finite are ignored; where there is only one population, nothing is split off.
    """
    known = np.sort(score[np.isfinite(score)])
    if len(known) < LEAST_PARTICLES or known[0] == known[-1]:
        return ONE_POPULATION
    if len(known) > MOST_FITTED:
        known = np.quantile(known, (np.arange(MOST_FITTED) + 0.5) / MOST_FITTED)
    share, mean, spread = _two_gaussians(known)
    one = norm.logpdf(known, known.mean(), known.std()).sum()
    two = np.logaddexp(*_log_densities(known, share, mean, spread)).sum()
    apart = (mean[1] - mean[0]) / np.sqrt((spread**2).mean())
    likelier = 2 * (two - one) - 3 * np.log(len(known)) > LEAST_EVIDENCE  # 3 more parameters
    if not (likelier and apart >= LEAST_SEPARATION and share[1] >= LEAST_SHARE and mean[0] <= HIGHEST_JUNK * mean[1]):
        return ONE_POPULATION

    def lower_over_upper(value: float) -> float:
        lower, upper = _log_densities(np.array([value]), share, mean, spread)
        return float(lower[0] - upper[0])

    if lower_over_upper(mean[0]) <= 0 or lower_over_upper(mean[1]) >= 0:
        return ONE_POPULATION
    return JunkSplit(float(root_scalar(lower_over_upper, bracket=(mean[0], mean[1])).root))


def _two_gaussians(sorted_values: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Shares, means and standard deviations of two Gaussians by expectation maximisation, the lower mean first."""
    # begin with the two groups that have the least variance within them (Otsu)
    n = np.arange(1, len(sorted_values))
    sums = np.cumsum(sorted_values)
    between = (sums[-1] * n / len(sorted_values) - sums[:-1]) ** 2 / (n * n[::-1])
    upper = (np.arange(len(sorted_values)) > between.argmax()).astype(float)
    weight = np.stack([1 - upper, upper])
    least = 0.02 * sorted_values.std()  # least width, so that a spike of equal scores is no population
    before = -np.inf
    share = mean = spread = np.empty(2)
    for _ in range(_ITERATIONS):
        total = weight.sum(axis=1) + 1e-12
        share, mean = total / total.sum(), weight @ sorted_values / total
        variance = (weight * (sorted_values - mean[:, None]) ** 2).sum(axis=1) / total
        spread = np.sqrt(variance + least**2)
        density = np.stack(_log_densities(sorted_values, share, mean, spread))
        both = np.logaddexp(*density)
        weight = np.exp(density - both)
        if both.sum() - before < 1e-6 * len(sorted_values):
            break
        before = both.sum()
    order = np.argsort(mean)
    return share[order], mean[order], spread[order]


def _log_densities(
    value: np.ndarray, share: np.ndarray, mean: np.ndarray, spread: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Logarithm of the density of each of the two Gaussians, times its share."""
    first, second = (np.log(share[i]) + norm.logpdf(value, mean[i], spread[i]) for i in (0, 1))
    return first, second


def roc_auc(score: Float64[np.ndarray, " n"], good: Bool[np.ndarray, " n"]) -> float:
    """Area under the ROC curve: how often a good particle has a higher score than a bad one; equal scores count half.

    Args:
        score: score of every particle.
        good: which particles are known to be good.

    Raises:
        ValueError: if all particles are good, or all bad.
    """
    goods, bads = int(good.sum()), int((~good).sum())
    if goods == 0 or bads == 0:
        raise ValueError("the area under a ROC curve needs good and bad particles")
    return float((rankdata(score)[good].sum() - goods * (goods + 1) / 2) / (goods * bads))
