"""Which particles are junk: by their scores and by what they look like, each of which knows what the other does not.

Scores alone cannot tell a particle that no search can pose from an image without one: both score as the null does. But
it looks like the particles that were posed. With e(looks) the chance that the map explains an image of these looks, and
c that of a particle, the chance of an unexplained image to be one is

    p(particle | looks, unexplained) = (1 - c) / c * e / (1 - e)           Elkan & Noto 2008

where e is a logistic regression and c its mean over the explained particles: junk is not explained, and how well a
particle can be posed does not depend on its looks. Among the unexplained, odds of looks and of scores (junk often fits
worse than nothing) are multiplied. No image is judged by a regression that was fitted to it.

Measured (LOG.md): fitted anew to what was found, over and over, "particle" ends as "explained".
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool, Float64, Int
from scipy.optimize import minimize
from scipy.special import expit, ndtri

from cryofifa.half_map_refinement.score_split import JunkSplit
from cryofifa.particles.files.row_list import evenly_spread

LEAST_OF_EACH = 100  # explained and unexplained particles, so that something can be learned of their looks; our choice
MOST_FITTED = 6000  # of more particles, this many evenly spaced ones are learned from
FOLDS = 3
RIDGE = 100.0  # pull of the regression's coefficients to zero, in images; measured: 100 and 300 differ by 0.01
LOWEST, HIGHEST, BIN = -4.0, 8.0, 0.2  # of scores, in standard deviations of the null; what lies beyond counts as there
SMOOTHING = (0.1, 0.2, 0.4, 0.2, 0.1)


@dataclass(frozen=True)
class Junk:
    """What was found of junk.

    Attributes:
        split: the score under which the map does not explain a particle.
        explained: which particles it explains, all of them where there is one population.
        particle: which images are particles: those, and the ones that look like them.
    """

    split: JunkSplit
    explained: Bool[np.ndarray, " n"]
    particle: Bool[np.ndarray, " n"]

    def describe(self) -> str:
        """What was found in a few words, for the log."""
        explained, kept = int(self.explained.sum()), int(self.particle.sum())
        looks = f"; {kept - explained} more look like particles that no search can pose" if kept > explained else ""
        return (
            f"{self.split.describe()}, {kept} of {len(self.particle)} particles kept, of which {explained} are "
            f"explained by the map{looks}"
        )


def junk_by_scores(score: Float64[np.ndarray, " n"], split: JunkSplit) -> Junk:
    """Junk where nothing is known of looks: what the map does not explain."""
    explained = split.kept(score)
    return Junk(split, explained, explained)


def can_learn_looks(score: Float64[np.ndarray, " n"], split: JunkSplit) -> bool:
    """Whether there is a null, and enough particles on both sides of the split."""
    explained = split.kept(score) & np.isfinite(score)
    return split.null is not None and min(int(explained.sum()), int((~explained).sum())) >= LEAST_OF_EACH


def junk_by_looks(looks: Float64[np.ndarray, "n features"], score: Float64[np.ndarray, " n"], split: JunkSplit) -> Junk:
    """Junk by scores and looks together.

    Args:
        looks: of every image (`appearance.py`).
        score: of every particle; NaN where there is none, and such a particle is kept.
        split: by the scores, with their null.
    """
    assert split.null is not None
    median, spread = split.null
    known, explained = np.flatnonzero(np.isfinite(score)), split.kept(score)
    fitted = known[evenly_spread(len(known), MOST_FITTED)]
    bins = np.clip(((score - median) / spread - LOWEST) / BIN, 0, (HIGHEST - LOWEST) / BIN - 1)
    bins = np.where(np.isfinite(bins), bins, 0).astype(int)
    chance = _chance(_gaussian_ranks(looks[fitted], looks), explained.astype(float), fitted)
    usual = chance[fitted][explained[fitted]].mean()
    by_looks = np.clip((1 - usual) / usual * chance / (1 - chance), 0, 1)
    rest = fitted[~explained[fitted]]
    as_particle, as_junk = _density(bins[rest], by_looks[rest]), _density(bins[rest], 1 - by_looks[rest])
    particle = by_looks * as_particle[bins] > (1 - by_looks) * as_junk[bins]
    return Junk(split, explained, particle | explained)


def _chance(
    looks: Float64[np.ndarray, "n features"], explained: Float64[np.ndarray, " n"], fitted: Int[np.ndarray, " m"]
) -> Float64[np.ndarray, " n"]:
    """The chance that the map explains an image of these looks, by ridge logistic regression.

    Args:
        looks: of all images, of mean 0 and about sd 1.
        explained: 1 where the map explains an image, else 0.
        fitted: rows that the regression is fitted to. These are judged by that of the other folds, all others by the
            mean of all folds.
    """
    products, fold = _with_products(looks[fitted]), np.arange(len(fitted)) % FOLDS
    mean, spread = products.mean(axis=0), products.std(axis=0) + 1e-9

    def standardised(values: Float64[np.ndarray, "n more"]) -> Float64[np.ndarray, "n more_and_1"]:
        return np.concatenate([(values - mean) / spread, np.ones((len(values), 1))], axis=1)

    features, known = standardised(products), explained[fitted]
    weights = np.stack([_fitted_weights(features[fold != one], known[fold != one]) for one in range(FOLDS)], axis=1)
    blocks = np.array_split(looks, max(1, len(looks) // MOST_FITTED))
    log_odds = np.concatenate([standardised(_with_products(block)) @ weights.mean(axis=1) for block in blocks])
    log_odds[fitted] = (features @ weights)[np.arange(len(fitted)), fold]
    return expit(log_odds)


def _fitted_weights(
    features: Float64[np.ndarray, "m features"], known: Float64[np.ndarray, " m"]
) -> Float64[np.ndarray, " features"]:
    """The weights of least - log likelihood + RIDGE/2 |w|^2; the last feature is constant and its weight free."""
    pull = np.full(features.shape[1], RIDGE)
    pull[-1] = 0

    def cost(weights: np.ndarray) -> tuple[float, np.ndarray]:
        value = features @ weights
        slope = features.T @ (expit(value) - known) + pull * weights
        return float((np.logaddexp(0, value) - known * value).sum() + 0.5 * (pull * weights**2).sum()), slope

    return minimize(cost, np.zeros_like(pull), jac=True, method="L-BFGS-B", options={"maxiter": 100}).x


def _gaussian_ranks(
    fitted: Float64[np.ndarray, "m features"], every: Float64[np.ndarray, "n features"]
) -> Float64[np.ndarray, "n features"]:
    """Every feature as the Gaussian deviate of its rank among the fitted images, so that no outlier counts much."""
    ordered = np.sort(fitted, axis=0)
    places = [np.searchsorted(ordered[:, i], every[:, i]) for i in range(every.shape[1])]
    return ndtri((np.stack(places, axis=1) + 0.5) / (len(fitted) + 1))


def _with_products(looks: Float64[np.ndarray, "n features"]) -> Float64[np.ndarray, "n more"]:
    """The looks, their squares and products of two."""
    first, second = np.triu_indices(looks.shape[1])
    return np.concatenate([looks, looks[:, first] * looks[:, second]], axis=1)


def _density(bins: Int[np.ndarray, " m"], weight: Float64[np.ndarray, " m"]) -> Float64[np.ndarray, " bins"]:
    """The density of scores over their bins, smoothed."""
    count = np.bincount(bins, weight, minlength=round((HIGHEST - LOWEST) / BIN)) + 1.0
    smooth = np.convolve(np.pad(count, len(SMOOTHING) // 2, mode="edge"), SMOOTHING, "valid")
    return smooth / smooth.sum()
