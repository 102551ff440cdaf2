"""Simulate particle sets with known poses, by the program's own forward model, and write them as RELION's files.

image = scale * F^-1[ CTF(k) slice(A^T k) exp(+2 pi i k.t) ] + white noise of sd 1
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import numpy as np
import torch
from jaxtyping import Complex, Float
from torch import Tensor

from cryofifa.conventions import rotations_from_relion_euler_degrees
from cryofifa.errors import InputError
from cryofifa.mrc_map import write_map
from cryofifa.particles.particle_radius import radius_of_volume
from cryofifa.particles.simulated.pseudo_protein import other_molecule
from cryofifa.particles.simulated.simulated_set import (
    JUNK_KINDS,
    SimulatedParameters,
    write_stack,
    write_star,
)
from cryofifa.particles.simulated.structure import structure_volume
from cryofifa.physics.central_slice import FourierGrid
from cryofifa.physics.ctf import CtfParameters, contrast_transfer
from cryofifa.physics.fourier import HalfPlane, inverse_fourier_2d
from cryofifa.physics.image_formation import form_image
from cryofifa.physics.mask import circular_mask
from cryofifa.physics.shift import displacement_phase

PARTICLES_PER_MICROGRAPH = 100
LARGEST_ASTIGMATISM_ANGSTROM = 600.0
SIGNAL_DISC_SHARE = 0.35  # radius, as a share of the box, of the disc in which the variances of the SNR are taken
_IMAGES_FOR_SCALE = 256
_IMAGES_PER_BLOCK = 64  # fixed, because batched sums differ in the last bit with the size of the batch

Views = Literal["uniform", "preferred"]


def simulate_images(
    volume: Float[Tensor, "z y x"],
    pixel_size_angstrom: float,
    rotation_volume_to_image: Float[Tensor, "n 3 3"],
    shift_angstrom: Float[Tensor, "n 2"],
    ctf: CtfParameters,
) -> Float[Tensor, "n y x"]:
    """Noise-free images: projections, displaced by -shift from the centre, times the CTF.

    Fourier points up to Nyquist (N//2) are filled; the volume should have no power beyond.
    """
    plane = HalfPlane.of_box(volume.shape[-1], pixel_size_angstrom, with_origin=True)
    grid = FourierGrid.from_volume(volume, volume.shape[-1] // 2)
    return inverse_fourier_2d(plane.fill(_transforms(grid, plane, rotation_volume_to_image, shift_angstrom, ctf)))


def simulate(
    structure: Path,
    output: Path,
    *,
    particles: int,
    box: int,
    pixel_size_angstrom: float,
    snr: float,
    shift_sd_pixel: float = 1.5,
    defocus_angstrom: tuple[float, float] = (8000.0, 25000.0),
    junk: float = 0.0,
    select: str | None = None,
    views: Views = "uniform",
    dtype: Literal["float32", "float16"] = "float32",
    seed: int = 0,
) -> None:
    """Write particles.mrcs, particles.star (no poses) and truth/{poses.star, map.mrc, junk.txt, junk_kind.txt}.

    structure: an MRC map, or a PDB/mmCIF model (of which `select`, in gemmi's syntax, picks a part).
    box: side of the images in pixels, an even number.
    snr: variance of the clean, CTF-modulated images inside a disc of radius 0.35 box, over that of the noise.
    shift_sd_pixel: standard deviation of the shifts along x and y.
    defocus_angstrom: smallest and largest mean defocus of a micrograph.
    junk: share of rows that are no particles: equal parts of pure noise, ice-like blobs and another molecule of
        the same size and SNR. junk.txt lists these rows, from 0; junk_kind.txt says in the same order what they are.
    views: "preferred" puts four of five particles within some 25 degrees of one axis of view.
    dtype: float16 is MRC mode 12, which RELION 3 cannot read.

    The same seed gives the same files.  Images are made and written block by block, and nothing appears under its final
    name before everything is written.

    Raises:
        InputError: if a setting makes no sense, or the structure cannot be read or does not fit the box.
    """
    if (Path(output) / "particles.star").exists():
        raise InputError(f"{output}: holds a particle set; choose another folder with -o")
    _check(particles, box, pixel_size_angstrom, snr, shift_sd_pixel, defocus_angstrom, junk, views, dtype)
    volume = structure_volume(Path(structure), box, pixel_size_angstrom, select)
    drawn = draw_parameters(
        particles,
        pixel_size_angstrom,
        shift_sd_pixel,
        defocus_angstrom,
        junk,
        views,
        np.random.default_rng([seed, 0]),
    )
    plane = HalfPlane.of_box(box, pixel_size_angstrom, with_origin=True)
    grid = FourierGrid.from_volume(volume, box // 2)
    scale = (snr / _signal_variance(grid, plane, drawn)) ** 0.5
    junk_maker = _JunkMaker.for_set(volume, plane, drawn, snr, seed) if junk > 0 else None

    output = Path(output)
    truth = output / "truth"
    try:
        truth.mkdir(parents=True, exist_ok=True)
        names = [output / "particles.mrcs", truth / "map.mrc", truth / "poses.star", truth / "junk.txt"]
        names.append(truth / "junk_kind.txt")
        names.append(output / "particles.star")  # last: its presence means that the set is complete
        partial = {name: name.with_name(f".partial.{name.name}") for name in names}
        try:
            blocks = _noisy_blocks(grid, plane, drawn, scale, junk_maker, seed)
            write_stack(partial[names[0]], blocks, particles, box, pixel_size_angstrom, dtype)
            write_map(partial[names[1]], volume, pixel_size_angstrom)
            write_star(partial[names[2]], drawn, box, pixel_size_angstrom, with_poses=True)
            rows = np.flatnonzero(drawn.junk_kind >= 0)
            partial[names[3]].write_text("".join(f"{row}\n" for row in rows), encoding="utf-8")
            kinds = [JUNK_KINDS[kind] for kind in drawn.junk_kind[rows]]
            partial[names[4]].write_text("".join(f"{kind}\n" for kind in kinds), encoding="utf-8")
            write_star(partial[names[5]], drawn, box, pixel_size_angstrom, with_poses=False)
            for name, temporary in partial.items():
                os.replace(temporary, name)
        finally:
            for temporary in partial.values():
                temporary.unlink(missing_ok=True)
    except OSError as error:
        raise InputError(f"{output}: cannot be written ({error.strerror or error})") from error


def draw_parameters(
    particles: int,
    pixel_size_angstrom: float,
    shift_sd_pixel: float,
    defocus_angstrom: tuple[float, float],
    junk: float,
    views: Views,
    generator: np.random.Generator,
) -> SimulatedParameters:
    """Draw pose, micrograph, CTF and kind of junk (or none) for every row of a set; arguments as in `simulate`."""
    rot, psi = generator.uniform(-180, 180, (2, particles))
    cosine = generator.uniform(-1, 1, particles)
    if views == "preferred":
        # von Mises-Fisher about +z with concentration 10 for four of five particles.
        uniform, favoured = generator.uniform(1e-12, 1, particles), generator.uniform(size=particles) < 0.8
        cosine = np.where(favoured, 1 + np.log(uniform + (1 - uniform) * np.exp(-20.0)) / 10.0, cosine)
    euler = np.stack([rot, np.degrees(np.arccos(np.clip(cosine, -1, 1))), psi], axis=1)
    shift = generator.normal(0, shift_sd_pixel * pixel_size_angstrom, (particles, 2))
    micrographs = -(-particles // PARTICLES_PER_MICROGRAPH)
    mean = generator.uniform(*defocus_angstrom, micrographs)
    half_astigmatism = generator.uniform(0, LARGEST_ASTIGMATISM_ANGSTROM / 2, micrographs)
    angle = generator.uniform(-90, 90, micrographs)
    micrograph = np.arange(particles) // PARTICLES_PER_MICROGRAPH
    junk_kind = np.full(particles, -1, dtype=np.int64)
    junk_rows = generator.permutation(particles)[: round(junk * particles)]
    junk_kind[junk_rows] = np.arange(len(junk_rows)) % len(JUNK_KINDS)
    return SimulatedParameters(
        rotation_volume_to_image=rotations_from_relion_euler_degrees(euler),
        shift_angstrom=shift,
        micrograph=micrograph.astype(np.int64),
        defocus_u_angstrom=(mean + half_astigmatism)[micrograph],
        defocus_v_angstrom=(mean - half_astigmatism)[micrograph],
        defocus_angle_degree=angle[micrograph],
        junk_kind=junk_kind,
    )


def _transforms(
    grid: FourierGrid, plane: HalfPlane, rotation: Tensor, shift_angstrom: Tensor, ctf: CtfParameters
) -> Tensor:
    """CTF * slice * exp(+2 pi i k.t) at the points of the plane."""
    contrast = contrast_transfer(ctf, plane.frequency_per_angstrom)
    return form_image(grid.slices(rotation, plane), contrast, shift_angstrom, plane)


def _clean_transforms(grid: FourierGrid, plane: HalfPlane, drawn: SimulatedParameters, rows: slice) -> Tensor:
    """Fourier values of the noise-free images of these rows, as if all were particles."""
    rotation = torch.from_numpy(drawn.rotation_volume_to_image[rows]).float()
    shift = torch.from_numpy(drawn.shift_angstrom[rows]).float()
    return _transforms(grid, plane, rotation, shift, drawn.ctf(rows))


def _signal_variance(grid: FourierGrid, plane: HalfPlane, drawn: SimulatedParameters) -> float:
    """The variance inside the disc of noise-free, unscaled images: mean over the first 256."""
    clean = inverse_fourier_2d(plane.fill(_clean_transforms(grid, plane, drawn, slice(0, _IMAGES_FOR_SCALE))))
    disc = circular_mask(plane.box_size, SIGNAL_DISC_SHARE * plane.box_size, 0.0) > 0
    variance = float(clean[:, disc].double().var(dim=1).mean())
    if not variance > 0:
        raise InputError("the structure gives empty images at this box and pixel size; check the map")
    return variance


def _noisy_blocks(
    grid: FourierGrid,
    plane: HalfPlane,
    drawn: SimulatedParameters,
    scale: float,
    junk: _JunkMaker | None,
    seed: int,
) -> Iterator[tuple[int, np.ndarray]]:
    """First row and float32 images of every block; each row has random numbers of its own."""
    size, n = plane.box_size, len(drawn.junk_kind)
    for first in range(0, n, _IMAGES_PER_BLOCK):
        rows = range(first, min(first + _IMAGES_PER_BLOCK, n))
        transform = _clean_transforms(grid, plane, drawn, slice(rows.start, rows.stop)) * scale
        for row in rows:
            if drawn.junk_kind[row] >= 0:
                assert junk is not None
                transform[row - first] = junk.transform(row)
        noise = [np.random.default_rng([seed, 1, row]).standard_normal((size, size), dtype=np.float32) for row in rows]
        yield first, inverse_fourier_2d(plane.fill(transform)).numpy() + np.stack(noise)


@dataclass(frozen=True)
class _JunkMaker:
    """Makes what stands in for a particle: nothing, ice-like blobs, or another molecule in the row's pose."""

    plane: HalfPlane
    drawn: SimulatedParameters
    other: FourierGrid
    other_scale: float
    seed: int

    @classmethod
    def for_set(cls, volume: Tensor, plane: HalfPlane, drawn: SimulatedParameters, snr: float, seed: int) -> _JunkMaker:
        """Junk for this set; the other molecule has the volume's radius and the same SNR."""
        radius = radius_of_volume(volume) * plane.pixel_size_angstrom
        molecule = other_molecule(plane.box_size, plane.pixel_size_angstrom, radius)
        other = FourierGrid.from_volume(molecule, plane.box_size // 2)
        return cls(plane, drawn, other, (snr / _signal_variance(other, plane, drawn)) ** 0.5, seed)

    def transform(self, row: int) -> Complex[Tensor, " points"]:
        """Fourier values of the junk in this row."""
        kind, rows = JUNK_KINDS[self.drawn.junk_kind[row]], slice(row, row + 1)
        if kind == "noise":
            return torch.zeros(len(self.plane), dtype=torch.complex64)
        if kind == "molecule":
            return _clean_transforms(self.other, self.plane, self.drawn, rows)[0] * self.other_scale
        generator = np.random.default_rng([self.seed, 2, row])
        contrast = contrast_transfer(self.drawn.ctf(rows), self.plane.frequency_per_angstrom)
        transform = _blobs(self.plane, generator) * contrast
        # ice is bright: its image has one to three times the standard deviation of the noise
        return (transform * generator.uniform(1.0, 3.0) / inverse_fourier_2d(self.plane.fill(transform)).std())[0]


def _blobs(plane: HalfPlane, generator: np.random.Generator) -> Tensor:
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


def _check(
    particles: int,
    box: int,
    pixel_size_angstrom: float,
    snr: float,
    shift_sd_pixel: float,
    defocus_angstrom: tuple[float, float],
    junk: float,
    views: str,
    dtype: str,
) -> None:
    """Raise InputError if a setting makes no sense."""
    wrong = {
        f"{particles} particles: give at least one": particles < 1,
        f"a box of {box} pixels: give an even number, 16 or more": box < 16 or box % 2 == 1,
        f"a pixel size of {pixel_size_angstrom} angstrom: it must be positive": not pixel_size_angstrom > 0,
        f"an SNR of {snr}: it must be positive": not snr > 0,
        f"shifts with a standard deviation of {shift_sd_pixel} pixels: give 0 or more": not shift_sd_pixel >= 0,
        f"defocus {defocus_angstrom} angstrom: the first must not exceed the second": not defocus_angstrom[0]
        <= defocus_angstrom[1],
        f"a junk share of {junk}: it must be between 0 and 1": not 0 <= junk < 1,
        f"views '{views}': give uniform or preferred": views not in ("uniform", "preferred"),
        f"dtype '{dtype}': give float32 or float16": dtype not in ("float32", "float16"),
    }
    for message, holds in wrong.items():
        if holds:
            raise InputError(f"cannot simulate {message}")
