"""Sample the network's own volume on any grid, from a run's checkpoint."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import torch

from cryofifa.errors import InputError
from cryofifa.mrc_map import LARGEST_VOXEL_ANGSTROM, SMALLEST_VOXEL_ANGSTROM, write_map
from cryofifa.run.decoder_density import decoder_density
from cryofifa.run.folder import map_to_write
from cryofifa.run.planning import SMALLEST_BOX
from cryofifa.run.trained import read_trained_run
from cryofifa.system.memory import check_room

BYTES_PER_VOXEL = 40  # coordinates, the network's values and the transforms of a grid; measured


@dataclass(frozen=True)
class SampledVolume:
    """Where the map lies, and to what resolution the network was sampled."""

    path: Path
    resolution_angstrom: float


def volume(
    run: Path | str,
    box_size: int,
    pixel_size_angstrom: float,
    output: Path | str | None = None,
    *,
    resolution_angstrom: float | None = None,
) -> SampledVolume:
    """Sample the decoder of a finished or still running run, centred; by default written to RUN/volume.mrc.

    Nothing is interpolated: the network is evaluated at the grid's own frequencies, up to the Fourier radius it has
    been trained to, the grid's Nyquist frequency or `resolution_angstrom`, whichever is the coarsest. Densities are in
    the scale of the run's decoder.mrc, at any pixel size.

    Raises:
        InputError: if the run has no checkpoint yet, or a number is out of its range.
    """
    if box_size % 2 or box_size < SMALLEST_BOX:
        raise InputError(f"--box {box_size}: give an even number of pixels, at least {SMALLEST_BOX}")
    for option, value in (("--pixel-size", pixel_size_angstrom), ("--resolution", resolution_angstrom)):
        if value is not None and not SMALLEST_VOXEL_ANGSTROM <= value <= LARGEST_VOXEL_ANGSTROM:
            raise InputError(
                f"{option} {value:g}: give a number of angstrom from {SMALLEST_VOXEL_ANGSTROM:g} to "
                f"{LARGEST_VOXEL_ANGSTROM:g}"
            )
    trained = read_trained_run(Path(run), torch.device("cpu"))
    target = map_to_write(Path(run) / "volume.mrc" if output is None else Path(output), trained.folder.path)
    plan, radius = trained.plan, trained.mask_radius
    extent = plan.ab_initio_frame.extent_angstrom
    sampled_box = max(box_size, extent / pixel_size_angstrom)  # see `decoder_density`
    check_room(BYTES_PER_VOXEL * float(sampled_box) ** 3, f"a volume sampled with {sampled_box:.0f} voxels across")
    if resolution_angstrom is not None:
        radius = min(radius, extent / resolution_angstrom)
    write_map(
        target, decoder_density(trained.decoder(), plan, radius, box_size, pixel_size_angstrom), pixel_size_angstrom
    )
    return SampledVolume(target, max(extent / radius, 2 * pixel_size_angstrom))
