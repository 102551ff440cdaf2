"""The decoder's volume as a density on any grid, in the scale of the run's maps."""

from __future__ import annotations

from jaxtyping import Float
from torch import Tensor

from cryofifa.model.volume_decoder import VolumeDecoder
from cryofifa.particles.preprocess import even_at_least
from cryofifa.physics.fourier import window_centre
from cryofifa.run.plan import RunPlan


def decoder_density(
    decoder: VolumeDecoder, plan: RunPlan, radius: float, box_size: int, pixel_size_angstrom: float
) -> Float[Tensor, "z y x"]:
    """The decoder's density on a grid, in the scale of the run's maps.

    A density does not depend on the grid: the inverse transform of N^3 samples is divided by the voxel's volume. At the
    input's pixel size the factor is the window in pixels, since the decoder's values are FT / box of images that were
    sampled from the window to `box` pixels with the noise kept at standard deviation 1.

    Args:
        decoder: the network that holds the volume.
        plan: the run's plan.
        radius: Fourier radius up to which the decoder counts, in Fourier pixels of the ab-initio frame.
        box_size: voxels along a side of the grid.
        pixel_size_angstrom: of the grid.
    """
    frame = plan.ab_initio_frame
    # samples farther apart than one Fourier pixel of the frame would fold the frame's far sides into a smaller box
    sampled_box = max(box_size, even_at_least(frame.extent_angstrom / pixel_size_angstrom))
    spacing = frame.extent_angstrom / (sampled_box * pixel_size_angstrom)
    # at Nyquist itself a frequency and its mate are one sample
    within = min(radius, (sampled_box / 2 - 0.5) * spacing)
    scale = frame.window_pixel * (plan.pixel_size_angstrom / pixel_size_angstrom) ** 3
    return window_centre(decoder.volume(sampled_box, within, spacing) * scale, box_size, 3)
