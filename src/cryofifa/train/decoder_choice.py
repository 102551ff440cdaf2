"""Which decoder a run has, and how fast it learns."""

from __future__ import annotations

from cryofifa.model.fourier_net import FourierNet
from cryofifa.model.hash_grid import HashGrid
from cryofifa.model.volume_decoder import VolumeDecoder
from cryofifa.model.voxel_grid import VoxelGrid
from cryofifa.settings.config import Config


def decoder_of(
    config: Config, box_size: int, pixel_size_angstrom: float, particle_radius_angstrom: float
) -> VolumeDecoder:
    """A new decoder for a working box; the radius is the one the run begins with, before the map tightens it."""
    settings = config.decoder
    if config.decoder_kind == "voxels":
        radius, edge = config.image.volume_mask_pixel(particle_radius_angstrom, pixel_size_angstrom)
        return VoxelGrid(box_size=box_size, support_radius_pixel=radius, edge_width_pixel=edge)
    if config.decoder_kind == "hash grid":
        return HashGrid(
            finest=settings.hash_spacing * box_size * pixel_size_angstrom / particle_radius_angstrom,
            levels=settings.hash_levels,
        )
    return FourierNet(
        width=settings.width,
        modulant_layers=settings.modulant_layers,
        envelope_layers=settings.envelope_layers,
        omega_modulant=settings.omega_modulant,
        omega_envelope=settings.omega_envelope,
        coordinate_scale=settings.coordinate_scale * particle_radius_angstrom / (box_size * pixel_size_angstrom),
    )


def decoder_learning_rate(config: Config) -> float:
    """What the curriculum's decoder rate multiplies."""
    if config.decoder_kind == "voxels":
        return config.decoder.voxel_learning_rate
    if config.decoder_kind == "hash grid":
        return config.decoder.hash_learning_rate
    return config.decoder.learning_rate if config.pose_mode == "guided" else config.amortized.decoder_learning_rate


def last_decoder_rate(config: Config) -> float:
    """Share of its learning rate at which a decoder leaves ab initio."""
    return config.decoder.voxel_last_rate if config.decoder_kind == "voxels" else 1.0
