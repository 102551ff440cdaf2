"""The run says so where particles lie as far from the centre as it could follow, and is silent where they do not."""

import torch

from cryofifa.particles.poses import Poses
from cryofifa.results.shift_limit import shift_limit_warning

RANGE_ANGSTROM = 20.0


def poses_with(shift_angstrom: torch.Tensor) -> Poses:
    shift_angstrom = shift_angstrom * (RANGE_ANGSTROM / shift_angstrom.norm(dim=1, keepdim=True)).clamp_max(1)
    return Poses.found(torch.eye(3).expand(len(shift_angstrom), 3, 3), shift_angstrom)


def test_origins_spread_by_a_quarter_of_the_range_are_nothing_to_speak_of():
    drawn = torch.randn(4000, 2, generator=torch.Generator().manual_seed(1))
    assert shift_limit_warning(poses_with(RANGE_ANGSTROM / 4 * drawn), RANGE_ANGSTROM) is None


def test_origins_that_the_range_cuts_off_are_told_with_their_share():
    """Of a Gaussian in the plane whose sd is the range, exp(-1/2) = 61 % lie beyond it."""
    drawn = torch.randn(4000, 2, generator=torch.Generator().manual_seed(1))
    found = shift_limit_warning(poses_with(RANGE_ANGSTROM * drawn), RANGE_ANGSTROM)
    assert found is not None
    assert abs(int(found.split(" %")[0]) - 61) < 8
    assert "20 A" in found


def test_of_a_handful_of_particles_nothing_is_said():
    assert shift_limit_warning(poses_with(RANGE_ANGSTROM * torch.ones(20, 2)), RANGE_ANGSTROM) is None
    assert shift_limit_warning(poses_with(torch.ones(0, 2)), RANGE_ANGSTROM) is None
