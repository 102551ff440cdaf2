"""The schedule of a start: masks grow, the memory is short until poses rest and then reaches all particles."""

import pytest

from cryofifa.stochastic_em.schedule import FINISHING_EPOCHS, StartSchedule

SCHEDULE = StartSchedule(first_radius=4.0, last_radius=12.0, growth_epochs=8.0, most_epochs=15, memory_particles=300.0)


def test_the_mask_grows_evenly_and_then_stays():
    assert SCHEDULE.radius(0, None) == 4
    assert SCHEDULE.radius(2, None) == pytest.approx(6)
    assert SCHEDULE.radius(8, None) == SCHEDULE.radius(14.5, None) == 12


def test_a_start_that_rests_early_ends_with_the_last_mask():
    assert SCHEDULE.radius(3, 0.0) == 12


def test_the_memory_is_short_until_the_end_and_whole_after_it():
    assert SCHEDULE.memory(3000, None) == 300
    assert SCHEDULE.memory(3000, 0.0) == pytest.approx(300)
    assert SCHEDULE.memory(3000, FINISHING_EPOCHS / 4) == pytest.approx((300 * 3000) ** 0.5)
    assert SCHEDULE.memory(3000, FINISHING_EPOCHS / 2) == pytest.approx(3000)
    assert SCHEDULE.memory(3000, FINISHING_EPOCHS) == pytest.approx(3000)


def test_of_few_particles_all_are_remembered():
    assert SCHEDULE.memory(100, None) == SCHEDULE.memory(100, 1.0) == 100
