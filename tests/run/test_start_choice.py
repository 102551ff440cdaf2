"""Where masks begin and end follows from what the images can tell, and the starts from the point group."""

import pytest

from cryofifa import Config
from cryofifa.particles.signal_spectrum import SignalSpectrum
from cryofifa.run.start_choice import resolution_with_enough_information, start_choice

EXTENT = 300.0


def spectrum(information_per_ring: float) -> SignalSpectrum:
    """Every ring tells the same."""
    rings = tuple(information_per_ring * ring for ring in range(51))
    return SignalSpectrum(EXTENT, (1.0,) * 51, (1.0,) * 51, rings)


def test_masks_end_where_enough_is_known_or_nearly_all_of_it():
    """45 is enough; of a particle with a radius of 60 A four cycles are 15 A, which here is ring 20."""
    assert resolution_with_enough_information(spectrum(9.0), 60.0, 1) == pytest.approx(EXTENT / 5)
    assert resolution_with_enough_information(spectrum(3.0), 60.0, 1) == pytest.approx(EXTENT / 15)
    assert resolution_with_enough_information(spectrum(1.0), 60.0, 1) == pytest.approx(EXTENT / 20, rel=0.05)


def test_a_larger_particle_is_told_at_coarser_resolution_and_a_symmetric_one_at_finer():
    faint = spectrum(0.5)
    small, large = (resolution_with_enough_information(faint, radius, 1) for radius in (60.0, 120.0))
    assert large == pytest.approx(2 * small, rel=0.1)
    assert resolution_with_enough_information(faint, 60.0, 24) < 0.75 * small


@pytest.mark.parametrize(
    ("settings", "wanted"),
    [
        ({}, (2, 8, "explained power")),
        ({"symmetry": "O"}, (2, 16, "half maps")),
        ({"starts": {"count": 1}}, (1, 1, "explained power")),
        ({"starts": {"count": 1}, "symmetry": "O"}, (1, 1, "explained power")),
        ({"starts": {"count": 5}}, (5, 5, "explained power")),
        ({"starts": {"most": 3}}, (2, 3, "explained power")),
        ({"pose_mode": "amortized"}, (1, 1, "explained power")),
    ],
)
def test_starts_go_on_until_two_agree_unless_a_number_is_asked_for(settings: dict, wanted: tuple[int, int, str]):
    found = start_choice(Config().changed(**settings))
    assert (found.least, found.most, found.judge) == wanted
