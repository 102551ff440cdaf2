"""Which particles are kept: two populations are found, one is left whole, and the ROC area is scipy's."""

import numpy as np
import pytest
from scipy.stats import mannwhitneyu

from cryofifa.half_map_refinement.score_split import MOST_FITTED, roc_auc, split_scores

ONE_POPULATION = {
    "normal": lambda g, n: g.normal(1.0, 0.15, n),
    "student with 3 degrees of freedom": lambda g, n: 1.0 + 0.1 * g.standard_t(3, n),
    "Laplace": lambda g, n: g.laplace(1.0, 0.1, n),
    "uniform": lambda g, n: g.uniform(0.8, 1.2, n),
    "skewed to the left": lambda g, n: 1.5 - g.gamma(6.0, 0.08, n),
    "skewed to the right": lambda g, n: 0.5 + g.gamma(6.0, 0.08, n),
    "outliers on both sides": lambda g, n: np.where(g.uniform(size=n) < 0.01, g.normal(1, 2, n), g.normal(1, 0.1, n)),
}


@pytest.mark.parametrize("count", [100, 1000, pytest.param(30_000, marks=pytest.mark.slow)])
@pytest.mark.parametrize("kind", ONE_POPULATION)
def test_one_population_keeps_nearly_all(kind: str, count: int):
    for seed in range(5):
        score = ONE_POPULATION[kind](np.random.default_rng(seed), count)
        assert split_scores(score).kept(score).mean() > 0.98, seed


@pytest.mark.parametrize(
    ("count", "junk_share"),
    [(300, 0.1), (300, 0.3), (300, 0.7), (3000, 0.03), (3000, 0.3), (3 * MOST_FITTED, 0.03), (3 * MOST_FITTED, 0.7)],
)
def test_two_populations_are_told_apart(junk_share: float, count: int):
    """Means 4 standard deviations apart: the best threshold errs for 2.3 % of each when they are equally many."""
    generator = np.random.default_rng(1)
    junk = generator.uniform(size=count) < junk_share
    score = np.where(junk, generator.normal(0.4, 0.15, count), generator.normal(1.0, 0.15, count))
    kept = split_scores(score).kept(score)
    assert (junk & ~kept).sum() > 0.8 * junk.sum()
    assert (~junk & ~kept).sum() < 0.06 * (~junk).sum()


def test_wide_junk_below_narrow_particles_is_found():
    """Several kinds of junk are no Gaussian."""
    generator = np.random.default_rng(2)
    score = np.concatenate([generator.normal(1.1, 0.12, 700), generator.uniform(-0.1, 0.8, 300)])
    kept = split_scores(score).kept(score)
    assert kept[:700].mean() > 0.97
    assert kept[700:].mean() < 0.1


def test_two_populations_that_differ_little_are_both_kept():
    """As of thin and thick ice: well apart, but both agree with the map."""
    generator = np.random.default_rng(3)
    score = np.concatenate([generator.normal(0.9, 0.02, 500), generator.normal(1.1, 0.02, 500)])
    assert split_scores(score).kept(score).all()


def test_kept_are_those_at_or_above_one_threshold_and_the_unknown():
    generator = np.random.default_rng(4)
    score = np.concatenate([generator.normal(1.0, 0.1, 400), generator.normal(0.3, 0.1, 100), [np.nan]])
    split = split_scores(score)
    assert split.threshold is not None
    kept = split.kept(score)
    assert kept[-1]
    np.testing.assert_array_equal(kept[:-1], score[:-1] >= split.threshold)
    order = generator.permutation(len(score))
    assert split_scores(score[order]) == split


def test_too_few_or_equal_scores_are_kept():
    for score in (np.full(200, 0.7), np.array([0.1, 1.0]), np.full(100, np.nan), np.zeros(0)):
        assert split_scores(score).kept(score).all()


def test_a_few_values_many_times_are_no_error():
    score = np.repeat([0.0, 1.0], [60, 140])
    np.testing.assert_array_equal(split_scores(score).kept(score), score == 1)


@pytest.mark.parametrize("ties", [False, True])
def test_roc_auc_is_the_mann_whitney_statistic(ties: bool):
    generator = np.random.default_rng(5)
    score = generator.normal(size=500)
    good = generator.uniform(size=500) < 0.6
    score[good] += 0.5
    if ties:
        score = score.round(1)
    oracle = mannwhitneyu(score[good], score[~good]).statistic / (good.sum() * (~good).sum())
    assert roc_auc(score, good) == pytest.approx(oracle, rel=1e-12)


def test_roc_auc_needs_both_kinds():
    with pytest.raises(ValueError, match="good and bad"):
        roc_auc(np.arange(3.0), np.ones(3, dtype=bool))


def populations(seed: int, particles: int, unexplained: int, worse: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Scores of particles, of images as good as empty and of worse ones; the null; and which are particles."""
    generator = np.random.default_rng(seed)
    parts = (
        generator.normal(1.1, 0.13, particles),
        generator.normal(0.65, 0.12, unexplained),
        generator.uniform(-0.1, 0.6, worse),
    )
    null = generator.normal(0.62, 0.12, 200)
    return np.concatenate(parts), null, np.arange(particles + unexplained + worse) < particles


@pytest.mark.parametrize(("particles", "unexplained", "worse"), [(1800, 700, 500), (1000, 1900, 100), (2000, 200, 800)])
def test_with_a_null_junk_of_several_kinds_is_told(particles: int, unexplained: int, worse: int):
    """Also where most are not explained, which two Gaussians take for the particles."""
    score, null, good = populations(1, particles, unexplained, worse)
    kept = split_scores(score, null).kept(score)
    assert (kept & good).sum() > 0.94 * good.sum()
    assert (~kept & ~good).sum() > 0.94 * (~good).sum()


def test_with_a_null_a_set_without_junk_is_left_whole():
    for seed in range(5):
        score, null, _ = populations(seed, 3000, 0, 0)
        assert split_scores(score, null).kept(score).mean() > 0.98


def test_where_particles_score_as_nothing_does_all_are_kept():
    generator = np.random.default_rng(3)
    score, null = generator.normal(0.9, 0.15, 2000), generator.normal(0.8, 0.15, 200)
    assert split_scores(score, null).kept(score).all()


def test_too_few_null_scores_say_nothing():
    score, null, _ = populations(4, 1800, 700, 500)
    assert split_scores(score, null[:10]) == split_scores(score)
