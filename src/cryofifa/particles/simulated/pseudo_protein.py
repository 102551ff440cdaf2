"""A made-up protein of helices packed in four unequal domains, for demonstrations that need no download.

It only looks like a chain: straight helices (3.6 residues, 5.4 angstrom per turn) are placed one after another inside
an ellipsoid and joined by smooth loops; each residue has four pseudo-atoms.
"""

import math

import numpy as np
import torch
from jaxtyping import Float, Float64
from torch import Tensor

from cryofifa.physics.fourier import fourier_3d, inverse_fourier_3d, rescale_volume
from cryofifa.physics.mask import distance_from_centre

Domains = tuple[tuple[tuple[float, float, float], tuple[float, float, float], int], ...]

# Centre and half axes in angstrom, and number of residues, of every domain; with the loops between them about 1,700
# residues or 190 kDa, 120 to 135 angstrom across.
_DOMAINS: Domains = (
    ((0.0, 0.0, -6.0), (24.0, 20.0, 30.0), 520),
    ((34.0, 4.0, 20.0), (22.0, 16.0, 18.0), 380),
    ((-28.0, 16.0, 26.0), (17.0, 16.0, 21.0), 330),
    ((-10.0, -20.0, -40.0), (14.0, 18.0, 13.0), 220),
)
# A bent rod with a knob: no view of the first structure has such an outline.
_OTHER_DOMAINS: Domains = (
    ((0.0, 0.0, 0.0), (15.0, 15.0, 22.0), 260),
    ((4.0, 10.0, 36.0), (15.0, 17.0, 20.0), 260),
    ((16.0, -8.0, -34.0), (17.0, 14.0, 21.0), 260),
    ((-28.0, -4.0, -8.0), (14.0, 14.0, 14.0), 130),
)
_B_FACTOR_SQUARE_ANGSTROM = 60.0
_MARGIN_ANGSTROM = 3.0  # around the outermost atom
_LOOP_RESIDUES = 5
_CLEARANCE_ANGSTROM = 8.5  # between helix axes


def pseudo_protein(box_size: int, pixel_size_angstrom: float, seed: int = 0) -> Float[Tensor, "z y x"]:
    """Density of the structure in arbitrary units, its mass centre at N//2, zero outside.

    Raises:
        ValueError: if the box is too small to hold it in every orientation.
    """
    return density_of_atoms(pseudo_atoms(seed), box_size, pixel_size_angstrom)


def density_of_atoms(
    atom_angstrom: Float64[np.ndarray, "atoms 3"], box_size: int, pixel_size_angstrom: float
) -> Float[Tensor, "z y x"]:
    """Density of equal Gaussian atoms (B = 60 square angstrom), cut to the Nyquist ball.

    atom_angstrom: positions (x, y, z) from the box centre N//2.

    Raises:
        ValueError: if the box is too small to hold them in every orientation.
    """
    reach = np.linalg.norm(atom_angstrom, axis=1).max() + _MARGIN_ANGSTROM
    if reach > box_size * pixel_size_angstrom / 2:
        raise ValueError(
            f"a box of {box_size * pixel_size_angstrom:.0f} angstrom is too small: {2 * reach:.0f} are needed"
        )
    # A finer grid keeps blur and aliasing from spreading atoms over eight voxels small.
    finer = min(4, max(2, math.ceil(pixel_size_angstrom)))
    fine_size, fine_pixel = finer * box_size, pixel_size_angstrom / finer
    grid = _splatted(torch.from_numpy(atom_angstrom / fine_pixel).double() + fine_size // 2, fine_size)
    radius = distance_from_centre(fine_size, 3)
    gaussian = torch.exp(-0.25 * _B_FACTOR_SQUARE_ANGSTROM * (radius / (fine_size * fine_pixel)).square())
    return rescale_volume(inverse_fourier_3d(fourier_3d(grid) * gaussian * (radius <= box_size / 2)), box_size)


def other_molecule(
    box_size: int, pixel_size_angstrom: float, radius_angstrom: float, seed: int = 0
) -> Float[Tensor, "z y x"]:
    """Density of another made-up protein with another outline, for junk that looks like particles.

    It is scaled, helices included, so that its outermost atom lies at the radius, or as far out as the box allows.
    """
    atoms = pseudo_atoms(seed, _OTHER_DOMAINS)
    most = box_size * pixel_size_angstrom / 2 - _MARGIN_ANGSTROM
    return density_of_atoms(
        atoms * min(radius_angstrom, most) / np.linalg.norm(atoms, axis=1).max() * (1 - 1e-9),
        box_size,
        pixel_size_angstrom,
    )


def pseudo_atoms(seed: int = 0, domains: Domains = _DOMAINS) -> Float64[np.ndarray, "atoms 3"]:
    """Positions (x, y, z) of the pseudo-atoms in angstrom from their mass centre; all have the same mass."""
    generator = np.random.default_rng([seed, 1])
    parts, end = [], np.zeros(3)
    for centre, half_axes, residues in domains:
        domain = _domain(generator, np.array(centre), np.array(half_axes), residues, end)
        parts.append(domain)
        end = domain[-1]
    atoms = np.concatenate(parts)
    return atoms - atoms.mean(axis=0)


def _domain(
    generator: np.random.Generator,
    centre: np.ndarray,
    half_axes: np.ndarray,
    residues: int,
    start: np.ndarray,
) -> np.ndarray:
    """Atoms of one domain: helices in free places, each joined to the one before by a loop."""
    axes_of_helices: list[np.ndarray] = []
    atoms, end, made = [], start, 0
    while made < residues:
        length = int(generator.integers(10, 26))
        first, direction = _free_place(generator, centre, half_axes, 1.5 * length, axes_of_helices)
        axis = first + direction * 1.5 * np.arange(length)[:, None]
        helix = _helix(axis, direction, generator.uniform(0, 2 * np.pi))
        atoms += [_loop(end, helix[0], generator), helix]
        axes_of_helices.append(axis)
        end = helix[-1]
        made += length + _LOOP_RESIDUES
    return np.concatenate(atoms)


def _free_place(
    generator: np.random.Generator,
    centre: np.ndarray,
    half_axes: np.ndarray,
    length: float,
    taken: list[np.ndarray],
) -> tuple[np.ndarray, np.ndarray]:
    """First point and direction of a helix axis inside the ellipsoid: of many tries, the one with most room."""
    best, best_score = None, -np.inf
    occupied = np.concatenate(taken)[::2] if taken else None  # every second residue is near enough
    favourite = np.array([0.3, 0.2, 1.0])  # helices of a bundle are nearly parallel
    for _ in range(60):
        direction = favourite * generator.choice([-1.0, 1.0]) + 0.6 * generator.standard_normal(3)
        direction /= np.linalg.norm(direction)
        middle = centre + half_axes * generator.uniform(-0.8, 0.8, 3)
        first = middle - 0.5 * length * direction
        ends = (np.stack([first, middle, first + length * direction]) - centre) / half_axes
        outside = max(0.0, float(np.linalg.norm(ends, axis=1).max()) - 1.0) * 30.0
        points = first + direction * np.linspace(0, length, 8)[:, None]
        gap = _CLEARANCE_ANGSTROM
        if occupied is not None:
            gap = float(np.linalg.norm(points[:, None] - occupied, axis=-1).min())
        score = min(gap, _CLEARANCE_ANGSTROM) - outside
        if score > best_score:
            best, best_score = (first, direction), score
    assert best is not None
    return best


def _helix(axis: np.ndarray, direction: np.ndarray, phase: float) -> np.ndarray:
    """Atoms of one helix: backbone at radius 1.6 and 2.3 angstrom, side chain at 3.3 and 4.8; 100 degrees a residue."""
    across = np.cross(direction, [1.0, 0.0, 0.0] if abs(direction[0]) < 0.9 else [0.0, 1.0, 0.0])
    across /= np.linalg.norm(across)
    other = np.cross(direction, across)
    turn = phase + np.radians(100.0) * np.arange(len(axis))
    atoms = []
    for radius, twist, rise in ((1.6, -0.5, -0.6), (2.3, 0.0, 0.0), (3.3, 0.2, 0.2), (4.8, 0.3, 0.5)):
        angle = turn + twist
        outwards = np.cos(angle)[:, None] * across + np.sin(angle)[:, None] * other
        atoms.append(axis + radius * outwards + rise * direction)
    return np.stack(atoms, axis=1).reshape(-1, 3)


def _loop(start: np.ndarray, end: np.ndarray, generator: np.random.Generator) -> np.ndarray:
    """A smooth arc with four pseudo-atoms per residue, and more residues for a longer way."""
    distance = float(np.linalg.norm(end - start))
    residues = max(_LOOP_RESIDUES, round(distance / 3.5))
    share = np.linspace(0, 1, residues * 4)[:, None]
    bow = generator.standard_normal(3) * 0.15 * distance
    return start + (end - start) * share + bow * np.sin(np.pi * share) + generator.normal(0, 0.7, (len(share), 3))


def _splatted(position_xyz: Tensor, size: int) -> Tensor:
    """A grid (z, y, x) with unit masses at these positions (x, y, z), each shared by the eight voxels around it."""
    corner = position_xyz.floor()
    upper = position_xyz - corner
    base = corner.long()
    grid = torch.zeros(size**3, dtype=torch.float64)
    for z in (0, 1):
        for y in (0, 1):
            for x in (0, 1):
                share = torch.ones(len(base), dtype=torch.float64)
                for axis, bit in enumerate((x, y, z)):
                    share = share * (upper[:, axis] if bit else 1 - upper[:, axis])
                index = ((base[:, 2] + z) * size + base[:, 1] + y) * size + base[:, 0] + x
                grid.index_add_(0, index, share)
    return grid.reshape(size, size, size).float()
