"""Sharpen the map of a run or of another program: FSC weighting, B-factor, soft low-pass."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from cryofifa.errors import InputError
from cryofifa.mrc_map import read_mask, write_map
from cryofifa.physics.shell_correlation import first_crossing_angstrom
from cryofifa.physics.shells import shell_amplitude
from cryofifa.results.deepemhancer import run_deepemhancer
from cryofifa.results.fsc import in_mask, read_fsc_csv, resample_fsc
from cryofifa.results.sharpening import (
    GUINIER_COARSEST_ANGSTROM,
    GUINIER_TRUSTED_ANGSTROM,
    fsc_weight,
    guinier_b_factor,
    sharpen_volume,
)
from cryofifa.results.summary import read_summary
from cryofifa.results.unfiltered_maps import read_unfiltered, run_of
from cryofifa.run.folder import map_to_write

FSC_THRESHOLD = 0.143  # the low-pass begins at the resolution where the FSC falls under this
LARGEST_B_FACTOR = 2000.0  # square angstrom; no map has more, and larger ones overflow; our choice


@dataclass(frozen=True)
class Sharpened:
    """Where the sharpened map lies, and what was done to it.

    b_factor_square_angstrom: negative where it sharpened.
    resolution_angstrom: where the low-pass begins.
    note: in one line, what could not be done or is not to be trusted; None if there is nothing to say.
    """

    path: Path
    b_factor_square_angstrom: float
    resolution_angstrom: float
    note: str | None


def sharpen(
    run_or_map: Path | str,
    output: Path | str | None = None,
    *,
    b_factor_square_angstrom: float | None = None,
    fsc_file: Path | str | None = None,
    mask_file: Path | str | None = None,
) -> Sharpened:
    """Sharpen a run's map, or another program's unfiltered map, and write it (for a run: to RUN/map_sharpened.mrc).

    A run's map.mrc is Wiener filtered; the filter is divided out first (`results.unfiltered_maps`), then every shell is
    weighted once by sqrt(2 FSC / (1 + FSC)). Another map must be unfiltered and is weighted where an FSC is known.

    b_factor_square_angstrom: negative sharpens; by default from a Guinier fit, between 10 A and the resolution, to the
        weighted amplitudes inside the mask.
    fsc_file: CSV with columns frequency_per_angstrom and fsc; by default the run's own corrected curve, or that of
        half1.mrc and half2.mrc beside the map.
    mask_file: map with values 0 to 1; the FSC of the half maps and the Guinier fit are taken inside it. By default a
        soft sphere. The result is not masked.

    Raises:
        InputError: if a file is absent or wrong, or there is neither an FSC nor a B-factor.
    """
    if b_factor_square_angstrom is not None and not abs(b_factor_square_angstrom) <= LARGEST_B_FACTOR:
        raise InputError(f"--b-factor {b_factor_square_angstrom:g}: give a number within +-{LARGEST_B_FACTOR:g}")
    source = Path(run_or_map)
    beside = [source.with_name(name) for name in ("half1.mrc", "half2.mrc")]
    given = [Path(one) for one in (mask_file, fsc_file) if one is not None]
    target = _target(source, output, "sharpened", *beside, *given)
    maps = read_unfiltered(source)
    pixel_size, size = maps.pixel_size_angstrom, maps.combined.shape[-1]
    mask, fsc = maps.mask, maps.fsc
    if mask_file is not None:
        mask = read_mask(Path(mask_file), maps.combined.shape[-1], pixel_size)
        fsc = maps.fsc_within(mask)
    if fsc_file is not None:
        fsc = resample_fsc(*read_fsc_csv(Path(fsc_file)), size // 2 + 1, maps.box_angstrom)
    note, b_factor = None, b_factor_square_angstrom
    if fsc is None:
        if b_factor is None:
            raise InputError(f"{source}: no half1.mrc and half2.mrc beside it; give --fsc FILE or --b-factor B")
        note = "no FSC is known: the map is not weighted, and low-passed at Nyquist only"
        weight, resolution = None, 2 * pixel_size
    else:
        weight, resolution = fsc_weight(fsc), first_crossing_angstrom(fsc, FSC_THRESHOLD, maps.box_angstrom)
        if b_factor is None:
            amplitude = shell_amplitude(in_mask(maps.combined, mask)) * weight
            b_factor = guinier_b_factor(amplitude, maps.box_angstrom, resolution)
            if resolution > GUINIER_TRUSTED_ANGSTROM:
                note = f"a Guinier fit that ends at {resolution:.1f} A is often too strong: look at the map"
    if b_factor is None:
        b_factor = 0.0
        note = (
            f"a resolution of {resolution:.1f} A leaves too little beyond {GUINIER_COARSEST_ANGSTROM:.0f} A for a "
            "Guinier fit: FSC weighting only (give --b-factor to sharpen all the same)"
        )
    run = run_of(source)
    if run is not None and read_summary(run[0]).verdict == "not converged":
        note = "the run has not converged: there is nothing in its map that sharpening could bring out"
    write_map(target, sharpen_volume(maps.combined, pixel_size, b_factor, resolution, weight), pixel_size)
    return Sharpened(target, b_factor, resolution, note)


def sharpen_with_deepemhancer(run_or_map: Path | str, output: Path | str | None = None) -> Path:
    """Let DeepEMhancer sharpen a run's unfiltered half maps, or another program's; returns the path of the result.

    Raises:
        InputError: if a map is absent or wrong, or the program is not installed or fails.
    """
    source = Path(run_or_map)
    target = _target(source, output, "deepemhancer")
    run_deepemhancer(read_unfiltered(source), target)
    return target


def _target(source: Path, output: Path | str | None, how: str, *others: Path) -> Path:
    """The file to write: the one asked for, or one beside the map or in the run's folder."""
    if not source.exists():
        raise InputError(f"{source}: there is no such run folder or map")
    run = run_of(source)
    beside = source.with_name(f"{source.stem}_{how}.mrc")
    if run is not None:
        folder, class_index = run
        beside = folder.map(class_index).folder / f"map_{how}.mrc"
    return map_to_write(beside if output is None else Path(output), source, *others)
