"""Split particles into kept ones and junk by their scores.

Where it is known what the search scores in images without a particle (the null), scores are a mixture of

    particles               a Gaussian above the null
    no particle             the null's own Gaussian
    worse than nothing      even, below the null's mean: ice, edges, aggregates, other molecules

and particles end where the other two are likelier. Without a null they are a mixture of two Gaussians: the Bayesian
information criterion decides whether one fits the scores or two. Two populations count only where the lower one is
clearly apart: heavy tails and slight skews are one population, all of which is kept.
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
LEAST_NULLS = 30  # null images that say how the null is spread; our choice
NULL_RISE, NULL_WIDENING = 1.0, 1.2  # of the null's mean, in its standard deviations, and of its spread; our choice
LEAST_SPREAD = 1e-3  # of a population of scores, so that equal scores are no division by zero
LEAST_JUNK = 0.02  # of all particles: less is a tail of the particles' own scores; our choice
_ITERATIONS = 500


@dataclass(frozen=True)
class JunkSplit:
    """The score at which particles and junk are split.

    Attributes:
        threshold: the lowest score of a kept particle; None where there is only one population.
        null: median and spread of the scores of images without a particle, by which it was split; None where it was not
            split by them.
    """

    threshold: float | None
    null: tuple[float, float] | None = None

    def describe(self) -> str:
        """The split in a few words, for the log."""
        return "one population of scores" if self.threshold is None else f"scores under {self.threshold:.3f}"

    def kept(self, score: Float64[np.ndarray, " n"]) -> Bool[np.ndarray, " n"]:
        """Which particles are kept: those with a score of at least the threshold, and those without a score (NaN)."""
        if self.threshold is None:
            return np.ones(len(score), dtype=bool)
        return ~(score < self.threshold)


ONE_POPULATION = JunkSplit(None)


def split_scores(score: Float64[np.ndarray, " n"], null: Float64[np.ndarray, " nulls"] | None = None) -> JunkSplit:
    """Split at the score where a particle belongs to the lower population as likely as to the upper one.

    Scores that are not finite are ignored; where there is only one population, nothing is split off.

    Args:
        score: of every particle.
        null: scores of images without a particle; None where they are not known.
    """
    known = np.sort(score[np.isfinite(score)])
    if len(known) < LEAST_PARTICLES or known[0] == known[-1]:
        return ONE_POPULATION
    if len(known) > MOST_FITTED:
        known = np.quantile(known, (np.arange(MOST_FITTED) + 0.5) / MOST_FITTED)
    if null is not None and np.isfinite(null).sum() >= LEAST_NULLS:
        return _split_by_null(known, null[np.isfinite(null)])
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


def _split_by_null(known: np.ndarray, null: np.ndarray) -> JunkSplit:
    """The split by the mixture of particles, the null and what is worse than it, by expectation maximisation."""
    # median and quartiles: a null image may look like a particle by chance
    null_mean = float(np.median(null))
    null_spread = max(float(np.subtract(*np.quantile(null, [0.75, 0.25]))) / 1.349, LEAST_SPREAD)
    upper = known[known > null_mean + 2 * null_spread]
    if len(upper) < LEAST_SHARE * len(known):
        return ONE_POPULATION
    share = np.array([0.6, 0.2, 0.2])
    mean, spread = np.array([np.median(upper), null_mean]), np.array([max(upper.std(), LEAST_SPREAD), null_spread])
    # particles are searched longer than null images, so what the null is for them may be a little higher and wider
    highest, widest = null_mean + NULL_RISE * null_spread, NULL_WIDENING * null_spread
    width = max(null_mean - float(known[0]), null_spread)

    def densities(value: np.ndarray) -> np.ndarray:
        even = np.where(value < null_mean, 1 / width, 0.0)
        parts = (norm.pdf(value, mean[0], spread[0]), norm.pdf(value, mean[1], spread[1]), even)
        return share[:, None] * np.stack(parts) + 1e-300

    for _ in range(_ITERATIONS):
        weight = densities(known)
        weight /= weight.sum(axis=0)
        before, share = mean, weight.mean(axis=1)
        total = weight[:2].sum(axis=1) + 1e-12
        mean = weight[:2] @ known / total
        spread = np.sqrt((weight[:2] * (known - mean[:, None]) ** 2).sum(axis=1) / total)
        mean[1], spread[1] = np.clip(mean[1], null_mean, highest), np.clip(spread[1], null_spread, widest)
        mean[0], spread[0] = max(mean[0], mean[1]), max(spread[0], LEAST_SPREAD)
        if np.abs(mean - before).max() < 1e-6:
            break
    apart = (mean[0] - mean[1]) / np.sqrt((spread**2).mean())
    if apart < LEAST_SEPARATION or share[0] < LEAST_SHARE or share[1:].sum() < LEAST_JUNK:
        return ONE_POPULATION

    def junk_over_particles(value: float) -> float:
        one, *others = densities(np.array([value]))[:, 0]
        return float(np.log(sum(others)) - np.log(one))

    if junk_over_particles(mean[1]) <= 0 or junk_over_particles(mean[0]) >= 0:
        return ONE_POPULATION
    threshold = root_scalar(junk_over_particles, bracket=(mean[1], mean[0])).root
    return JunkSplit(float(threshold), (null_mean, null_spread))


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
