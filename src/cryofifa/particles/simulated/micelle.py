"""A detergent micelle: a belt around a membrane protein, made of lumps that lie elsewhere in every particle.

    density(r) = m sum over lumps of  Gaussian(r - r_j)        r_j: random places in the belt, where there is no protein

Lumps are drawn anew for every particle and turn with it, so that the mean over all particles is a smooth belt, and what
one particle has of it is noise that belongs to no view. K lumps of sd g in a belt of volume V have a relative variance
of density of V / (K (4 pi g^2)^(3/2)): that says how many there are.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import Bool, Complex, Float
from torch import Tensor

from cryofifa.errors import InputError
from cryofifa.physics.fourier import HalfPlane, centred_index
from cryofifa.physics.resample import gaussian_low_pass
from cryofifa.settings.sample import MicelleSettings

PROTEIN_LOW_PASS_ANGSTROM = 12.0  # at which the protein is told from what is around it; our choice
PROTEIN_THRESHOLD = 0.2  # of the low-passed map's height; our choice
MOST_LUMPS = 5000
_AXES = {"x": (1.0, 0.0, 0.0), "y": (0.0, 1.0, 0.0), "z": (0.0, 0.0, 1.0)}


@dataclass(frozen=True)
class Belt:
    """Where the membrane was: a slab across an axis, as (x, y, z) in angstrom from the box centre.

    Attributes:
        centre_angstrom: on the axis, in the middle of the slab.
        axis: unit vector.
    """

    centre_angstrom: Float[np.ndarray, " 3"]
    axis: Float[np.ndarray, " 3"]
    thickness_angstrom: float
    radius_angstrom: float

    @classmethod
    def around(cls, protein: Float[Tensor, "z y x"], pixel_size_angstrom: float, settings: MicelleSettings) -> Belt:
        """The belt around a protein's density; the axis passes through the middle of the protein within the slab.

        Raises:
            InputError: if the belt leaves the box.
        """
        voxel = places_angstrom(protein_mask(protein, pixel_size_angstrom), pixel_size_angstrom)
        middle = voxel.mean(axis=0)
        axis = _longest_axis(voxel) if settings.axis == "longest" else np.array(_AXES[settings.axis])
        height = (voxel - middle) @ axis - settings.height_angstrom
        within = voxel[np.abs(height) < settings.thickness_angstrom / 2]
        if len(within) == 0:
            raise InputError(
                f"[micelle] height_angstrom is {settings.height_angstrom:g}: there is no protein so far along its axis"
            )
        centre = middle + settings.height_angstrom * axis
        across = within.mean(axis=0) - centre
        centre = centre + across - (across @ axis) * axis
        reach = float(np.linalg.norm(centre) + np.hypot(settings.radius_angstrom, settings.thickness_angstrom / 2))
        if reach > protein.shape[-1] * pixel_size_angstrom / 2:
            raise InputError(f"[micelle] reaches {reach:.0f} angstrom from the box centre; give a larger box")
        return cls(centre, axis, settings.thickness_angstrom, settings.radius_angstrom)

    def contains(self, place_angstrom: Float[np.ndarray, "places 3"]) -> Bool[np.ndarray, " places"]:
        """Which of these places lie in the belt."""
        offset = place_angstrom - self.centre_angstrom
        height = offset @ self.axis
        distance = np.sqrt(np.maximum((offset**2).sum(axis=1) - height**2, 0))
        return (np.abs(height) < self.thickness_angstrom / 2) & (distance < self.radius_angstrom)


@dataclass(frozen=True)
class Micelle:
    """Where detergent may be around one protein, and its lumps.

    Attributes:
        belt: the belt as a whole.
        place_angstrom: centres (x, y, z) of its voxels that hold no protein.
        lump_mass: integral of the density of one lump, in voxels.
    """

    belt: Belt
    place_angstrom: Float[np.ndarray, "places 3"]
    pixel_size_angstrom: float
    lumps: int
    lump_mass: float
    lump_sd_angstrom: float

    @classmethod
    def of_protein(
        cls, protein: Float[Tensor, "z y x"], pixel_size_angstrom: float, belt: Belt, settings: MicelleSettings
    ) -> Micelle:
        """The micelle of a protein, whose density is that over the water.

        Raises:
            InputError: if the protein fills the belt, is no brighter than water, or too many lumps are wanted.
        """
        inside = protein_mask(protein, pixel_size_angstrom)
        free = places_angstrom(~inside, pixel_size_angstrom)
        free = free[belt.contains(free)]
        density = float(protein[torch.from_numpy(inside)].mean())
        if len(free) == 0:
            raise InputError("[micelle] the protein fills the belt; give a larger radius_angstrom")
        if not density > 0:
            raise InputError("[micelle] the protein is no brighter than the water; lower [solvent] contrast")
        volume = len(free) * pixel_size_angstrom**3
        lump_volume = (4 * np.pi * settings.lump_sd_angstrom**2) ** 1.5
        lumps = max(1, round(volume / (settings.fluctuation**2 * lump_volume)))
        if lumps > MOST_LUMPS:
            raise InputError(
                f"[micelle] would need {lumps} lumps; give a larger lump_sd_angstrom or fluctuation, or a smaller belt"
            )
        mass = settings.contrast * density * len(free) / lumps
        return cls(belt, free, pixel_size_angstrom, lumps, mass, settings.lump_sd_angstrom)

    def drawn(self, generator: np.random.Generator) -> Float[np.ndarray, "lumps 3"]:
        """Where the lumps of one particle lie: (x, y, z) in angstrom from the box centre."""
        voxel = self.place_angstrom[generator.integers(len(self.place_angstrom), size=self.lumps)]
        return voxel + generator.uniform(-0.5, 0.5, voxel.shape) * self.pixel_size_angstrom

    def projection(
        self,
        lump_angstrom: Float[np.ndarray, "lumps 3"],
        rotation_volume_to_image: Float[Tensor, "3 3"],
        plane: HalfPlane,
    ) -> Complex[Tensor, " points"]:
        """The central slice of one particle's lumps at the points of the plane, like a slice of its map."""
        lump = rotation_volume_to_image.double() @ torch.from_numpy(lump_angstrom).T
        frequency = centred_index(plane.box_size).double() / plane.extent_angstrom
        # a Gaussian is the product of one along x and one along y, and so is its transform
        damping = torch.exp(-2 * (torch.pi * self.lump_sd_angstrom * frequency).square())
        along_x, along_y = (
            damping[:, None] * torch.polar(torch.ones(()).double(), -2 * torch.pi * frequency[:, None] * line)
            for line in lump[:2]
        )
        return self.lump_mass * plane.gather(along_y @ along_x.mT).to(torch.complex64)

    def mean_density(self, box_size: int) -> Float[Tensor, "z y x"]:
        """The mean of the micelles of many particles, in the unit of the protein's density."""
        belt = torch.zeros(box_size, box_size, box_size)
        index = np.rint(self.place_angstrom / self.pixel_size_angstrom).astype(np.int64) + box_size // 2
        belt[tuple(torch.from_numpy(index[:, axis]) for axis in (2, 1, 0))] = (
            self.lumps * self.lump_mass / len(self.place_angstrom)
        )
        return gaussian_low_pass(belt, self.lump_sd_angstrom / self.pixel_size_angstrom)


def protein_mask(protein: Float[Tensor, "z y x"], pixel_size_angstrom: float) -> Bool[np.ndarray, "z y x"]:
    """Which voxels are protein: well above the rest in the map at 12 angstrom, or at Nyquist if that is coarser."""
    sd_pixel = max(PROTEIN_LOW_PASS_ANGSTROM / pixel_size_angstrom, 2.0) / (2 * np.pi)
    smooth = gaussian_low_pass(protein, sd_pixel).numpy()
    return smooth > PROTEIN_THRESHOLD * smooth.max()


def places_angstrom(mask: Bool[np.ndarray, "z y x"], pixel_size_angstrom: float) -> Float[np.ndarray, "places 3"]:
    """The voxels of a mask as places (x, y, z) in angstrom from the box centre N//2."""
    return (np.argwhere(mask)[:, ::-1] - mask.shape[-1] // 2) * pixel_size_angstrom


def _longest_axis(place: Float[np.ndarray, "places 3"]) -> Float[np.ndarray, " 3"]:
    """The direction in which places spread most; the largest of its components is positive."""
    axis = np.linalg.eigh(np.cov(place.T))[1][:, -1]
    return axis * np.sign(axis[np.abs(axis).argmax()])
