"""The curriculum is data: a pure function of progress, from the first mask to the last."""

from dataclasses import replace

import pytest

from cryofifa.train.curriculum import Curriculum, stage_at

CURRICULUM = Curriculum(
    epochs=8,
    mask_steps=10,
    start_radius=3.0,
    end_radius=12.0,
    growth_share=0.8,
    global_search_share=0.75,
    encoder_share=0.4,
    keep_fraction_start=1.0,
    keep_fraction_end=0.9,
    keep_growth_share=0.5,
    temperature_start=0.5,
    disturbance_start_degree=10.0,
    disturbance_share=0.2,
)
PROGRESS = [number / 1000 for number in range(1001)]


def test_mask_grows_in_even_steps_from_start_to_end():
    radii = [stage_at(CURRICULUM, progress).mask_radius for progress in PROGRESS]
    assert radii == sorted(radii)
    assert sorted(set(radii)) == pytest.approx([3 + step for step in range(10)])
    assert radii[0] == 3
    assert radii[800:] == [12.0] * 201
    for step in range(1, 9):  # every radius lasts as long as every other
        assert sum(radius == pytest.approx(3 + step) for radius in radii) == pytest.approx(80, abs=1)


def test_one_step_is_the_end_radius():
    """A mask that never grows must be the one the run is to end with."""
    assert stage_at(replace(CURRICULUM, mask_steps=1), 1.0).mask_radius == 12


def test_same_progress_same_stage():
    assert stage_at(CURRICULUM, 0.37) == stage_at(CURRICULUM, 0.37)


def test_orientation_set_filter_and_disturbance_follow_their_shares():
    stages = [stage_at(CURRICULUM, progress) for progress in PROGRESS]
    assert [stage.searches_globally for stage in stages] == [progress < 0.75 for progress in PROGRESS]
    assert [stage.use_encoder for stage in stages] == [progress >= 0.4 for progress in PROGRESS]
    assert [stage.encoder_proposes for stage in stages] == [progress < 0.75 for progress in PROGRESS]
    assert stages[0].keep_fraction == 1
    assert stages[250].keep_fraction == pytest.approx(0.95)
    assert [stage.keep_fraction for stage in stages[500:]] == pytest.approx([0.9] * 501)
    assert stages[0].disturbance_degree == 10
    assert stages[100].disturbance_degree == pytest.approx(5)
    assert {stage.disturbance_degree for stage in stages[200:]} == {0}


def test_shares_of_zero_mean_from_the_start():
    curriculum = replace(CURRICULUM, keep_growth_share=0.0, disturbance_share=0.0, global_search_share=0.0)
    stage = stage_at(curriculum, 0.0)
    assert stage.keep_fraction == pytest.approx(0.9)
    assert stage.disturbance_degree == 0
    assert not stage.searches_globally
    assert stage_at(curriculum, 1.0).encoder_proposes  # without an orientation set nothing else looks far


def test_the_decoders_rate_holds_until_starts_are_compared_and_falls_evenly_in_its_logarithm_then():
    falling = replace(CURRICULUM, decoder_rate_start=0.8, decoder_rate_end=0.2)
    rates = [stage_at(falling, progress).decoder_rate for progress in PROGRESS]
    assert set(rates[:501]) == {0.8}
    assert rates[750] == pytest.approx(0.4)
    assert rates[1000] == pytest.approx(0.2)
    assert stage_at(replace(falling, fade_in_share=0.3), 0.2).decoder_rate == 0
    assert stage_at(CURRICULUM, 1.0).decoder_rate == 1


@pytest.mark.parametrize("progress", [-0.01, 1.01, float("nan")])
def test_progress_outside_the_run_is_refused(progress):
    with pytest.raises(ValueError, match="progress"):
        stage_at(CURRICULUM, progress)


def test_the_encoder_learns_at_its_full_rate_first_and_ever_slower_then():
    rates = [stage_at(CURRICULUM, progress).encoder_rate for progress in PROGRESS]
    assert set(rates[:501]) == {1.0}
    assert rates[500:] == sorted(rates[500:], reverse=True)
    assert rates[750] == pytest.approx(0.55)
    assert rates[1000] == pytest.approx(0.1)
