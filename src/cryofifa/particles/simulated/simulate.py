"""Simulate particle sets with known poses, by the program's own forward model, and write them as RELION's files.

image = scale * F^-1[ CTF(k) slice(A^T k) exp(+2 pi i k.t) ] + neighbours + ramp + noise of variance 1
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Literal, Protocol, runtime_checkable

import numpy as np
from jaxtyping import Float
from torch import Tensor

from cryofifa.errors import InputError
from cryofifa.particles.particle_radius import radius_of_volume
from cryofifa.particles.simulated.acquisition import Acquisition
from cryofifa.particles.simulated.coloured_noise import ColouredNoise
from cryofifa.particles.simulated.draws import Views, draw_of_sample, draw_parameters
from cryofifa.particles.simulated.gradient import Gradients
from cryofifa.particles.simulated.junk import Junk
from cryofifa.particles.simulated.micelle import Belt, Micelle
from cryofifa.particles.simulated.neighbours import Neighbours
from cryofifa.particles.simulated.random_streams import Stream, generator_of
from cryofifa.particles.simulated.room import check_room
from cryofifa.particles.simulated.scene import Molecule, Scene, signal_variance
from cryofifa.particles.simulated.simulated_set import write_stack, write_star
from cryofifa.particles.simulated.solvent import in_water
from cryofifa.particles.simulated.structure import model_centre_angstrom, structure_volume
from cryofifa.particles.simulated.truth import WriteFile, columns_of_sample, files_of_sample, files_of_truth
from cryofifa.physics.central_slice import FourierGrid
from cryofifa.physics.ctf import CtfParameters, contrast_transfer
from cryofifa.physics.fourier import HalfPlane, inverse_fourier_2d
from cryofifa.physics.image_formation import form_image
from cryofifa.settings.sample import PLAIN, SampleSettings

_IMAGES_PER_BLOCK = 64  # fixed, because batched sums differ in the last bit with the size of the batch


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
    slices = FourierGrid.from_volume(volume, volume.shape[-1] // 2).slices(rotation_volume_to_image, plane)
    contrast = contrast_transfer(ctf, plane.frequency_per_angstrom)
    return inverse_fourier_2d(plane.fill(form_image(slices, contrast, shift_angstrom, plane)))


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
    junk: float | None = None,
    select: str | None = None,
    views: Views = "uniform",
    dtype: Literal["float32", "float16"] = "float32",
    sample: SampleSettings = PLAIN,
    seed: int = 0,
) -> None:
    """Write particles.mrcs, particles.star (no poses) and truth/{poses.star, map.mrc, junk.txt, junk_kind.txt}.

    structure: an MRC map, or a PDB/mmCIF model (of which `select`, in gemmi's syntax, picks a part).
    box: side of the images in pixels, an even number.
    snr: variance of the clean, CTF-modulated images inside a disc of radius 0.35 box, over that of the noise. What is
        around the molecule does not count, nor do further structures.
    shift_sd_pixel: standard deviation of the shifts along x and y.
    defocus_angstrom: smallest and largest mean defocus of a micrograph.
    junk: share of rows that are no particles, by default that of the sample, which for a plain one is 0: equal parts of
        pure noise, ice-like blobs and another molecule of the same size and SNR. junk.txt lists these rows, from 0;
        junk_kind.txt says in the same order what they are.
    views: "preferred" puts four of five particles within some 25 degrees of one axis of view.
    dtype: float16 is MRC mode 12, which RELION 3 cannot read.
    sample: what makes images harder than a molecule in white noise. All of it that is drawn is written into truth/,
        too: settings.toml, surroundings.star (neighbours and ramps), map2.mrc and so on (further structures),
        micelle.mrc (its mean), and columns of poses.star. map.mrc is the first structure in water, without a micelle.

    The same seed gives the same files.  Images are made and written block by block, and nothing appears under its final
    name before everything is written.

    Raises:
        InputError: if a setting makes no sense, the structure cannot be read or does not fit the box, or there is no
            room for the set in memory or on the disk.
    """
    output = Path(output)
    if (output / "particles.star").exists():
        raise InputError(f"{output}: holds a particle set; choose another folder with -o")
    acquisition = Acquisition(
        structure=str(structure),
        select=select,
        particles=particles,
        box=box,
        pixel_size_angstrom=pixel_size_angstrom,
        snr=snr,
        shift_sd_pixel=shift_sd_pixel,
        defocus_angstrom=defocus_angstrom,
        junk=sample.junk.share if junk is None else junk,
        views=views,
        dtype=dtype,
        seed=seed,
    )
    check_room(output, particles, box, np.dtype(dtype).itemsize, 1 + len(sample.model), acquisition.junk)
    scene = _scene(_molecules(acquisition, sample), acquisition, sample)
    junk_rows = Junk.of_scene(scene, snr, sample.solvent)
    neighbours = Neighbours.drawn(scene, sample.neighbours)
    gradients = Gradients.drawn(particles, box, sample.gradient, seed)
    noise = ColouredNoise.of_settings(sample.noise, box, pixel_size_angstrom, seed)
    blocks = _blocks(scene, junk_rows, (neighbours, gradients, noise))

    truth = output / "truth"
    _write_all(
        {
            output / "particles.mrcs": lambda path: write_stack(
                path, blocks, particles, box, pixel_size_angstrom, dtype
            ),
            **({} if sample == PLAIN else files_of_sample(truth, acquisition, sample, scene, neighbours, gradients)),
            **files_of_truth(truth, scene, {} if sample == PLAIN else columns_of_sample(scene.drawn)),
            # last: its presence means that the set is complete
            output / "particles.star": lambda path: write_star(
                path, scene.drawn, box, pixel_size_angstrom, with_poses=False
            ),
        },
        output,
    )


@runtime_checkable
class _Layer(Protocol):
    """What is added to the images of particles and junk."""

    def images(self, rows: range) -> Float[np.ndarray, "n y x"]:
        """What it adds to these rows."""
        ...


def _molecules(acquisition: Acquisition, sample: SampleSettings) -> tuple[Molecule, ...]:
    """All structures in water, in the frame of the first."""
    box, pixel_size = acquisition.box, acquisition.pixel_size_angstrom
    centre = model_centre_angstrom(Path(acquisition.structure), acquisition.select)
    structures = [(acquisition.structure, acquisition.select)]
    structures += [(model.structure, model.select) for model in sample.model]
    volumes = [
        in_water(structure_volume(Path(path), box, pixel_size, select, centre), pixel_size, sample.solvent)
        for path, select in structures
    ]
    micelles: list[Micelle | None] = [None] * len(volumes)
    if sample.micelle.contrast > 0:
        belt = Belt.around(volumes[0], pixel_size, sample.micelle)
        micelles = [Micelle.of_protein(volume, pixel_size, belt, sample.micelle) for volume in volumes]
    return tuple(
        Molecule(volume, FourierGrid.from_volume(volume, box // 2), micelle)
        for volume, micelle in zip(volumes, micelles, strict=True)
    )


def _scene(molecules: tuple[Molecule, ...], acquisition: Acquisition, sample: SampleSettings) -> Scene:
    """The molecules in the poses and under the optics that are drawn for them."""
    drawn = draw_parameters(
        acquisition.particles,
        acquisition.pixel_size_angstrom,
        acquisition.shift_sd_pixel,
        acquisition.defocus_angstrom,
        acquisition.junk,
        "preferred" if acquisition.views == "preferred" else "uniform",
        generator_of(acquisition.seed, Stream.PARTICLES),
        sample.junk.weights,
    )
    drawn = draw_of_sample(drawn, sample, acquisition.seed)
    plane = HalfPlane.of_box(acquisition.box, acquisition.pixel_size_angstrom, with_origin=True)
    return Scene(
        molecules=molecules,
        radius_angstrom=radius_of_volume(molecules[0].volume) * acquisition.pixel_size_angstrom,
        plane=plane,
        drawn=drawn,
        scale=(acquisition.snr / signal_variance(molecules[0].grid, plane, drawn)) ** 0.5,
        seed=acquisition.seed,
    )


def _blocks(scene: Scene, junk: Junk, layers: Sequence[_Layer]) -> Iterator[tuple[int, np.ndarray]]:
    """First row and float32 images of every block; each row has random numbers of its own."""
    n = len(scene.drawn.junk_kind)
    for first in range(0, n, _IMAGES_PER_BLOCK):
        rows = range(first, min(first + _IMAGES_PER_BLOCK, n))
        transform = junk.in_place_of(scene.particles(rows), rows)
        image = inverse_fourier_2d(scene.plane.fill(transform)).numpy()
        yield first, sum((layer.images(rows) for layer in layers), image)


def _write_all(files: Mapping[Path, WriteFile], output: Path) -> None:
    """Write all files under other names, and give them their own when all are there, in their order."""
    partial = {path: path.with_name(f".partial.{path.name}") for path in files}
    try:
        for path in files:
            path.parent.mkdir(parents=True, exist_ok=True)
        try:
            for path, write in files.items():
                write(partial[path])
            for path, temporary in partial.items():
                os.replace(temporary, path)
        finally:
            for temporary in partial.values():
                temporary.unlink(missing_ok=True)
    except OSError as error:
        raise InputError(f"{output}: cannot be written ({error.strerror or error})") from error
