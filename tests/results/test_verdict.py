"""The verdict: what each sign does, that no single good one is enough, and that noise gets no resolution."""

from dataclasses import replace

import pytest

from cryofifa.results.verdict import Evidence, verdict_of

GOOD = Evidence(
    pose_change_median_degree=0.1,
    starts=3,
    agreeing_starts=2,
    resolution_angstrom=8.0,
    shared_resolution_angstrom=20.0,
    unshared_resolution_angstrom=17.8,
    sampling_compensation_factor=0.95,
    area_ratio=0.9,
    worst_direction_angstrom=8.5,
)


def test_all_good_signs_are_convergence():
    verdict = verdict_of(GOOD)
    assert verdict.word == "converged"
    assert verdict.resolution_counts
    assert all(sign.ok for sign in verdict.signs)


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"resolution_angstrom": 19.5}, "beyond the 20 A"),
        ({"resolution_angstrom": 17.9}, "beyond the 20 A"),  # not a whole shell
        ({"resolution_angstrom": 18.5, "unshared_resolution_angstrom": 19.5}, "beyond the 20 A"),
        ({"sampling_compensation_factor": 0.2}, "directions"),
        ({"sampling_compensation_factor": 0.7, "area_ratio": 0.3}, "directions"),
    ],
)
def test_one_bad_sign_is_doubt_and_says_which(change, reason):
    verdict = verdict_of(replace(GOOD, **change))
    assert verdict.word == "doubtful"
    assert len(verdict.reasons) == 1
    assert reason in verdict.reasons[0]


@pytest.mark.parametrize("moved", [None, 10.0])
def test_poses_that_move_or_were_never_compared_have_not_converged(moved):
    assert verdict_of(replace(GOOD, pose_change_median_degree=moved)).word == "not converged"


def test_without_a_second_start_that_agrees_there_is_no_resolution():
    """Half maps that began from one wrong map agree on it: their figure is nowhere in what is said."""
    verdict = verdict_of(replace(GOOD, agreeing_starts=1, resolution_angstrom=13.21))
    assert verdict.word == "not converged"
    assert not verdict.resolution_counts
    said = " ".join([*verdict.reasons, *(sign.value for sign in verdict.signs)])
    assert "second start" in said
    assert "13.2" not in said


def test_a_single_start_is_unconfirmed_and_has_no_resolution_of_its_own():
    verdict = verdict_of(replace(GOOD, starts=1, agreeing_starts=1))
    assert verdict.word == "unconfirmed"
    assert not verdict.resolution_counts
    assert "one start only" in verdict.reasons[0]


@pytest.mark.parametrize(
    "few",
    [
        {"sampling_compensation_factor": 0.3, "area_ratio": 0.7},
        {"sampling_compensation_factor": 0.7, "area_ratio": 0.3},
    ],
)
def test_where_directions_are_hardly_seen_no_figure_holds_for_all(few):
    verdict = verdict_of(replace(GOOD, resolution_angstrom=9.87, worst_direction_angstrom=16.54, **few))
    assert verdict.word == "doubtful"
    assert not verdict.resolution_counts
    said = " ".join([*verdict.reasons, verdict.warning, *(sign.value for sign in verdict.signs)])
    assert "9.9" not in said
    assert "16.5" not in said
    assert "tilt the stage" in verdict.warning


@pytest.mark.parametrize(
    ("uneven", "tilt"), [({"sampling_compensation_factor": 0.7}, True), ({"area_ratio": 0.3}, False)]
)
def test_where_directions_are_uneven_the_worst_is_said_beside_the_resolution(uneven, tilt):
    """With even views, tilting the stage would not help."""
    verdict = verdict_of(replace(GOOD, worst_direction_angstrom=16.54, **uneven))
    assert verdict.word == "converged"
    assert verdict.resolution_counts
    assert "16.5 A" in verdict.reasons[0]
    assert ("tilt the stage" in verdict.warning) == tilt
    assert not verdict.signs[-1].ok
    assert not verdict_of(GOOD).warning


def test_the_poses_of_a_wrong_map_say_nothing_of_its_views():
    verdict = verdict_of(replace(GOOD, agreeing_starts=1, sampling_compensation_factor=0.7))
    assert verdict.warning == ""
    assert not any("worst" in reason for reason in verdict.reasons)


def test_noise_has_no_resolution():
    """As a run on noise looks: poses at rest, halves that agree as far as they shared a model, no other start."""
    verdict = verdict_of(replace(GOOD, agreeing_starts=1, resolution_angstrom=20.5))
    assert verdict.word == "not converged"
    assert not verdict.resolution_counts
