"""What a run says of its map to the verdict: where its curve falls under 0.143, and what the halves had in common."""

from unittest.mock import Mock

import pytest
import torch

from cryofifa.particles.poses import Poses
from cryofifa.physics.rotations import rotation_from_uniform
from cryofifa.results.directional_fsc import DirectionalFsc
from cryofifa.results.gold_standard import MaskedFsc
from cryofifa.results.outputs import evidence_of_run
from cryofifa.run.plan import RunPlan
from cryofifa.run.progress import RunProgress
from cryofifa.settings.config import Config


def test_evidence_has_the_resolution_at_0143_and_the_first_shell_that_was_not_shared():
    """A box of 100 A, whose curve is 0.5 in shell 10 and under 0.143 from shell 20 on; six shells were shared."""
    curve = torch.ones(26)
    curve[10:20], curve[20:] = 0.45, 0.0
    zero = torch.zeros_like(curve)
    curves = MaskedFsc(unmasked=curve, masked=curve, randomised=zero, corrected=curve, chance=zero)
    plan = Mock(
        spec=RunPlan, box_size=50, pixel_size_angstrom=2.0, shared_shell=6, shared_resolution_angstrom=100.0 / 6
    )
    poses = Poses.unknown(torch.ones(60, dtype=torch.long))
    poses.rotation = rotation_from_uniform(torch.rand(60, 3, generator=torch.Generator().manual_seed(0)))
    directional = Mock(spec=DirectionalFsc, area_ratio=1.0, resolution_angstrom=torch.tensor([5.0, 7.0]))
    found = evidence_of_run(Config(), RunProgress(Config(), plan), poses, 2, curves, directional)
    assert 100 / 20 < found.resolution_angstrom < 100 / 19  # and not near 100 / 10
    assert found.unshared_resolution_angstrom == pytest.approx(100 / 7)
