"""Which decoder a run has, and how fast it learns. Another kind of decoder is another line in `DECODERS`."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from cryofifa.model.fourier_net import FourierNet
from cryofifa.model.hash_grid import HashGrid
from cryofifa.model.volume_decoder import VolumeDecoder
from cryofifa.model.voxel_grid import VoxelGrid
from cryofifa.particles.particle_size import ParticleSize
from cryofifa.settings.config import Config
from cryofifa.settings.decoders import DecoderKind


@dataclass(frozen=True)
class Decoder:
    """One kind of decoder.

    Attributes:
        build: makes a new one from the settings, the working box in pixels, its pixel size in angstrom and the
            particle's size.
        learning_rate: Adam's learning rate, which the curriculum's decoder rate multiplies.
        last_rate: the share of the learning rate that is left at the end of ab initio.
    """

    build: Callable[[Config, int, float, ParticleSize], VolumeDecoder]
    learning_rate: Callable[[Config], float]
    last_rate: Callable[[Config], float]


def decoder_of(config: Config, box_size: int, pixel_size_angstrom: float, size: ParticleSize) -> VolumeDecoder:
    """A new decoder of the kind that the settings ask for.

    Args:
        config: settings of the run.
        box_size: working box in pixels.
        pixel_size_angstrom: of the working box.
        size: the particle's size as the run begins with it, before the map tightens it.
    """
    return DECODERS[config.decoder_kind].build(config, box_size, pixel_size_angstrom, size)


def decoder_learning_rate(config: Config) -> float:
    """Adam's learning rate for the decoder, which the curriculum's decoder rate multiplies."""
    return DECODERS[config.decoder_kind].learning_rate(config)


def last_decoder_rate(config: Config) -> float:
    """The share of the decoder's learning rate that is left at the end of ab initio."""
    return DECODERS[config.decoder_kind].last_rate(config)


def _voxels(_: Config, box_size: int, pixel_size_angstrom: float, size: ParticleSize) -> VoxelGrid:
    ball = size.image_mask(pixel_size_angstrom)
    return VoxelGrid(box_size=box_size, support_radius_pixel=ball.radius_pixel, edge_width_pixel=ball.edge_pixel)


def _hash_grid(config: Config, box_size: int, pixel_size_angstrom: float, size: ParticleSize) -> HashGrid:
    settings = config.decoder.hash_grid
    return HashGrid(
        finest=settings.spacing * box_size * pixel_size_angstrom / size.radius_angstrom, levels=settings.levels
    )


def _fourier_net(config: Config, box_size: int, pixel_size_angstrom: float, size: ParticleSize) -> FourierNet:
    settings = config.decoder.fourier_net
    return FourierNet(
        width=settings.width,
        modulant_layers=settings.modulant_layers,
        envelope_layers=settings.envelope_layers,
        omega_modulant=settings.omega_modulant,
        omega_envelope=settings.omega_envelope,
        coordinate_scale=settings.coordinate_scale * size.radius_angstrom / (box_size * pixel_size_angstrom),
    )


def _fourier_net_rate(config: Config) -> float:
    """In amortized mode the volume must not change faster than the encoder can follow."""
    guided = config.pose_mode == "guided"
    return config.decoder.fourier_net.learning_rate if guided else config.amortized.decoder_learning_rate


def _never_falls(_: Config) -> float:
    return 1.0


DECODERS: dict[DecoderKind, Decoder] = {
    "voxels": Decoder(
        _voxels,
        lambda config: config.decoder.voxels.learning_rate,
        lambda config: config.decoder.voxels.last_rate,
    ),
    "hash grid": Decoder(_hash_grid, lambda config: config.decoder.hash_grid.learning_rate, _never_falls),
    "FourierNet": Decoder(_fourier_net, _fourier_net_rate, _never_falls),
}
