"""Features are read by trilinear interpolation, from rows that do not depend on the box."""

import itertools

import torch

from cryofifa.model.hash_grid import HashGrid, corners_and_weights, row_of, rows_for


def test_interpolation_is_exact_for_functions_linear_along_each_axis():
    position = torch.rand(200, 3, generator=torch.Generator().manual_seed(0)) * 8 - 4
    point, weight = corners_and_weights(position)

    def function(place: torch.Tensor) -> torch.Tensor:
        x, y, z = place.unbind(-1)
        return 1 + 2 * x - y + 0.5 * x * y + x * y * z

    torch.testing.assert_close((weight * function(point.float())).sum(-1), function(position), atol=1e-3, rtol=1e-4)
    assert bool((weight >= 0).all())
    assert bool(((point - position[:, None]).abs() <= 1).all())


def test_points_near_the_origin_have_rows_of_their_own_and_others_spread_over_the_table():
    reach = 4
    near = torch.tensor(list(itertools.product(range(reach), range(1 - reach, reach), range(1 - reach, reach))))
    row = row_of(near, reach)
    assert len(row.unique()) == len(near)
    far = torch.tensor(list(itertools.product(range(reach, 12), range(-12, 12), range(-12, 12))))
    count = torch.bincount(row_of(far, reach), minlength=rows_for(reach))
    assert len(count) == rows_for(reach)
    assert int(count.max()) < 6 * len(far) / rows_for(reach)


def test_a_decoder_of_another_box_takes_the_features_over():
    torch.manual_seed(0)
    one, other = (HashGrid(finest=1.0, levels=2, reach=4) for _ in range(2))
    place = torch.randn(50, 3) * 3
    assert not torch.equal(one(place), other(place))
    other.start_from(one, 8.0)
    assert torch.equal(one(place), other(place))
