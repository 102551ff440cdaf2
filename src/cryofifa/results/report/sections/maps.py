"""The sections of a map: its pictures, its Fourier shell correlation, its local resolution."""

from __future__ import annotations

import html

from cryofifa.results.report.contents import DirectionPart, MapPart
from cryofifa.results.report.markup import captioned_image, note, plot, section, table
from cryofifa.results.report.plots.directions import area_figure, cone_figure
from cryofifa.results.report.plots.fsc import fsc_figure
from cryofifa.results.report.plots.grey_pictures import central_slices, projections
from cryofifa.results.report.plots.local_resolution import local_resolution_figure
from cryofifa.results.report.readable import angstrom, crossed_at, share

FSC_NOTE = (
    "Down to the shared resolution (dotted) both halves of the particles had their poses from one model, beyond it "
    "each half from its own map: only there does their agreement say anything."
)
HAND_NOTE = "The absolute hand is unknown: the mirror image of this map explains the particles just as well."
PLANES = ("x right, y down (across z)", "x right, z down (across y)", "y right, z down (across x)")


def map_sections(part: MapPart, number: int) -> list[str]:
    """All sections of one map, the `number`-th of the page, counted from 1."""
    sections = [("map", "Map", _pictures(part)), ("fsc", "Fourier shell correlation of the half maps", _fsc(part))]
    if part.directions is not None:
        sections.append(("directions", "FSC along every direction", _directions(part, part.directions)))
    if part.local_resolution is not None:
        sections.append(("local", "Local resolution", _local_resolution(part)))
    return [
        section(
            name if number == 1 else f"{name}-{number}", f"{heading}: {part.name}" if part.name else heading, *contents
        )
        for name, heading, contents in sections
    ]


def _pictures(part: MapPart) -> list[str]:
    slices, sums = (
        "".join(captioned_image(png, f"{kind}: {plane}") for png, plane in zip(draw(part.volume), PLANES, strict=True))
        for kind, draw in (("Central slice", central_slices), ("Projection", projections))
    )
    return [
        f'<div class="row">{slices}</div><br><div class="row">{sums}</div>',
        note(
            f"{part.volume.shape[-1]} voxels of {part.pixel_size_angstrom:.4g} Å across, "
            f"{part.box_angstrom:.0f} Å in all; dense is bright."
        ),
        note(HAND_NOTE),
    ]


def _fsc(part: MapPart) -> list[str]:
    crossings = ", ".join(f"{threshold} {crossed_at(found)}" for threshold, found in part.resolution_angstrom.items())
    return [
        plot(
            lambda ink: fsc_figure(
                part.fsc_curves,
                part.box_angstrom,
                part.nyquist_angstrom,
                part.resolution_angstrom,
                part.shared_resolution_angstrom,
                ink,
            ),
            "FSC curve",
        ),
        f"<p><strong>{FSC_NOTE}</strong></p>",
        note(
            f"Corrected: {crossings}; "
            f"shared down to {angstrom(part.shared_resolution_angstrom)}; "
            f"Nyquist is {angstrom(part.nyquist_angstrom)}. Corrected for what the mask alone correlates: the "
            "curve of the same maps with random phases, drawn beyond what was shared (Chen et al. 2013). All but the "
            "unmasked curve are of the halves without their spherical means, which no pose decides. Shells in which "
            "unrelated maps reach more than the threshold by chance (three standard deviations) do not count."
        ),
    ]


def _directions(part: MapPart, directions: DirectionPart) -> list[str]:
    best, worst = (angstrom(value) for value in directions.resolution_angstrom)
    return [
        plot(
            lambda ink: cone_figure(directions.curves, part.box_angstrom, part.nyquist_angstrom, ink),
            "FSC curves within cones",
        ),
        plot(lambda ink: area_figure(directions.direction, directions.area, ink), "Mean FSC along every direction"),
        table(
            [
                ("Along the best direction", best),
                ("Along the worst direction", worst),
                ("Conical FSC area ratio (cFAR)", share(directions.area_ratio)),
            ]
        ),
        _advice(directions.advice),
        note(
            "The half maps compared within cones of 20 degrees about directions of Fourier space, corrected for the "
            "mask as above: the spread of all curves, and their means over the sphere. A particle seen along one "
            "direction fills all directions across it, so a map of such views alone lacks that very direction and is "
            "smeared along it. Resolution: where the FSC of a cone falls under 0.143. cFAR: the least area under such "
            "a curve over the greatest, 1 if all directions are alike, under 0.5 where some are missing, or where "
            "noise lets the halves agree but little. A cone has few points, so the worst of them errs to the coarse "
            "side."
        ),
    ]


def _advice(text: str) -> str:
    return f"<p><strong>{html.escape(text[0].upper() + text[1:])}.</strong></p>" if text else ""


def _local_resolution(part: MapPart) -> list[str]:
    local = part.local_resolution
    assert local is not None
    lower, median, upper = (angstrom(value) for value in local.quartiles_angstrom)
    return [
        plot(lambda ink: local_resolution_figure(local.angstrom, ink), "Central slices of the local resolution"),
        note(
            f"Half of the particle's voxels lie between {lower} and {upper}, the median at {median}. It is where the "
            "FSC of the half maps around a voxel falls under 0.5 (Cardone et al. 2013), under a window a few periods "
            "wide: finer changes than that cannot be seen. Slices as of the map, across z, y and x."
        ),
    ]
