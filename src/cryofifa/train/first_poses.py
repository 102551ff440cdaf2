"""The poses that ab initio begins with: uniformly random rotations, no shifts."""

from __future__ import annotations

import torch

from cryofifa.particles.poses import Poses
from cryofifa.physics.rotations import rotation_from_uniform
from cryofifa.train.random_draws import RandomDraws


def random_poses(count: int, seed: int, device: torch.device, classes: int = 1) -> Poses:
    """Uniformly random rotations without shifts, of particles that count as not posed yet."""
    uniform = RandomDraws(seed, "first pose").uniform(torch.arange(count, device=device), 3)
    return Poses(
        rotation_from_uniform(uniform),
        torch.zeros(count, 2, device=device),
        torch.zeros(count, dtype=torch.bool, device=device),
        class_index=None if classes == 1 else torch.full((count,), -1, device=device),
    )
