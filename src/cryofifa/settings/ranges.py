"""What numbers the settings can be: beyond these nothing can be computed, or memory and time have no end."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator
from typing import Any

LARGEST_INTEGER = 2**62
SHARE = (0.0, 1.0)
POSITIVE = (1e-6, 1e6)
# By name, in every table that has it; anything else is from 0 to 1e9.
RANGES: dict[str, tuple[float, float]] = {
    "seed": (0, LARGEST_INTEGER),
    "diameter_angstrom": POSITIVE,
    "memory_gib": (1e-3, 1e9),
    "start_resolution_angstrom": POSITIVE,
    "end_resolution_angstrom": POSITIVE,
    "mask_margin": (0.1, 100),
    "mask_edge_share": (1e-3, 100),
    "shift_margin_share": (0, 100),
    "butterworth_order": (1, 100),
    "butterworth_resolution_share": (1e-3, 100),
    "channels": (1, 512),
    "stages": (1, 6),
    "feature_width": (1, 16_384),
    "omega": POSITIVE,
    "learning_rate": SHARE,
    "decoder_learning_rate": SHARE,
    "voxel_learning_rate": POSITIVE,
    "voxel_last_rate": (1e-6, 1),
    "hash_learning_rate": POSITIVE,
    "hash_spacing": POSITIVE,
    "hash_levels": (1, 16),
    "heads": (1, 64),
    "random_turns": (1, 360),
    "synthetic_per_particle": (0, 64),
    "width": (1, 16_384),
    "modulant_layers": (1, 100),
    "envelope_layers": (1, 100),
    "omega_modulant": POSITIVE,
    "omega_envelope": POSITIVE,
    "coordinate_scale": POSITIVE,
    "minibatches_per_sampling": (1, 1e9),
    "mask_steps": (1, 1e9),
    "minibatch": (2, 1e9),
    "starts": (1, 1000),
    "visits": (1, 1e12),
    "fewest_epochs": (1, 1e6),
    "[curriculum] epochs": (1, 1e6),
    "most_particles": (1, 1e9),
    "start_share": SHARE,
    "start_cycles": POSITIVE,
    "end_cycles": POSITIVE,
    "growth_share": (1e-6, 1),
    "keep_fraction": (1e-6, 1),
    "keep_growth_share": SHARE,
    "orientations": (1, 1e6),
    "best_orientations": (1, 1000),
    "global_search_share": SHARE,
    "orientation_cycles": (0.5, 1e6),  # no Fourier point is within less
    "wide_perturbations": (0, 1000),
    "narrow_perturbations": (0, 1000),
    "wide_cycles": (0, 1e3),
    "narrow_cycles": (0, 1e3),
    "temperature": (0, 1e6),
    "encoder_share": SHARE,
    "encoder_copies": (1, 64),
    "shift_range_share": (1e-3, 10),
    "disturbance_degree": (0, 360),
    "disturbance_share": SHARE,
    "fade_in_share": (0, 0.99),
    "fsc_limit": SHARE,
    "newton_steps": (0, 100),
    "search_again_share": SHARE,
    "most_searches": (1, 1000),
    "settled_cycles": (0, 1000),
    "candidates": (1, 1000),
}


def out_of_range(settings: Any, table: str = "") -> Iterator[str]:
    """What is wrong with the numbers of a tree of settings, in words."""
    for field in dataclasses.fields(settings):
        value = getattr(settings, field.name)
        if dataclasses.is_dataclass(value):
            yield from out_of_range(value, f"[{field.name}] ")
        elif isinstance(value, (int, float)) and not isinstance(value, bool):
            name = table + field.name
            least, largest = RANGES.get(name, RANGES.get(field.name, (0, 1e9)))
            if not least <= value <= largest:  # NaN is nowhere
                yield f"{name} is {value}, it must be from {least:g} to {largest:g}"
