"""Filters between half maps and references: the halves never meet in them, and what would be shared is said."""

import torch

from cryofifa.physics.map_filter import LocalWiener, MapFilter, NoFilter
from cryofifa.physics.mask import spherical_mask
from cryofifa.settings.config import Config
from cryofifa.train.map_filter_choice import map_filter_of

SIZE = 32
MASK = spherical_mask(SIZE, 12.0, 4.0)


def noise(seed: int) -> torch.Tensor:
    return torch.randn(SIZE, SIZE, SIZE, generator=torch.Generator().manual_seed(seed))


def test_where_symmetry_is_imposed_halves_stay_as_they_are():
    halves = noise(0), noise(1)
    for group, kind in (("C1", LocalWiener), ("C2", NoFilter), ("O", NoFilter)):
        assert type(map_filter_of(Config(symmetry=group))) is kind
    assert NoFilter().references(*halves, MASK, 4.0) == halves


def test_solvent_is_taken_out_of_a_reference():
    """A ball of signal in noise: outside of it little is left, inside nearly all."""
    ball = 3 * spherical_mask(SIZE, 5.0, 2.0)
    first, _ = LocalWiener().references(ball + noise(0), ball + noise(1), MASK, 4.0)
    inside, outside = ball > 2.9, (ball == 0) & (MASK == 1)
    assert float(first[outside].std()) < 0.7
    assert abs(float(first[inside].mean()) - 3) < 0.6


def test_both_filters_keep_the_protocol_and_share_nothing():
    for one in (NoFilter(), LocalWiener()):
        assert isinstance(one, MapFilter)
        assert one.shared_resolution_angstrom is None
