"""Two half maps and the map of both, by CTF-weighted back-projection, at any box and pixel size of the images."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import Complex, Float, Int
from torch import Tensor

from cryofifa.half_map_refinement.particle_score import LEAST_POWER, ring_noise_power, ring_power
from cryofifa.particles.files.row_list import evenly_spread
from cryofifa.particles.outlier_weight import bounded_influence
from cryofifa.physics.back_projection import BackProjector
from cryofifa.physics.ctf import CtfParameters, contrast_transfer
from cryofifa.physics.fourier import HalfPlane, fourier_2d
from cryofifa.physics.mask import spherical_mask
from cryofifa.physics.shell_correlation import fourier_shell_correlation
from cryofifa.physics.shells import LEAST_GAIN, scale_shells
from cryofifa.physics.shift import displacement_phase
from cryofifa.physics.symmetry_average import symmetrised_sums
from cryofifa.system.processes import ALONE, Processes

BLOCK = 256  # particles back-projected at once; this bounds the memory and changes nothing else
PIXELS_ON_GPU = 2**24  # image pixels at once on a GPU: few large steps cost it less than many small ones; our choice
MOST_FOR_MEDIAN = 250  # particles of a half from which the usual brightness is estimated; our choice

ReadImages = Callable[[np.ndarray], Float[Tensor, "n y x"]]


def in_blocks(members: Int[Tensor, " m"], size: int) -> tuple[Tensor, ...]:
    """Split into blocks of at most `size`; an empty tensor gives no block (torch's split gives an empty one)."""
    return members.split(size) if len(members) else ()


def block_on(device: torch.device, box_size: int, block_on_cpu: int) -> int:
    """How many particles of this box a device takes at once; on a CPU, `block_on_cpu`."""
    return block_on_cpu if device.type == "cpu" else max(block_on_cpu, PIXELS_ON_GPU // box_size**2)


def evenly_some(members: Int[Tensor, " m"], most: int) -> Int[Tensor, " some"]:
    """At most `most` of the members, spread evenly over the list."""
    return members[torch.from_numpy(evenly_spread(len(members), most)).to(members.device)]


def ring_power_of_some(
    some: Int[Tensor, " m"],
    ring: Int[Tensor, " points"],
    values: Callable[[Tensor], Complex[Tensor, "n points"]],
    processes: Processes,
) -> Float[Tensor, "m rings"]:
    """Mean power in every Fourier ring of the transforms of some particles; every process gets all of it.

    Args:
        some: the particles.
        ring: the ring in which each Fourier point lies.
        values: gives the transforms of some particles of this process.
        processes: each computes the power of its own particles.
    """
    rings = int(ring.max()) + 1
    power = [torch.zeros(0, rings, device=ring.device)]
    power += [ring_power(values(members), ring, rings) for members in in_blocks(processes.shard(some, some), BLOCK)]
    return processes.all_gather(torch.cat(power), some)


@dataclass(frozen=True)
class Halves:
    """The maps of both halves of the particles, on one grid.

    Attributes:
        half_1, half_2: the half maps, Wiener filtered by their FSC.
        unfiltered: the same two before that filter.
        fsc: FSC of the unfiltered halves inside a soft spherical mask.
    """

    half_1: Float[Tensor, "z y x"]
    half_2: Float[Tensor, "z y x"]
    unfiltered: tuple[Float[Tensor, "z y x"], Float[Tensor, "z y x"]]
    fsc: Float[Tensor, " shells"]


@dataclass(frozen=True)
class HalfMaps(Halves):
    """The maps of both halves, and beside them the map of all particles.

    Attributes:
        combined: the map of all particles, Wiener filtered by the FSC of the halves.
    """

    combined: Float[Tensor, "z y x"]


def back_project_halves(
    read_images: ReadImages,
    ctf_parameters: CtfParameters,
    rotation_volume_to_image: Float[Tensor, "n 3 3"],
    shift_angstrom: Float[Tensor, "n 2"],
    half: Int[Tensor, " n"],
    plane: HalfPlane,
    symmetry: Float[Tensor, "members 3 3"] | None = None,
    processes: Processes = ALONE,
) -> tuple[BackProjector, BackProjector]:
    """Back-project every particle into the sums of its half (1 or 2); a particle of half 0 is left out.

    Images are weighted by their power, so that bright junk counts no more than a particle. The usual power is estimated
    from images spread over the whole half: those of one block lie side by side in the file, and so does ice.

    Args:
        read_images: images of 0-based rows, background sd 1.
        ctf_parameters: optics of every particle.
        rotation_volume_to_image: rotation of every particle.
        shift_angstrom: shift (x, y) of every particle, which brings it to the centre.
        half: half set of every particle.
        plane: Fourier points of the images that are used.
        symmetry: rotations of a point group's members, by which the sums are averaged; None for none.
        processes: each reads and back-projects its own particles; all get the sums.
    """
    device = plane.index_xy.device
    sums = (BackProjector.empty(plane.box_size, device), BackProjector.empty(plane.box_size, device))
    frequency, ring = plane.frequency_per_angstrom, plane.ring

    def centred_images(members: Tensor) -> Tensor:
        image = read_images(members.cpu().numpy()).to(device)
        return plane.gather(fourier_2d(image)) * displacement_phase(shift_angstrom[members], frequency).conj()

    for which, projector in enumerate(sums, start=1):
        everyone = (half == which).nonzero()[:, 0]
        if not len(everyone):
            continue
        power = ring_power_of_some(evenly_some(everyone, MOST_FOR_MEDIAN), ring, centred_images, processes)
        median = ring_noise_power(power).clamp_min(LEAST_POWER)
        usual = _brightness(power, median).median()
        for members in in_blocks(processes.shard(everyone, everyone), block_on(device, plane.box_size, BLOCK)):
            centred = centred_images(members)
            brightness = _brightness(ring_power(centred, ring, len(median)), median)
            weight = bounded_influence(brightness, usual).sqrt()[:, None]
            ctf = contrast_transfer(ctf_parameters[members], frequency)
            projector.add(weight * centred, weight * ctf, rotation_volume_to_image[members], plane)
    sums = (sums[0].summed(processes.all_reduce), sums[1].summed(processes.all_reduce))
    if symmetry is None or len(symmetry) == 1:
        return sums
    return symmetrised_sums(sums[0], symmetry), symmetrised_sums(sums[1], symmetry)


def _brightness(power: Float[Tensor, "n rings"], median: Float[Tensor, " rings"]) -> Float[Tensor, " n"]:
    """Power of each image over that of the median image, averaged over all rings but the origin."""
    return (power / median)[:, 1:].mean(dim=1)


def solve_halves(sums: tuple[BackProjector, BackProjector], mask_radius_pixel: float, mask_edge_pixel: float) -> Halves:
    """The half maps of both sums, Wiener filtered by the signal-to-noise ratio per shell that their FSC gives.

    The FSC is that of the unfiltered halves inside a soft sphere. The gain is one number per shell: measured on
    ribosome, a Wiener term per voxel gives the same FSC to the truth (15.64 against 15.69 A) but another map than
    RELION's.

    Args:
        sums: the back-projected sums of half 1 and half 2.
        mask_radius_pixel, mask_edge_pixel: radius of the sphere and width of its edge.
    """
    first, second = (projector.volume() for projector in sums)
    mask = spherical_mask(first.shape[-1], mask_radius_pixel, mask_edge_pixel, first.device)
    fsc = fourier_shell_correlation(first * mask, second * mask)
    gain = half_map_gain(fsc)
    return Halves(scale_shells(first, gain), scale_shells(second, gain), (first, second), fsc)


def solve_half_maps(
    sums: tuple[BackProjector, BackProjector], mask_radius_pixel: float, mask_edge_pixel: float
) -> HalfMaps:
    """The half maps as `solve_halves` gives them, and the map of all particles with the gain that follows from them."""
    halves = solve_halves(sums, mask_radius_pixel, mask_edge_pixel)
    combined = scale_shells((sums[0] + sums[1]).volume(), combined_map_gain(half_map_gain(halves.fsc)))
    return HalfMaps(**vars(halves), combined=combined)


def half_map_gain(fsc: Float[Tensor, " shells"]) -> Float[Tensor, " shells"]:
    """Wiener gain SSNR / (SSNR + 1) of a half map: its FSC with the other half, with a floor and never rising."""
    # where there is only noise the curve jumps, and a gain that rises again would mix shells
    return fsc.clamp(LEAST_GAIN, 1.0).cummin(dim=0).values


def combined_map_gain(half_gain: Float[Tensor, " shells"]) -> Float[Tensor, " shells"]:
    """Wiener gain of the map of all particles, 2 FSC / (1 + FSC) (Rosenthal & Henderson 2003), from that of a half."""
    return 2 * half_gain / (1 + half_gain)
