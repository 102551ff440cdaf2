"""The report of a run's states: components, coordinates, maps of states, differences, and maps along components."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from jaxtyping import Bool, Float, Int

from cryofifa.results.report.contents import MapPart
from cryofifa.results.report.markup import captioned_image, note, plot, section, table, tile
from cryofifa.results.report.page import page_html
from cryofifa.results.report.plots.deviations import deviations_figure
from cryofifa.results.report.plots.fsc import fsc_figure
from cryofifa.results.report.plots.grey_pictures import central_slices, grey_png
from cryofifa.results.report.plots.latent import latent_figure
from cryofifa.results.report.plots.spectrum import spectrum_figure
from cryofifa.results.report.readable import angstrom
from cryofifa.results.report.sections.maps import PLANES
from cryofifa.results.states_summary import FoundDifference, FoundStates
from cryofifa.system.atomic_file import atomic_path

SHARED_NOTE = (
    "Which particle is in which state was found from all particles, down to the dotted line. The halves of a state "
    "have that in common: their agreement says something beyond it only."
)


@dataclass(frozen=True)
class DifferencePart:
    """A difference of two states' maps, as the page shows it.

    Attributes:
        found: its numbers.
        deviations: the difference in standard deviations of its noise.
        inside: the voxels that are judged.
    """

    found: FoundDifference
    deviations: Float[np.ndarray, "z y x"]
    inside: Bool[np.ndarray, "z y x"]


@dataclass(frozen=True)
class StatesPage:
    """All that the page shows.

    Attributes:
        title, run: what the page is called, and the run's folder.
        found: the result.
        least_gain: what a real component has to reach, in standard errors.
        coordinate, state, score: of the particles that are in a state, which counts from 0.
        maps: one of each state.
        differences: of their pairs.
        series: for every real component, its maps in the order of the coordinate.
    """

    title: str
    run: str
    found: FoundStates
    least_gain: float
    coordinate: Float[np.ndarray, "n components"]
    state: Int[np.ndarray, " n"]
    score: Float[np.ndarray, " n"]
    maps: Sequence[MapPart]
    differences: Sequence[DifferencePart]
    series: Sequence[Sequence[Float[np.ndarray, "z y x"]]]


def write_states_page(path: Path, page: StatesPage) -> None:
    """Write the page, whole or not at all; the folder must exist."""
    text = page_html(page.title, page.run, [_summary(page), _spectrum(page), *_latent(page), *_states(page)])
    with atomic_path(path) as temporary:
        temporary.write_bytes(text.encode("utf-8", "backslashreplace"))


def _summary(page: StatesPage) -> str:
    found = page.found
    facts = [
        ("States", str(len(found.states))),
        ("Real components", f"{found.real_components} of {found.components}"),
        ("Particles", str(found.particles)),
        ("Junk, apart", str(found.junk)),
        ("Told apart down to", angstrom(found.resolution_angstrom)),
    ]
    tiles = "".join(tile(name, value, "tile") for name, value in facts)
    conclusion = found.conclusion[0].upper() + found.conclusion[1:]
    return section(
        "summary", "Summary", note(f"{conclusion}."), f'<dl class="tiles">{tiles}</dl>', _table_of_states(found)
    )


def _table_of_states(found: FoundStates) -> str:
    if len(found.states) < 2:
        return ""
    return table(
        (
            f"State {number}",
            f"{state.particles} particles, on average {state.mean_probability:.0%} certain; FSC 0.143 at "
            f"{angstrom(state.resolution_fsc0143_angstrom)}",
        )
        for number, state in enumerate(found.states, 1)
    )


def _spectrum(page: StatesPage) -> str:
    found = page.found
    return section(
        "components",
        "Components of variability",
        plot(
            lambda ink: spectrum_figure(found.gain_over_error, page.least_gain, found.real_components, ink),
            "Gain of every component",
        ),
        note(
            "Components are found from three quarters of the particles, and each is tried on the last quarter: how "
            "much likelier it makes those images, in standard errors. What was fitted to noise does not do that. "
            f"Real are those from the first on that reach {page.least_gain:g} (dashed)."
        ),
        table(
            (f"Component {number}", f"{power:.2%} of the power of the mean volume")
            for number, power in enumerate(found.power[: found.real_components], 1)
        ),
    )


def _latent(page: StatesPage) -> list[str]:
    if page.coordinate.shape[1] == 0:
        return []
    drawn = plot(
        lambda ink: latent_figure(page.coordinate, page.state, page.score, ink), "Particles along the components"
    )
    words = note(
        "One point for each particle that is no junk, at the coordinates that its image and all others make likeliest."
    )
    return [section("coordinates", "Particles along the components", drawn, words)]


def _states(page: StatesPage) -> list[str]:
    found = [_state(part, number) for number, part in enumerate(page.maps, 1)]
    if page.maps:
        found.append(_fsc(page.maps))
    found += [_difference(part) for part in page.differences]
    return found + [_series(page, number, maps) for number, maps in enumerate(page.series, 1)]


def _state(part: MapPart, number: int) -> str:
    slices = "".join(
        captioned_image(png, f"Central slice: {plane}")
        for png, plane in zip(central_slices(part.volume), PLANES, strict=True)
    )
    return section(f"state-{number}", f"Map of {part.name}", f'<div class="row">{slices}</div>')


def _fsc(maps: Sequence[MapPart]) -> str:
    first = maps[0]
    return section(
        "fsc",
        "Fourier shell correlation of the states' half maps",
        plot(
            lambda ink: fsc_figure(
                {part.name: part.fsc_curves["corrected"] for part in maps},
                first.box_angstrom,
                first.nyquist_angstrom,
                first.resolution_angstrom,
                first.shared_resolution_angstrom,
                ink,
            ),
            "FSC curves",
        ),
        note(SHARED_NOTE),
    )


def _difference(part: DifferencePart) -> str:
    found = part.found
    return section(
        f"difference-{found.first}-{found.second}",
        f"State {found.first} less state {found.second}",
        plot(
            lambda ink: deviations_figure(part.deviations, part.inside, found.threshold_sd, ink),
            "Slices of the difference",
        ),
        note(
            f"In standard deviations of the noise, as the half maps tell it; lines surround what exceeds "
            f"{found.threshold_sd:.1f}, which noise alone reaches in one of a hundred pairs of maps: "
            f"{found.gained_cubic_angstrom:.0f} cubic Å more (blue) and {found.lost_cubic_angstrom:.0f} less (red)."
        ),
    )


def _series(page: StatesPage, number: int, maps: Sequence[Float[np.ndarray, "z y x"]]) -> str:
    places = page.found.along[number - 1]
    scale = _scale_of_sums(maps)
    pictures = "".join(
        captioned_image(
            grey_png(volume.sum(axis=1), scale),
            f"{place.particles} particles at {place.coordinate:+.2f}",
        )
        for volume, place in zip(maps, places, strict=True)
    )
    return section(
        f"along-{number}",
        f"Along component {number}",
        f'<div class="pairs">{pictures}</div>',
        note(
            "Maps of the particles at places along the component, in the order of the coordinate (in standard "
            "deviations), all filtered alike: projections along y."
        ),
    )


def _scale_of_sums(maps: Sequence[Float[np.ndarray, "z y x"]]) -> tuple[float, float]:
    black, white = np.percentile(np.stack([volume.sum(axis=1) for volume in maps]), (0.5, 99.8))
    return float(black), float(max(white, black + 1e-9))
