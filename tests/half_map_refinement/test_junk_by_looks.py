"""Looks tell particles that no search can pose from junk that scores alike, and claim no junk where there is none."""

import numpy as np
import pytest
from scipy.stats import norm

from cryofifa.half_map_refinement import junk_by_looks as junk
from cryofifa.half_map_refinement.junk_by_looks import can_learn_looks, junk_by_looks, junk_by_scores
from cryofifa.half_map_refinement.score_split import JunkSplit
from cryofifa.particles.files.row_list import evenly_spread

SPLIT = JunkSplit(0.8, null=(0.5, 0.1))
APART = 3.0  # between the looks of particles and of junk, in standard deviations


def drawn(count: int, junk_share: float, posed_share: float = 0.7) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Looks, scores, and which are particles: looks differ along one of five directions, junk scores as the null."""
    generator = np.random.default_rng(1)
    particle = generator.uniform(size=count) >= junk_share
    looks = generator.normal(size=(count, 5))
    looks[:, 2] += np.where(particle, APART, 0.0)
    posed = particle & (generator.uniform(size=count) < posed_share)
    score = np.where(posed, generator.normal(1.2, 0.1, count), generator.normal(0.5, 0.1, count))
    return looks, score, particle


def test_errors_are_nearly_as_few_as_can_be():
    """Where scores say nothing, no rule errs in less than the overlap of two Gaussians of unlike shares."""
    looks, score, particle = drawn(4000, junk_share=0.4)
    found = junk_by_looks(looks, score, SPLIT)
    open_to_looks = score < SPLIT.threshold
    share = particle[open_to_looks].mean()
    border = APART / 2 + np.log((1 - share) / share) / APART
    least = share * norm.cdf(border - APART) + (1 - share) * norm.sf(border)
    assert (found.particle != particle)[open_to_looks].mean() < 1.5 * least
    assert found.particle[score > SPLIT.threshold].mean() > 0.98
    by_scores = junk_by_scores(score, SPLIT)
    assert (by_scores.particle != particle).mean() > 2 * (found.particle != particle).mean()


def test_what_the_map_explains_is_not_changed_by_looks():
    looks, score, _ = drawn(2000, junk_share=0.4)
    np.testing.assert_array_equal(junk_by_looks(looks, score, SPLIT).explained, score >= SPLIT.threshold)


def test_without_junk_nearly_all_are_particles():
    looks, score, _ = drawn(3000, junk_share=0.0)
    assert junk_by_looks(looks, score, SPLIT).particle.mean() > 0.97


def test_those_beyond_what_is_learned_from_are_judged_as_well(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(junk, "MOST_FITTED", 1000)
    looks, score, particle = drawn(6000, junk_share=0.4)
    wrong = junk_by_looks(looks, score, SPLIT).particle != particle
    fitted = np.isin(np.arange(6000), evenly_spread(6000, 1000))
    assert wrong[~fitted].mean() < wrong[fitted].mean() + 0.02


def test_scale_of_the_looks_and_outliers_make_no_difference():
    looks, score, _ = drawn(2000, junk_share=0.4)
    stretched = np.exp(3 * looks)  # any rising function
    found, expected = junk_by_looks(stretched, score, SPLIT), junk_by_looks(looks, score, SPLIT)
    assert (found.particle != expected.particle).mean() < 0.01


def test_particles_without_a_score_are_kept():
    looks, score, _ = drawn(2000, junk_share=0.4)
    score[:5] = np.nan
    assert junk_by_looks(looks, score, SPLIT).particle[:5].all()


def test_few_of_one_kind_or_no_null_teach_nothing():
    _, score, _ = drawn(1000, junk_share=0.4)
    assert can_learn_looks(score, SPLIT)
    assert not can_learn_looks(score, JunkSplit(0.8))
    assert not can_learn_looks(score[:150], SPLIT)
    assert not can_learn_looks(score[score > 0.8], SPLIT)
