"""Fourier shell correlation curves: writing and reading them as CSV files, and the FSC of a map with the truth.

FSC(s) = Re sum_s A B* / sqrt(sum_s |A|^2 sum_s |B|^2)
"""

import csv
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from cryofifa.errors import InputError
from cryofifa.physics.mask import spherical_mask
from cryofifa.physics.shell_correlation import first_crossing_angstrom, fourier_shell_correlation
from cryofifa.system.atomic_file import atomic_path
from cryofifa.system.input_file import check_input_file

MASK_EDGE_PIXEL = 3.0


def write_fsc_csv(
    path: Path,
    curve: Float[Tensor, " shells"],
    box_angstrom: float,
    others: Mapping[str, Float[Tensor, " shells"]] | None = None,
) -> None:
    """Write the columns shell, resolution_angstrom, frequency_per_angstrom, fsc, and fsc_NAME of other curves.

    Args:
        path: the file; an older one stays until the new one is complete.
        curve: FSC over shells 0, 1, ...
        box_angstrom: width of the box that the shells belong to.
        others: further curves over the same shells, by NAME.
    """
    columns = {"fsc": curve, **{f"fsc_{name}": other for name, other in (others or {}).items()}}
    with atomic_path(Path(path)) as temporary, temporary.open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file)
        writer.writerow(["shell", "resolution_angstrom", "frequency_per_angstrom", *columns])
        for shell, values in enumerate(torch.stack(list(columns.values()), dim=1).tolist()):
            resolution = f"{box_angstrom / shell:.4f}" if shell else "inf"
            numbers = (f"{value:.6f}" for value in values)
            writer.writerow([shell, resolution, f"{shell / box_angstrom:.7f}", *numbers])


def read_fsc_csv(path: Path, column: str = "fsc") -> tuple[Float[Tensor, " n"], Float[Tensor, " n"]]:
    """Read a curve, from this column, and its frequencies per angstrom, from the column frequency_per_angstrom.

    Raises:
        InputError: if the file cannot be read, a column is absent, or the frequencies do not rise.
    """
    check_input_file(path, bytes_per_byte=10)  # as numbers of Python
    try:
        with path.open(newline="", encoding="utf-8") as file:
            rows = [(float(row[column]), float(row["frequency_per_angstrom"])) for row in csv.DictReader(file)]
    except OSError as error:
        raise InputError(f"{path}: cannot be read ({error.strerror}); give a curve as fsc.csv of a run") from None
    except (KeyError, TypeError, ValueError) as error:
        raise InputError(f"{path}: wants number columns frequency_per_angstrom and {column} ({error!r})") from None
    fsc, frequency = torch.tensor(rows).reshape(-1, 2).unbind(1)
    if len(rows) < 2 or not bool((frequency.diff() > 0).all()) or not bool(torch.isfinite(fsc).all()):
        raise InputError(f"{path}: wants two rows or more with finite {column} and rising frequency_per_angstrom")
    return fsc, frequency


def resample_fsc(
    fsc: Float[Tensor, " n"], frequency_per_angstrom: Float[Tensor, " n"], shells: int, box_angstrom: float
) -> Float[Tensor, " shells"]:
    """The curve at shells 0 .. shells - 1 of another box, interpolated linearly in frequency; 0 beyond its end."""
    wanted = np.arange(shells) / box_angstrom
    # frequencies in a file are rounded, which must not put the last shell beyond the end
    end = float(frequency_per_angstrom[-1]) * (1 + 1e-4)
    values = np.interp(wanted, frequency_per_angstrom.double().numpy(), fsc.double().numpy())
    return torch.from_numpy(np.where(wanted <= end, values, 0.0)).float()


@dataclass(frozen=True)
class FscToTruth:
    """The FSC between an aligned map and the truth, and where it falls under the two usual thresholds.

    Attributes:
        curve: FSC over shells 0, 1, ...
        box_angstrom: width of the box that the shells belong to.
        resolution_fsc05_angstrom, resolution_fsc0143_angstrom: first crossing of 0.5 and of 0.143.
    """

    curve: Float[Tensor, " shells"]
    box_angstrom: float
    resolution_fsc05_angstrom: float
    resolution_fsc0143_angstrom: float


def fsc_to_truth(
    aligned: Float[Tensor, "z y x"],
    truth: Float[Tensor, "z y x"],
    pixel_size_angstrom: float,
    radius_share: float,
) -> FscToTruth:
    """FSC of an aligned map and the truth, on one grid, inside a soft sphere.

    The mean outside the sphere is subtracted first, because a constant background cut off by the sphere would
    correlate.

    Args:
        aligned: the map, aligned to the truth.
        truth: the true map.
        pixel_size_angstrom: of both.
        radius_share: radius of the sphere as a share of the box; it has a linear edge of 3 px.
    """
    curve = fourier_shell_correlation(in_soft_sphere(aligned, radius_share), in_soft_sphere(truth, radius_share))
    box_angstrom = truth.shape[-1] * pixel_size_angstrom
    return FscToTruth(
        curve,
        box_angstrom,
        first_crossing_angstrom(curve, 0.5, box_angstrom),
        first_crossing_angstrom(curve, 0.143, box_angstrom),
    )


def in_soft_sphere(volume: Float[Tensor, "z y x"], radius_share: float) -> Float[Tensor, "z y x"]:
    """The volume less its mean outside a soft sphere, times that sphere; the radius is given as a share of the box."""
    size = volume.shape[-1]
    return in_mask(volume, spherical_mask(size, radius_share * size, MASK_EDGE_PIXEL, volume.device))


def in_mask(volume: Float[Tensor, "z y x"], mask: Float[Tensor, "z y x"]) -> Float[Tensor, "z y x"]:
    """The volume less its mean outside the mask, times the mask; a mask that is nowhere 0 has no outside."""
    outside = mask == 0
    background = volume[outside].mean() if bool(outside.any()) else volume.new_zeros(())
    return (volume - background) * mask
