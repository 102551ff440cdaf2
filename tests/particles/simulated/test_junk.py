"""Junk rows are replaced and no others, and each is what its kind says."""

import dataclasses

import numpy as np
import torch

from cryofifa.particles.simulated.junk import Junk
from cryofifa.particles.simulated.simulated_set import JUNK_KINDS
from cryofifa.settings.sample import SampleJunkSettings, SolventSettings
from cryofifa_testkit.small_scenes import small_drawn, small_scene


def test_only_junk_rows_are_replaced_and_every_kind_can_be_made():
    drawn = small_drawn(16)
    kind = np.full(16, -1, dtype=np.int64)
    kind[2:9] = np.arange(7)
    scene = small_scene(dataclasses.replace(drawn, junk_kind=kind))
    clean = scene.particles(range(16))
    junk = Junk.of_scene(scene, 0.5, SolventSettings())
    assert set(junk.kinds) == set(JUNK_KINDS)
    found = junk.in_place_of(clean, range(16))
    differs = (found != clean).any(dim=1)
    assert torch.equal(differs, torch.from_numpy(kind >= 0))
    assert torch.isfinite(torch.view_as_real(found)).all()
    # rows do not depend on the block that they are made in
    torch.testing.assert_close(junk.in_place_of(clean[4:6], range(4, 6)), found[4:6])


def test_settings_name_the_kinds_that_there_are():
    assert set(SampleJunkSettings().weights) == set(JUNK_KINDS)
