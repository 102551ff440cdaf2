"""Records of epochs become arrays without losing any."""

import math
from dataclasses import replace

import numpy as np

from cryofifa.results.report.epoch_columns import epoch_column, refinement_epochs, winner_share_columns
from cryofifa.train.epoch_record import WINNER_ORIGINS, EpochRecord

RECORD = EpochRecord(
    epoch=0,
    particles=100,
    mask_radius_pixel=8.0,
    resolution_angstrom=20.0,
    loss=1.0,
    encoder_loss=0.5,
    pose_change_median_degree=None,
    shift_change_median_angstrom=None,
    winner_shares={},
    particle_radius_angstrom=80.0,
    seconds=30.0,
    phase="ab-initio",
)


def test_what_is_not_known_is_nan() -> None:
    history = [RECORD, replace(RECORD, epoch=1, pose_change_median_degree=3.0)]
    np.testing.assert_array_equal(epoch_column(history, "pose_change_median_degree"), [np.nan, 3.0])
    np.testing.assert_array_equal(epoch_column(history, "epoch"), [0, 1])
    assert epoch_column([], "loss").shape == (0,)


def test_only_epochs_of_half_map_refinement_count_as_such() -> None:
    phases = ("ab-initio", "encoder", "half-map refinement", "half-map refinement")
    history = [replace(RECORD, epoch=epoch, phase=phase) for epoch, phase in enumerate(phases)]
    assert refinement_epochs(history) == [2, 3]


def test_shares_of_an_epoch_sum_to_one_whatever_their_names() -> None:
    history = [
        replace(RECORD, winner_shares={"orientation set": 0.6, "memory": 0.4}),
        replace(RECORD, winner_shares={"memory": 0.5, "a guess": 0.25, "a new one": 0.25, "encoder": math.nan}),
    ]
    columns = winner_share_columns(history)
    assert list(columns) == [*(origin for origin in WINNER_ORIGINS if origin != "perturbation"), "other"]
    np.testing.assert_allclose(sum(columns.values()), 1)
    np.testing.assert_allclose(columns["other"], [0, 0.5])
    assert winner_share_columns([]) == {}
