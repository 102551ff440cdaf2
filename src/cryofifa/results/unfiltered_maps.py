"""Maps as they were before any filter, read from a run or from another program, so that they can be sharpened.

The last step in making a run's map.mrc is a Wiener filter with one gain per shell (`half_map_refinement/half_maps.py`).
The gain follows from the curve in fsc.csv and is nowhere under 0.15, so it can be divided out: what is left is the
plain back-projection, and no weighting is applied twice. half1.mrc and half2.mrc are unfiltered.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from jaxtyping import Float
from torch import Tensor

from cryofifa.errors import InputError
from cryofifa.half_map_refinement.half_maps import combined_map_gain, half_map_gain
from cryofifa.mrc_map import read_like, read_map
from cryofifa.particles.particle_size import ParticleSize
from cryofifa.physics.mask import spherical_mask
from cryofifa.physics.shell_correlation import fourier_shell_correlation
from cryofifa.physics.shells import scale_shells
from cryofifa.results.fsc import MASK_EDGE_PIXEL, in_mask, read_fsc_csv
from cryofifa.results.summary import read_summary
from cryofifa.run.folder import RunFolder, run_of_maps

SPHERE_SHARE = 0.45  # radius of the soft sphere for maps without a mask, as a share of the box


@dataclass(frozen=True)
class UnfilteredMaps:
    """A map without any filter, its half maps and their FSC where they are known, and a mask around the particle.

    Attributes:
        combined: the map of all particles.
        halves: its half maps; None where there are none.
        pixel_size_angstrom: of the maps.
        mask: from 0 to 1, a soft sphere around the particle.
        fsc: for a run the corrected curve, from which its resolution is read; else the FSC of the halves inside the
            mask; None without half maps.
    """

    combined: Float[Tensor, "z y x"]
    halves: tuple[Float[Tensor, "z y x"], Float[Tensor, "z y x"]] | None
    pixel_size_angstrom: float
    mask: Float[Tensor, "z y x"]
    fsc: Float[Tensor, " shells"] | None

    @property
    def box_angstrom(self) -> float:
        """The width of the maps' box in angstrom."""
        return self.combined.shape[-1] * self.pixel_size_angstrom

    def fsc_within(self, mask: Float[Tensor, "z y x"]) -> Float[Tensor, " shells"] | None:
        """The FSC of the half maps inside any mask on their grid; None without half maps."""
        if self.halves is None:
            return None
        return fourier_shell_correlation(*(in_mask(half, mask) for half in self.halves))


def run_of(path: Path) -> tuple[RunFolder, int] | None:
    """The run, and its class from 0, that a path stands for: a folder of maps or its map.mrc; None for any other map.

    Raises:
        InputError: if it is a half map of a run, which is made of half of the data.
    """
    if path.is_dir():
        return run_of_maps(path)
    folder, class_index = run_of_maps(path.parent)
    if not folder.summary.exists():
        return None
    files = folder.map(class_index)
    if path.name in {half.name for half in files.halves}:
        raise InputError(f"{path}: is a half map of a run; give the run's folder {path.parent}")
    return (folder, class_index) if path.name == files.combined.name else None


def read_unfiltered(run_or_map: Path) -> UnfilteredMaps:
    """The maps of a run with their gain divided out, or a map of another program, taken to be unfiltered.

    Another program's half maps are looked for beside the map, as half1.mrc and half2.mrc.

    Raises:
        InputError: if a file is absent or damaged, or the files do not belong together.
    """
    run = run_of(run_or_map)
    return _other_maps(run_or_map) if run is None else _run_maps(*run)


def _run_maps(folder: RunFolder, class_index: int) -> UnfilteredMaps:
    if not folder.summary.exists():
        raise InputError(f"{folder.path}: holds no finished run; wait for it, or give a map")
    files = folder.map(class_index)
    combined, pixel_size = read_map(files.combined)
    first, second = (read_like(path, combined.shape[-1], pixel_size) for path in files.halves)
    fsc, frequency = read_fsc_csv(files.fsc)
    corrected, _ = read_fsc_csv(files.fsc, "fsc_corrected")
    box_angstrom = combined.shape[-1] * pixel_size
    if len(fsc) != combined.shape[-1] // 2 + 1 or abs(float(frequency[-1]) * box_angstrom - len(fsc) + 1) > 0.01:
        raise InputError(f"{files.fsc}: is not the curve of {files.combined.name} (other box or pixel size)")
    radius_angstrom = read_summary(folder).particle_radius_angstrom
    size = ParticleSize(radius_angstrom, is_given=True, settings=folder.read_config().image)
    sphere = size.image_mask(pixel_size)
    return UnfilteredMaps(
        scale_shells(combined, 1 / combined_map_gain(half_map_gain(fsc))),
        (first, second),
        pixel_size,
        spherical_mask(combined.shape[-1], sphere.radius_pixel, sphere.edge_pixel),
        corrected,
    )


def _other_maps(path: Path) -> UnfilteredMaps:
    combined, pixel_size = read_map(path)
    size = combined.shape[-1]
    mask = spherical_mask(size, SPHERE_SHARE * size, MASK_EDGE_PIXEL)
    beside = RunFolder(path.parent)
    # a run's decoder.mrc is not the mean of the half maps beside it
    if beside.summary.exists() or not all(half.exists() for half in beside.map().halves):
        return UnfilteredMaps(combined, None, pixel_size, mask, None)
    first, second = (read_like(half, combined.shape[-1], pixel_size) for half in beside.map().halves)
    found = UnfilteredMaps(combined, (first, second), pixel_size, mask, None)
    return UnfilteredMaps(combined, (first, second), pixel_size, mask, found.fsc_within(mask))
