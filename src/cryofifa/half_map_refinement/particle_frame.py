"""Particles in the frame that half-map refinement works in: images that can be read, their optics, and the masks."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import torch
from jaxtyping import Complex, Float, Int
from torch import Tensor

from cryofifa.half_map_refinement.half_maps import (
    Halves,
    ReadImages,
    back_project_halves,
    block_on,
    evenly_some,
    ring_power_of_some,
    solve_halves,
)
from cryofifa.half_map_refinement.particle_score import ring_noise_power
from cryofifa.particles.observed import ImageMask, observed
from cryofifa.particles.outlier_weight import bounded_influence
from cryofifa.particles.particle_size import ParticleSize
from cryofifa.particles.poses import Poses, known
from cryofifa.physics.central_slice import FourierGrid
from cryofifa.physics.ctf import CtfParameters
from cryofifa.physics.fourier import HalfPlane
from cryofifa.physics.image_formation import form_image
from cryofifa.physics.mask import spherical_mask
from cryofifa.system.processes import ALONE, Processes

BLOCK = 128  # particles matched at once; this bounds the memory and changes nothing else
MOST_FOR_NOISE = 1000  # particles that the noise's power is estimated from


@dataclass(frozen=True)
class ParticleFrame:
    """All particles of a run at one box and pixel size.

    Of several processes each reads the images of its own particles only.

    Attributes:
        read_images: gives the images of 0-based rows, background sd 1.
        ctf_parameters: optics of every particle.
        plane: Fourier points of the images.
        size: the particle's size, which says how images and volumes are masked.
        symmetry: rotations of the point group's members, identity first.
        processes: the processes that share the particles.
    """

    read_images: ReadImages
    ctf_parameters: CtfParameters
    plane: HalfPlane
    size: ParticleSize
    symmetry: Float[Tensor, "members 3 3"]
    processes: Processes = ALONE

    @property
    def at_once(self) -> int:
        """How many particles each process matches at once; this bounds the memory and changes nothing else."""
        return block_on(self.plane.index_xy.device, self.plane.box_size, BLOCK)

    @cached_property
    def mask(self) -> ImageMask:
        """The soft circular mask M_R that images are multiplied by, at this pixel size."""
        return self.size.image_mask(self.plane.pixel_size_angstrom)

    @cached_property
    def sphere(self) -> Float[Tensor, "z y x"]:
        """The soft ball that the particle lies in; volumes are multiplied by it before they are projected."""
        return spherical_mask(
            self.plane.box_size, self.mask.radius_pixel, self.mask.edge_pixel, self.plane.index_xy.device
        )

    def observed(
        self, members: Int[Tensor, " m"], shift_angstrom: Float[Tensor, "m 2"], plane: HalfPlane
    ) -> tuple[Complex[Tensor, "m points"], Float[Tensor, "m points"]]:
        """FT(M_R * X) / box and CTF / box at the points of `plane`: a slice times the latter predicts the former.

        Args:
            members: 0-based rows of the particles.
            shift_angstrom: their shifts (x, y), around which the images are masked.
            plane: the Fourier points.
        """
        image = self.read_images(members.cpu().numpy()).to(plane.index_xy.device)
        seen = observed(image, self.ctf_parameters[members], shift_angstrom, self.mask, plane)
        return seen.measured, seen.ctf / plane.box_size

    def half_maps(self, poses: Poses, class_index: int = 0) -> Halves:
        """Maps of both halves of a class, back-projected from its particles that have a pose."""
        sums = back_project_halves(
            self.read_images,
            self.ctf_parameters,
            poses.rotation,
            poses.shift_angstrom,
            torch.where(poses.posed & poses.in_class(class_index), known(poses.half), 0),
            self.plane,
            self.symmetry,
            self.processes,
        )
        return solve_halves(sums, self.mask.radius_pixel, self.mask.edge_pixel)

    def image_power(self, poses: Poses, plane: HalfPlane) -> Float[Tensor, " rings"]:
        """Power of the median image in every ring of `plane`, which is mostly noise."""
        everyone = torch.arange(len(poses), device=plane.index_xy.device)

        def seen(members: Tensor) -> Tensor:
            return self.observed(members, poses.shift_angstrom[members], plane)[0]

        some = evenly_some(everyone, MOST_FOR_NOISE)
        return ring_noise_power(ring_power_of_some(some, plane.ring, seen, self.processes))

    def noise_power(
        self, poses: Poses, members: Int[Tensor, " m"], grid: FourierGrid, plane: HalfPlane
    ) -> Float[Tensor, " points"]:
        """Power of the noise at every point of `plane`: what the map leaves of the images (RELION's sigma2 of noise).

        It is averaged per shell over some particles, without bright junk. The images' own power would give the low
        frequencies, where the signal is stronger than the noise, too small a weight: measured on ribosome, 1.18 degrees
        with it and 1.09 with this (1.01 with the true map).

        Args:
            poses: poses of all particles.
            members: rows of the particles that the power may be estimated from; at most `MOST_FOR_NOISE` are.
            grid: the sampled map.
            plane: the Fourier points.
        """

        def left(members: Tensor) -> Tensor:
            shift = poses.shift_angstrom[members]
            measured, ctf = self.observed(members, shift, plane)
            return measured - form_image(grid.slices(poses.rotation[members], plane), ctf, shift, plane)

        power = ring_power_of_some(evenly_some(members, MOST_FOR_NOISE), plane.ring, left, self.processes)
        usual = power[bounded_influence(power @ torch.bincount(plane.ring).float()) == 1]
        return (usual.sum(dim=0) / max(1, len(usual)))[plane.ring].clamp_min(1e-6)
