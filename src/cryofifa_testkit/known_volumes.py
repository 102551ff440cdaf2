"""Volumes, projections and transforms known in closed form: Gaussian blobs, written in numpy from the definitions.

Nothing of the program under test is used, so that what it gives may be compared with this. Positions are (x, y, z)
in pixels from the centre N//2; the blobs have no symmetry.
"""

import math

import numpy as np
import torch
from scipy.spatial.transform import Rotation

from cryofifa.physics.ctf import CtfParameters

CENTRES = np.array([(5.0, 1.0, -2.0), (-4.0, 4.5, 1.0), (1.0, -5.5, 3.5), (-2.0, -1.0, -5.0), (3.0, 3.0, 5.0)])
WEIGHTS = np.array([3.0, 2.0, 2.5, 1.5, 1.0])


def blob_volume(size: int, width: float = 1.6) -> torch.Tensor:
    """Density of the blobs; each integrates to its weight."""
    return density_of_blobs(size, CENTRES, WEIGHTS, width)


def density_of_blobs(size: int, centres: np.ndarray, weights: np.ndarray, width: float) -> torch.Tensor:
    """Density of Gaussian blobs at any places (x, y, z) from N//2; each integrates to its weight."""
    line = np.arange(size) - size // 2
    x, y, z = (np.exp(-((line - centres[:, axis, None]) ** 2) / (2 * width**2)) for axis in range(3))
    total = np.einsum("n,nz,ny,nx->zyx", weights, z, y, x) / (2 * math.pi * width**2) ** 1.5
    return torch.from_numpy(total).float()


def symmetric_places(group: str, blobs: int, reach: float, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Random places within a ball and all their copies by scipy's own point group, and weights."""
    generator = np.random.default_rng(seed)
    direction = generator.standard_normal((blobs, 3))
    direction /= np.linalg.norm(direction, axis=1, keepdims=True)
    places = direction * reach * generator.uniform(0.15, 1, (blobs, 1)) ** (1 / 3)
    members = Rotation.create_group(group).as_matrix()
    weights = np.tile(generator.uniform(0.5, 1.5, blobs), len(members))
    return np.einsum("gij,nj->gni", members, places).reshape(-1, 3), weights


def blob_projection(
    size: int, rotation: np.ndarray, width: float = 1.6, particle_at: tuple[float, float] = (0.0, 0.0)
) -> torch.Tensor:
    """Line integral along the image's z of the turned blobs, r_image = A r_volume, then displaced."""
    line = np.arange(size) - size // 2
    y, x = np.meshgrid(line, line, indexing="ij")
    total = np.zeros((size, size))
    for centre, weight in zip(CENTRES @ rotation.T, WEIGHTS, strict=True):
        square = (x - centre[0] - particle_at[0]) ** 2 + (y - centre[1] - particle_at[1]) ** 2
        total += weight * np.exp(-square / (2 * width**2)) / (2 * math.pi * width**2)
    return torch.from_numpy(total).float()


def blob_transform(
    frequency_per_pixel: np.ndarray, width: float = 1.6, centres: np.ndarray = CENTRES, weights: np.ndarray = WEIGHTS
) -> np.ndarray:
    """Integral of density * exp(-2 pi i k.r) at frequencies (..., 3)."""
    square = (frequency_per_pixel**2).sum(-1)
    phase = np.exp(-2j * math.pi * (frequency_per_pixel @ centres.T))
    return (phase @ weights) * np.exp(-2 * math.pi**2 * width**2 * square)


def random_rotations(count: int, seed: int = 0) -> torch.Tensor:
    # scipy's stubs know only the name that its releases before 1.15 lack
    turns = Rotation.random(count, random_state=seed)  # pyright: ignore[reportCallIssue]
    return torch.from_numpy(turns.as_matrix()).float()


def turned_by_degrees(rotation: torch.Tensor, degrees: float, seed: int = 0) -> torch.Tensor:
    """Every rotation turned about its own random axis by exactly this angle."""
    axis = np.random.default_rng(seed).standard_normal((len(rotation), 3))
    axis *= np.radians(degrees) / np.linalg.norm(axis, axis=1, keepdims=True)
    return torch.from_numpy(Rotation.from_rotvec(axis).as_matrix()).float() @ rotation


def angles_degree(a: torch.Tensor, b: torch.Tensor) -> np.ndarray:
    """scipy's angle between pairs of rotations."""
    return np.degrees(Rotation.from_matrix((a.mT @ b).double().numpy()).magnitude())


def flat_ctf(n: int) -> CtfParameters:
    """CTF = 1 everywhere: zero defocus, zero Cs, phase shift of 90 degrees, no amplitude contrast."""
    zero, one = torch.zeros(n), torch.ones(n)
    return CtfParameters(zero, zero, zero, torch.full((n,), math.pi / 2), 300 * one, zero, zero, zero, one)


def microscope_ctf(n: int, seed: int = 0, astigmatism_angstrom: float = 400.0) -> CtfParameters:
    """300 kV, Cs 2.7 mm, 10 % amplitude contrast, defocus from 0.8 to 2.5 micrometres."""
    generator = np.random.default_rng(seed)
    mean = torch.from_numpy(generator.uniform(8000, 25000, n)).float()
    angle = torch.from_numpy(generator.uniform(-math.pi / 2, math.pi / 2, n)).float()
    zero, one, half = torch.zeros(n), torch.ones(n), astigmatism_angstrom / 2
    return CtfParameters(mean + half, mean - half, angle, zero, 300 * one, 2.7 * one, 0.1 * one, zero, one)
