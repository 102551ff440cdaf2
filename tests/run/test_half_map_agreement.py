"""Half maps agree on what both saw beyond what they shared, and a common shell is no agreement."""

import pytest
import torch

from cryofifa.physics.mask import distance_from_centre
from cryofifa.physics.shells import scale_shells
from cryofifa.run.half_map_agreement import half_map_agreement
from cryofifa_testkit.known_volumes import blob_volume

SIZE, SHARED = 32, 6.0
SHELLS = torch.arange(SIZE // 2 + 1)


def noise(seed: int) -> torch.Tensor:
    return torch.randn(SIZE, SIZE, SIZE, generator=torch.Generator().manual_seed(seed))


def test_the_same_map_agrees_in_every_shell_that_counts():
    assert half_map_agreement(blob_volume(SIZE), blob_volume(SIZE), SHARED) == pytest.approx(4, abs=1e-3)  # 9 to 12


def test_what_was_shared_does_not_count():
    shared = scale_shells(noise(0), (SHELLS <= 8).float())
    apart = [shared + scale_shells(noise(seed), (SHELLS > 8).float()) for seed in (1, 2)]
    assert half_map_agreement(*apart, SHARED) == pytest.approx(0, abs=0.3)


def test_a_common_spherical_shell_does_not_count():
    shell = 30 * torch.exp(-((distance_from_centre(SIZE, 3) - 8) ** 2) / 8)
    assert half_map_agreement(shell + noise(1), shell + noise(2), SHARED) == pytest.approx(0, abs=0.3)


def test_a_box_that_ends_where_the_halves_were_split_still_tells():
    assert half_map_agreement(blob_volume(SIZE), blob_volume(SIZE), SIZE // 2 - 1) > 0.9


def test_a_box_that_ends_early_still_tells():
    assert half_map_agreement(blob_volume(SIZE), blob_volume(SIZE), 14.0) > 0.9
