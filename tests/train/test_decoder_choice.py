"""Every kind of decoder that the settings offer can be built, learns at its own rate, and gives slices."""

from typing import Any, get_args

import pytest
import torch

from cryofifa.particles.particle_size import ParticleSize
from cryofifa.physics.fourier import HalfPlane
from cryofifa.settings.config import Config, PoseMode
from cryofifa.settings.decoders import DecoderKind
from cryofifa.settings.images import ImageSettings
from cryofifa.train.decoder_choice import DECODERS, decoder_learning_rate, decoder_of, last_decoder_rate
from cryofifa_testkit.known_volumes import random_rotations

BOX, PIXEL_ANGSTROM, RADIUS_ANGSTROM = 16, 6.0, 40.0
SIZE = ParticleSize(RADIUS_ANGSTROM, is_given=False, settings=ImageSettings())
RATES: dict[DecoderKind, dict[str, Any]] = {
    "voxels": {"decoder": {"voxels": {"learning_rate": 0.3, "last_rate": 0.5}}},
    "hash grid": {"decoder": {"hash_grid": {"learning_rate": 0.3}}},
    "FourierNet": {"decoder": {"fourier_net": {"learning_rate": 0.3}}},
}


def test_the_table_has_all_kinds_of_the_settings() -> None:
    assert set(get_args(DecoderKind)) == DECODERS.keys() == RATES.keys()


@pytest.mark.parametrize("kind", DECODERS)
def test_a_decoder_of_each_kind_learns(kind: DecoderKind) -> None:
    config = Config().changed(decoder={"kind": kind})
    decoder = decoder_of(config, BOX, PIXEL_ANGSTROM, SIZE)
    slices = decoder.slices(random_rotations(2), HalfPlane.of_box(BOX, PIXEL_ANGSTROM).within(5.0))
    (slices - 1).abs().square().sum().backward()
    assert any(parameter.grad is not None and parameter.grad.abs().max() > 0 for parameter in decoder.parameters())


@pytest.mark.parametrize("kind", DECODERS)
def test_a_rate_is_set_in_the_table_of_its_kind_alone(kind: DecoderKind) -> None:
    for other, changes in RATES.items():
        usual = Config().changed(decoder={"kind": kind})
        found = usual.changed(**changes)
        assert (decoder_learning_rate(found) == 0.3) == (kind == other)
        assert (decoder_learning_rate(found) != decoder_learning_rate(usual)) == (kind == other)
    assert last_decoder_rate(usual.changed(**RATES["voxels"])) == (0.5 if kind == "voxels" else 1.0)


@pytest.mark.parametrize(("mode", "rate"), [("guided", 0.3), ("amortized", 0.2)])
def test_fourier_net_has_a_rate_of_its_own_in_amortized_mode(mode: PoseMode, rate: float) -> None:
    config = Config(pose_mode=mode).changed(
        decoder={"kind": "FourierNet", "fourier_net": {"learning_rate": 0.3}}, amortized={"decoder_learning_rate": 0.2}
    )
    assert decoder_learning_rate(config) == rate


def test_the_settings_of_fourier_net_and_hash_grid_reach_them() -> None:
    wide = Config().changed(decoder={"kind": "FourierNet", "fourier_net": {"width": 24}})
    decoder = decoder_of(wide, BOX, PIXEL_ANGSTROM, SIZE)
    assert max(parameter.shape[-1] for parameter in decoder.parameters()) == 24
    few = Config().changed(decoder={"kind": "hash grid", "hash_grid": {"levels": 2, "spacing": 0.5}})
    grid = decoder_of(few, BOX, PIXEL_ANGSTROM, SIZE)
    # frequency times radius is 0.5: in Fourier pixels of the box
    finest = 0.5 / RADIUS_ANGSTROM * BOX * PIXEL_ANGSTROM
    assert torch.tensor(grid.spacing).tolist() == pytest.approx([finest, 2 * finest])
