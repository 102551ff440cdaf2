"""The scene that images are taken of: molecules in ice, with the detergent around them and their copies nearby."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np
import torch
from jaxtyping import Complex, Float
from torch import Tensor

from cryofifa.errors import InputError
from cryofifa.particles.simulated.micelle import Micelle
from cryofifa.particles.simulated.random_streams import Stream, generator_of
from cryofifa.particles.simulated.simulated_set import SimulatedParameters
from cryofifa.physics.central_slice import FourierGrid, slice_coordinates
from cryofifa.physics.ctf import contrast_transfer
from cryofifa.physics.fourier import HalfPlane, fourier_2d, inverse_fourier_2d, window_centre
from cryofifa.physics.image_formation import form_image
from cryofifa.physics.mask import circular_mask
from cryofifa.physics.shift import displacement_phase

SIGNAL_DISC_SHARE = 0.35  # radius, as a share of the box, of the disc in which the variances of the SNR are taken
_IMAGES_FOR_SCALE = 256
_WIDE = 2  # times the box: what lies beside a particle is imaged there, so that it does not come back on the other side


@dataclass(frozen=True)
class Molecule:
    """One structure as it lies in the ice.

    volume: its density over that of the water, in the unit of the structure.
    """

    volume: Float[Tensor, "z y x"]
    grid: FourierGrid
    micelle: Micelle | None

    def with_micelle(
        self,
        slices: Complex[Tensor, " points"],
        rotation_volume_to_image: Float[Tensor, "3 3"],
        plane: HalfPlane,
        generator: np.random.Generator,
    ) -> Complex[Tensor, " points"]:
        """The molecule's slice, with that of a new micelle."""
        if self.micelle is None:
            return slices
        return slices + self.micelle.projection(self.micelle.drawn(generator), rotation_volume_to_image, plane)


@dataclass(frozen=True)
class Scene:
    """All that the noise-free images of a set are made of.

    Attributes:
        molecules: one per structure; `drawn.model` says which one a row has.
        radius_angstrom: of the first structure.
        plane: points up to Nyquist, the origin included.
        scale: what densities are multiplied by, so that the noise has variance 1.
    """

    molecules: tuple[Molecule, ...]
    radius_angstrom: float
    plane: HalfPlane
    drawn: SimulatedParameters
    scale: float
    seed: int

    @cached_property
    def wide_plane(self) -> HalfPlane:
        """The points of a box twice as wide, of the same pixels."""
        return HalfPlane.of_box(_WIDE * self.plane.box_size, self.plane.pixel_size_angstrom, with_origin=True)

    def particles(self, rows: range) -> Complex[Tensor, "n points"]:
        """Fourier values of the noise-free images of these rows, as if all were particles."""
        part = slice(rows.start, rows.stop)
        rotation = torch.from_numpy(self.drawn.rotation_volume_to_image[part]).float()
        model = torch.from_numpy(self.drawn.model[part])
        slices = torch.zeros(len(rows), len(self.plane), dtype=torch.complex64)
        for number, molecule in enumerate(self.molecules):
            of_this = model == number
            if of_this.any():
                slices[of_this] = molecule.grid.slices(rotation[of_this], self.plane)
        for place, row in enumerate(rows):
            generator = generator_of(self.seed, Stream.MICELLE, row)
            molecule = self.molecules[self.drawn.model[row]]
            slices[place] = molecule.with_micelle(slices[place], rotation[place], self.plane, generator)
        return imaged(slices, self.drawn, part, self.plane) * self.scale

    def copies(
        self,
        row: int,
        rotation_volume_to_image: Float[np.ndarray, "copies 3 3"],
        place_angstrom: Float[np.ndarray, "copies 2"],
        generator: np.random.Generator,
    ) -> Float[Tensor, "y x"]:
        """The noise-free image of copies of a row's molecule at these places (x, y) from the box centre.

        Parts of them may lie outside the box; each copy has a micelle of its own.
        """
        plane, molecule = self.wide_plane, self.molecules[self.drawn.model[row]]
        rotation = torch.from_numpy(rotation_volume_to_image).float()
        slices = molecule.grid.at(slice_coordinates(rotation, plane) / _WIDE)
        whole = torch.stack(
            [molecule.with_micelle(one, turned, plane, generator) for one, turned in zip(slices, rotation, strict=True)]
        )
        phase = displacement_phase(torch.from_numpy(-place_angstrom).float(), plane.frequency_per_angstrom)
        contrast = contrast_transfer(self.drawn.ctf(slice(row, row + 1)), plane.frequency_per_angstrom)
        image = inverse_fourier_2d(plane.fill((whole * phase).sum(dim=0) * contrast[0] * self.scale))
        return window_centre(image, self.plane.box_size, 2)

    def transform_of(self, image: Float[Tensor, "y x"]) -> Complex[Tensor, " points"]:
        """Fourier values of an image, up to Nyquist."""
        return self.plane.gather(fourier_2d(image))


def imaged(
    slices: Complex[Tensor, "n points"], drawn: SimulatedParameters, rows: slice, plane: HalfPlane
) -> Complex[Tensor, "n points"]:
    """CTF * slice * exp(+2 pi i k.t) with the optics and shifts of these rows."""
    shift = torch.from_numpy(drawn.shift_angstrom[rows]).float()
    return form_image(slices, contrast_transfer(drawn.ctf(rows), plane.frequency_per_angstrom), shift, plane)


def clean_transforms(
    grid: FourierGrid, plane: HalfPlane, drawn: SimulatedParameters, rows: slice
) -> Complex[Tensor, "n points"]:
    """Fourier values of noise-free, unscaled images of one structure in the poses of these rows."""
    rotation = torch.from_numpy(drawn.rotation_volume_to_image[rows]).float()
    return imaged(grid.slices(rotation, plane), drawn, rows, plane)


def signal_variance(grid: FourierGrid, plane: HalfPlane, drawn: SimulatedParameters) -> float:
    """The variance inside the disc of noise-free, unscaled images: mean over the first 256.

    Raises:
        InputError: if the images are empty.
    """
    clean = inverse_fourier_2d(plane.fill(clean_transforms(grid, plane, drawn, slice(0, _IMAGES_FOR_SCALE))))
    disc = circular_mask(plane.box_size, SIGNAL_DISC_SHARE * plane.box_size, 0.0) > 0
    variance = float(clean[:, disc].double().var(dim=1).mean())
    if not variance > 0:
        raise InputError("the structure gives empty images at this box and pixel size; check the map")
    return variance
