"""The orientation set: random rotations that all images are compared with; each image's best become candidates."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from jaxtyping import Complex, Float
from torch import Tensor

from cryofifa.physics.central_slice import FourierGrid
from cryofifa.physics.fourier import HalfPlane
from cryofifa.physics.rotations import rotation_from_uniform
from cryofifa.physics.shift import displacement_phase, shift_grid
from cryofifa.settings.ab_initio import SearchSettings
from cryofifa.train.candidates import shift_penalty
from cryofifa.train.minibatch import StepNumber
from cryofifa.train.random_draws import RandomDraws

SHIFT_STEP_CYCLES = 0.2  # step of the shift grid times the highest frequency; prototype


@dataclass(frozen=True)
class OrientationSet:
    """Random rotations and the low frequencies of their slices, shared by all images.

    Because <CTF s, y> = <s, CTF y> and |CTF s|^2 = CTF^2 . |s|^2, a whole minibatch is compared with all slices s in
    two real matrix products.

    Attributes:
        rotation: the rotations.
        pairs: real and imaginary parts of their slices, and a last column of ones.
        power: squared amplitudes of their slices.
        offset_angstrom: shifts (x, y) that every image is tried with.
        phase: of each of these shifts at every point.
        radius: of the circle of Fourier points that count, in Fourier pixels.
    """

    rotation: Float[Tensor, "rotations 3 3"]
    pairs: Float[Tensor, "rotations pairs"]
    power: Float[Tensor, "rotations points"]
    offset_angstrom: Float[Tensor, "shifts 2"]
    phase: Complex[Tensor, "shifts points"]
    radius: float

    @classmethod
    def drawn(
        cls,
        draws: RandomDraws,
        index: StepNumber,
        grid: FourierGrid,
        plane: HalfPlane,
        settings: SearchSettings,
        particle_radius_angstrom: float,
    ) -> OrientationSet:
        """Draw random rotations and take their slices.

        Args:
            draws: the source of random numbers.
            index: number of this set among those of the same source; each number gives other rotations.
            grid: the sampled volume.
            plane: Fourier points of the images; those within `radius` are used.
            settings: how many rotations, and up to which frequency they are compared.
            particle_radius_angstrom: by which that frequency is given.
        """
        which = torch.as_tensor(index, device=plane.index_xy.device).reshape(1)
        uniform = draws.uniform(which, 3 * settings.orientations)
        rotation = rotation_from_uniform(uniform.reshape(-1, 3))
        radius = settings.orientation_cycles * plane.extent_angstrom / particle_radius_angstrom
        low = plane.within(radius)
        finest_period = plane.extent_angstrom / low.largest_radius
        offset = shift_grid(SHIFT_STEP_CYCLES * finest_period, 2, uniform.device)
        slices = grid.slices(rotation, low)
        pairs = torch.view_as_real(slices).flatten(1)
        return cls(
            rotation,
            torch.cat([pairs, torch.ones_like(pairs[:, :1])], dim=1),
            slices.abs().square(),
            offset,
            displacement_phase(offset, low.frequency_per_angstrom),
            radius,
        )

    def best(
        self,
        centred: Complex[Tensor, "n points"],
        ctf: Float[Tensor, "n points"],
        shift_angstrom: Float[Tensor, "n 2"],
        shift_sd_angstrom: float,
        count: int,
    ) -> Float[Tensor, "n count 3 3"]:
        """The `count` best rotations for each image, the best first.

        Args:
            centred: transforms of images whose particle was brought to the centre by `shift_angstrom`; points beyond
                those of the set do not count.
            ctf: contrast transfer function at the same points.
            shift_angstrom: the remembered shift of each particle, around which shifts are tried.
            shift_sd_angstrom: standard deviation of the prior on shifts.
            count: how many rotations each image gets.
        """
        low = self.power.shape[1]
        penalty = shift_penalty(shift_angstrom, self.offset_angstrom, shift_sd_angstrom)
        distance = self.least_distance(centred[:, :low], ctf[:, :low], penalty)
        return self.rotation[distance.topk(count, dim=1, largest=False).indices]

    def least_distance(
        self, image: Complex[Tensor, "n points"], ctf: Float[Tensor, "n points"], penalty: Float[Tensor, "n shifts"]
    ) -> Float[Tensor, "n rotations"]:
        """Squared distance of every image to every slice at its best shift, less the image's own power:

        min over shifts of sum_k |CTF s|^2 - 2 Re( conj(CTF s) y conj(phase) ) + penalty.
        """
        moved = torch.view_as_real((image * ctf)[:, None] * self.phase.conj()).flatten(2)
        # the column of ones adds the penalty: nothing but the minimum is left to do with the largest array of the step
        rows = torch.cat([-2 * moved, penalty[..., None]], dim=2)
        least = (rows.flatten(0, 1) @ self.pairs.mT).unflatten(0, penalty.shape).amin(dim=1)
        return least + ctf.square() @ self.power.mT
