"""The network's own volume, sampled on any grid from a run's checkpoint."""

from __future__ import annotations

import math
from dataclasses import dataclass
from pathlib import Path

import torch
from jaxtyping import Float
from torch import Tensor

from cryofifa.errors import InputError
from cryofifa.model.volume_decoder import VolumeDecoder
from cryofifa.mrc_map import write_map
from cryofifa.particles.preprocess import even_at_least
from cryofifa.physics.fourier import window_centre
from cryofifa.plan import SMALLEST_BOX, RunPlan
from cryofifa.run_folder import map_to_write
from cryofifa.trained_run import read_trained_run


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

    Nothing is interpolated: the network is asked at the grid's own frequencies, up to the Fourier radius it has been
    trained to, the grid's Nyquist frequency or `resolution_angstrom`, whichever is the coarsest. Densities are in the
    scale of the run's decoder.mrc, at any pixel size.

    Raises:
        InputError: if the run has no checkpoint yet, or a number is out of its range.
    """
    if box_size % 2 or box_size < SMALLEST_BOX:
        raise InputError(f"--box {box_size}: give an even number of pixels, at least {SMALLEST_BOX}")
    for option, value in (("--pixel-size", pixel_size_angstrom), ("--resolution", resolution_angstrom)):
        if value is not None and not 0 < value < math.inf:
            raise InputError(f"{option} {value:g}: give a positive number of angstrom")
    trained = read_trained_run(Path(run), torch.device("cpu"))
    target = map_to_write(Path(run) / "volume.mrc" if output is None else Path(output), trained.folder.path)
    plan, radius = trained.plan, trained.mask_radius
    extent = plan.ab_initio_frame.extent_angstrom
    if resolution_angstrom is not None:
        radius = min(radius, extent / resolution_angstrom)
    write_map(
        target, decoder_density(trained.decoder(), plan, radius, box_size, pixel_size_angstrom), pixel_size_angstrom
    )
    return SampledVolume(target, max(extent / radius, 2 * pixel_size_angstrom))


def decoder_density(
    decoder: VolumeDecoder, plan: RunPlan, radius: float, box_size: int, pixel_size_angstrom: float
) -> Float[Tensor, "z y x"]:
    """The network's density on a grid, in the scale of the run's maps.

    radius: in Fourier pixels of the ab-initio frame. A density does not depend on the grid: the inverse transform of
    N^3 samples is divided by the voxel's volume. At the input's pixel size p the factor is the window in pixels, since
    the network's values are FT / box of images sampled to `box` from the window with the noise kept at sd 1.
    """
    frame = plan.ab_initio_frame
    # frequencies farther apart than one Fourier pixel of the frame would fold its far sides into a smaller box
    sampled_box = max(box_size, even_at_least(frame.extent_angstrom / pixel_size_angstrom))
    spacing = frame.extent_angstrom / (sampled_box * pixel_size_angstrom)
    # at Nyquist itself a frequency and its mate are one sample
    within = min(radius, (sampled_box / 2 - 0.5) * spacing)
    scale = frame.window_pixel * (plan.pixel_size_angstrom / pixel_size_angstrom) ** 3
    return window_centre(decoder.volume(sampled_box, within, spacing) * scale, box_size, 3)
