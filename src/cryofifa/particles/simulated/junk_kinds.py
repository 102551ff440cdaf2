"""Images that are no particles, one class per kind: what stands in a row in place of its particle.

Each has `transform(scene, row, generator)`: the Fourier values of the noise-free image, up to Nyquist.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol, runtime_checkable

import numpy as np
import torch
from jaxtyping import Complex, Float
from scipy.spatial.transform import Rotation
from torch import Tensor

from cryofifa.particles.simulated.pseudo_protein import other_molecule
from cryofifa.particles.simulated.scene import Scene, clean_transforms, signal_variance
from cryofifa.particles.simulated.solvent import in_water
from cryofifa.physics.central_slice import FourierGrid
from cryofifa.physics.ctf import contrast_transfer
from cryofifa.physics.fourier import HalfPlane, centred_index, inverse_fourier_2d
from cryofifa.physics.mask import soft_edge
from cryofifa.physics.shift import displacement_phase
from cryofifa.settings.sample import SolventSettings

_FRAGMENTS = 4  # different ones in a set; a molecule breaks at few places
_FRAGMENT_EDGE_ANGSTROM = 6.0
_CARBON_EDGE_ANGSTROM = 15.0


@runtime_checkable
class JunkKind(Protocol):
    """One kind of junk."""

    def transform(self, scene: Scene, row: int, generator: np.random.Generator) -> Complex[Tensor, " points"]:
        """Fourier values of the noise-free image in this row; the generator is the row's own."""
        ...


@dataclass(frozen=True)
class Nothing:
    """Pure noise: the picker was wrong."""

    def transform(self, scene: Scene, *_: object) -> Complex[Tensor, " points"]:
        """Zero everywhere."""
        return torch.zeros(len(scene.plane), dtype=torch.complex64)


@dataclass(frozen=True)
class Ice:
    """One to three bright Gaussian blobs, 4 to 12 % of the box wide, anywhere in it."""

    def transform(self, scene: Scene, row: int, generator: np.random.Generator) -> Complex[Tensor, " points"]:
        """Ice is bright: its image has one to three times the standard deviation of the noise."""
        contrast = contrast_transfer(scene.drawn.ctf(slice(row, row + 1)), scene.plane.frequency_per_angstrom)
        transform = _blobs(scene.plane, generator) * contrast
        return (transform * generator.uniform(1.0, 3.0) / inverse_fourier_2d(scene.plane.fill(transform)).std())[0]


@dataclass(frozen=True)
class AnotherMolecule:
    """Another protein of the same size and SNR, in the row's pose."""

    grid: FourierGrid
    scale: float

    @classmethod
    def beside(cls, scene: Scene, snr: float, solvent: SolventSettings) -> AnotherMolecule:
        """A made-up protein with the radius of the scene's molecule, in the same water."""
        plane = scene.plane
        density = other_molecule(plane.box_size, plane.pixel_size_angstrom, scene.radius_angstrom)
        grid = FourierGrid.from_volume(in_water(density, plane.pixel_size_angstrom, solvent), plane.box_size // 2)
        return cls(grid, (snr / signal_variance(grid, plane, scene.drawn)) ** 0.5)

    def transform(self, scene: Scene, row: int, *_: object) -> Complex[Tensor, " points"]:
        """The molecule, as it would be seen where the particle is not."""
        return clean_transforms(self.grid, scene.plane, scene.drawn, slice(row, row + 1))[0] * self.scale


@dataclass(frozen=True)
class CarbonEdge:
    """The straight edge of the carbon film, which is brighter than ice and has a grain of its own."""

    def transform(self, scene: Scene, row: int, generator: np.random.Generator) -> Complex[Tensor, " points"]:
        """Up to 0.35 of the box from its centre; 1 to 3 noise sd brighter, with a grain of 0.3 to 0.8 noise sd."""
        size, pixel_size = scene.plane.box_size, scene.plane.pixel_size_angstrom
        angle, offset = generator.uniform(0, 2 * np.pi), generator.uniform(-0.35, 0.35) * size
        line = centred_index(size).float()
        across = np.cos(angle) * line + np.sin(angle) * line[:, None] - offset
        carbon = soft_edge(across, 0.0, _CARBON_EDGE_ANGSTROM / pixel_size)
        # the grain is matter, and imaged as such
        white = torch.from_numpy(generator.standard_normal((size, size), dtype=np.float32))
        contrast = contrast_transfer(scene.drawn.ctf(slice(row, row + 1)), scene.plane.frequency_per_angstrom)[0]
        grain = inverse_fourier_2d(scene.plane.fill(scene.transform_of(white) * contrast))
        grain = grain * generator.uniform(0.3, 0.8) / grain.std()
        return scene.transform_of(carbon * (generator.uniform(1.0, 3.0) + grain))


@dataclass(frozen=True)
class Aggregate:
    """A heap of four to eight particles, each turned as it likes, about a molecule's radius wide."""

    def transform(self, scene: Scene, row: int, generator: np.random.Generator) -> Complex[Tensor, " points"]:
        """Places are Gaussian about the box centre, with a standard deviation of 0.6 radii."""
        count = int(generator.integers(4, 9))
        place = generator.normal(0, 0.6 * scene.radius_angstrom, (count, 2))
        return scene.transform_of(scene.copies(row, _random_rotations(count, generator), place, generator))


@dataclass(frozen=True)
class Two:
    """Two particles, 1.2 to 2 radii apart, with the centre of the box about half-way between them."""

    def transform(self, scene: Scene, row: int, generator: np.random.Generator) -> Complex[Tensor, " points"]:
        """The picker's circle lies on both."""
        angle, distance = generator.uniform(0, 2 * np.pi), generator.uniform(1.2, 2.0) * scene.radius_angstrom
        half = 0.5 * distance * np.array([np.cos(angle), np.sin(angle)])
        place = np.stack([half, -half]) - scene.drawn.shift_angstrom[row]
        return scene.transform_of(scene.copies(row, _random_rotations(2, generator), place, generator))


@dataclass(frozen=True)
class Fragment:
    """A part of the first structure, cut off by a plane, in the row's pose."""

    grids: tuple[FourierGrid, ...]

    @classmethod
    def of_scene(cls, scene: Scene, generator: np.random.Generator) -> Fragment:
        """Four different fragments, each with 30 to 60 % of the density, brought to the centre."""
        whole, plane = scene.molecules[0].volume, scene.plane
        made = [broken_off(whole, plane.pixel_size_angstrom, generator) for _ in range(_FRAGMENTS)]
        return cls(tuple(FourierGrid.from_volume(one, plane.box_size // 2) for one in made))

    def transform(self, scene: Scene, row: int, generator: np.random.Generator) -> Complex[Tensor, " points"]:
        """One of the fragments, as bright as it was in the whole."""
        grid = self.grids[generator.integers(len(self.grids))]
        return clean_transforms(grid, scene.plane, scene.drawn, slice(row, row + 1))[0] * scene.scale


def broken_off(
    volume: Float[Tensor, "z y x"], pixel_size_angstrom: float, generator: np.random.Generator
) -> Float[Tensor, "z y x"]:
    """What lies on one side of a random plane, 30 to 60 % of the density's positive part, moved to the box centre."""
    size = volume.shape[-1]
    normal = generator.standard_normal(3)
    normal /= np.linalg.norm(normal)
    line = centred_index(size).float()
    height = normal[0] * line + normal[1] * line[:, None] + normal[2] * line[:, None, None]
    mass = volume.clamp_min(0)
    order = height.flatten().argsort()
    below = mass.flatten()[order].double().cumsum(0)
    cut = int(torch.searchsorted(below, generator.uniform(0.3, 0.6) * below[-1]))
    edge = float(height.flatten()[order[min(cut, len(order) - 1)]])
    part = volume * soft_edge(height, edge, _FRAGMENT_EDGE_ANGSTROM / pixel_size_angstrom)
    kept = part.clamp_min(0)
    axes = [tuple(other for other in range(3) if other != axis) for axis in range(3)]
    middle = [round(float((kept.sum(axes[axis]) * line).sum() / kept.sum())) for axis in range(3)]
    return torch.roll(part, [-one for one in middle], dims=(0, 1, 2))


def _random_rotations(count: int, generator: np.random.Generator) -> Float[np.ndarray, "count 3 3"]:
    return Rotation.from_quat(generator.standard_normal((count, 4))).as_matrix()


def _blobs(plane: HalfPlane, generator: np.random.Generator) -> Complex[Tensor, "1 points"]:
    """The transform of one to three Gaussian blobs, 4 to 12 % of the box wide, anywhere in it."""
    total = torch.zeros(1, len(plane), dtype=torch.complex64)
    field = plane.box_size * plane.pixel_size_angstrom
    frequency = plane.frequency_per_angstrom
    for _ in range(int(generator.integers(1, 4))):
        width = generator.uniform(0.04, 0.12) * field
        centre = torch.from_numpy(generator.uniform(-0.35, 0.35, (1, 2)) * field).float()
        envelope = torch.exp(-2 * torch.pi**2 * width**2 * frequency.square().sum(-1))
        total = total + envelope * displacement_phase(centre, frequency)
    return total
