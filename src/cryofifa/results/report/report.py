"""The report of a run: one HTML file that needs nothing but itself."""

from __future__ import annotations

import base64
import html
import math
from collections.abc import Iterable
from pathlib import Path

from cryofifa.results.report.contents import HealthSign, ReportContents
from cryofifa.results.report.figures import DARK, LIGHT, PLOTS, central_slices, grey_png, projections
from cryofifa.results.report.style import STYLE
from cryofifa.results.view_coverage import fourier_sampling, view_evenness
from cryofifa.system.atomic_file import atomic_path

__all__ = ["HealthSign", "ReportContents", "report_html", "write_report"]

FSC_NOTE = (
    "The two halves of the particles saw one model down to the resolution they share, and each its own map from there: "
    "their agreement says something beyond it only."
)
HAND_NOTE = "The absolute hand is unknown: the mirror image of this map explains the particles just as well."
LOSS_NOTE = (
    "The loss falls in wrong minima too: never judge a run by it. Look at the map, the pose change and the views."
)
CONTENT_POLICY = "default-src 'none'; img-src data:; style-src 'unsafe-inline'"  # nothing is fetched or run
MOST_EXAMPLES = 8  # pairs shown; keeps the file small
EXAMPLE_PIXELS = 128


def write_report(path: Path, contents: ReportContents) -> None:
    """Write the report, whole or not at all; the folder must exist."""
    # a file name that is not valid UTF-8 reaches us as lone surrogates
    page = report_html(contents).encode("utf-8", "backslashreplace")
    with atomic_path(path) as temporary:
        temporary.write_bytes(page)


def report_html(contents: ReportContents) -> str:
    """The page as text."""
    title = html.escape(contents.title)
    body = "\n".join(
        [
            f"<h1>{title}</h1>",
            f'<p class="origin">{html.escape(str(contents.input_path))}</p>',
            _headline(contents),
            _map(contents),
            _resolution(contents),
            _local_resolution(contents),
            _views(contents),
            _poses(contents),
            _section("loss", "Loss", _plot("loss", contents, "Loss per epoch"), _note(LOSS_NOTE)),
            _winners(contents),
            _section("score", "Scores", _plot("score", contents, "Score histogram"), _note(contents.score_meaning)),
            _examples(contents),
            _timings(contents),
            _settings(contents),
            _section("versions", "Versions", _table(contents.versions.items())),
        ]
    )
    return f"""<!DOCTYPE html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta http-equiv="Content-Security-Policy" content="{CONTENT_POLICY}">
<title>{title}</title>
<style>{STYLE}</style>
</head>
<body><main>
{body}
</main></body>
</html>
"""


def _headline(contents: ReportContents) -> str:
    key = [
        ("At FSC 0.143", _angstrom(contents.resolution_0143_angstrom)),
        ("At FSC 0.5", _angstrom(contents.resolution_05_angstrom)),
    ]
    tiles = [_tile(name, value, "tile key") for name, value in key]
    tiles += [_tile(name, value, "tile") for name, value in contents.facts]
    signs = "".join(_sign(sign) for sign in contents.health)
    reasons = html.escape("; ".join(contents.verdict_reasons))
    parts = [f'<p class="verdict"><strong>{html.escape(contents.verdict.capitalize())}</strong>: {reasons}.</p>']
    parts.append(f'<dl class="tiles">{"".join(tiles)}</dl>')
    parts.append(f'<h3>Can this run be trusted?</h3><ul class="signs">{signs}</ul>' if signs else "")
    if contents.warnings:
        items = "".join(f"<li>{html.escape(warning)}</li>" for warning in contents.warnings)
        parts.append(f'<div class="warnings"><strong>Warnings</strong><ul>{items}</ul></div>')
    else:
        parts.append(_note("No warnings."))
    return _section("summary", "Summary", *parts)


def _tile(name: str, value: str, kind: str) -> str:
    return f'<div class="{kind}"><dt>{html.escape(name)}</dt><dd>{html.escape(value)}</dd></div>'


def _sign(sign: HealthSign) -> str:
    kind, word = {True: ("good", "✓ good"), False: ("look", "! look"), None: ("open", "open")}[sign.ok]
    return (
        f'<li><span class="badge {kind}">{word}</span><div><strong>{html.escape(sign.name)}:</strong> '
        f'{html.escape(sign.value)}<div class="note">{html.escape(sign.explanation)}</div></div></li>'
    )


def _map(contents: ReportContents) -> str:
    planes = ("x right, y down (across z)", "x right, z down (across y)", "y right, z down (across x)")
    slices = "".join(
        _picture(png, f"Central slice: {plane}")
        for png, plane in zip(central_slices(contents.map_volume), planes, strict=True)
    )
    sums = "".join(
        _picture(png, f"Projection: {plane}")
        for png, plane in zip(projections(contents.map_volume), planes, strict=True)
    )
    size = contents.map_volume.shape[-1]
    return _section(
        "map",
        "Map",
        f'<div class="row">{slices}</div><br><div class="row">{sums}</div>',
        _note(
            f"{size} voxels of {contents.pixel_size_angstrom:.4g} Å across, "
            f"{size * contents.pixel_size_angstrom:.0f} Å in all; dense is bright."
        ),
        _note(HAND_NOTE),
    )


def _resolution(contents: ReportContents) -> str:
    return _section(
        "fsc",
        "Fourier shell correlation of the half maps",
        _plot("fsc", contents, "FSC curve"),
        f"<p><strong>{FSC_NOTE}</strong></p>",
        _note(
            f"Corrected: 0.143 {_crossed(contents.resolution_0143_angstrom)}, "
            f"0.5 {_crossed(contents.resolution_05_angstrom)}; "
            f"shared down to {_angstrom(contents.shared_resolution_angstrom)}; "
            f"Nyquist is {_angstrom(contents.nyquist_angstrom)}. Corrected for what the mask alone correlates: the "
            "curve of the same maps with random phases, drawn beyond what was shared (Chen et al. 2013). All but the "
            "unmasked curve are of the halves without their spherical means, which no pose decides. Shells in which "
            "unrelated maps reach more than the threshold by chance (three standard deviations) do not count."
        ),
    )


def _local_resolution(contents: ReportContents) -> str:
    quartiles = contents.local_resolution_quartiles_angstrom
    if contents.local_resolution_angstrom is None or quartiles is None:
        return ""
    lower, median, upper = (_angstrom(value) for value in quartiles)
    return _section(
        "local",
        "Local resolution",
        _plot("local", contents, "Central slices of the local resolution"),
        _note(
            f"Half of the particle's voxels lie between {lower} and {upper}, the median at {median}. It is where the "
            "FSC of the half maps around a voxel falls under 0.5 (Cardone et al. 2013), under a window a few periods "
            "wide: finer changes than that cannot be seen. Slices as of the map, across z, y and x."
        ),
    )


def _views(contents: ReportContents) -> str:
    evenness = view_evenness(contents.rotation_volume_to_image)
    sampling = fourier_sampling(contents.rotation_volume_to_image)
    rows = [("Evenness of views", _share(evenness)), ("Fourier sampling", _share(sampling))]
    return _section(
        "views",
        "View coverage",
        _plot("views", contents, "Density of view directions over the sphere"),
        _table(rows),
        _note(
            "View direction: the third row of rotation_volume_to_image. A view and its antipode are "
            "different views, so the full sphere is shown (Mollweide: equal areas)."
        ),
        _note(
            "Evenness: the share of the sphere that the views effectively cover, 1 if even (inverse Simpson "
            "index of about 192 equal areas). Fourier sampling: what uneven views leave of the "
            "signal-to-noise ratio, 1 if even, 0.81 for side views only, near 0 if directions are never seen "
            "(Baldwin and Lyumkis 2020)."
        ),
    )


def _poses(contents: ReportContents) -> str:
    return _section(
        "poses",
        "Did the poses settle?",
        _plot("change", contents, "Pose change and shift change per epoch"),
        _note(
            "Median change of a particle's pose since the epoch before. It should fall and stay small; "
            "it may rise briefly when the mask (dashed) lets in finer detail."
        ),
    )


def _winners(contents: ReportContents) -> str:
    return _section(
        "winners",
        "Where the winning poses came from",
        _plot("winners", contents, "Share of winners by origin"),
        _note(
            "Early on the orientation set of random poses should win often; later memory, perturbations and the "
            "encoder. An orientation set that still wins often at the end means poses that never settled."
        ),
    )


def _examples(contents: ReportContents) -> str:
    pairs = list(zip(contents.example_particles, contents.example_projections, strict=True))[:MOST_EXAMPLES]
    figures = "".join(
        f'<div class="pair">{_image(grey_png(particle, largest=EXAMPLE_PIXELS), f"particle {number}")}'
        f"{_image(grey_png(projection, largest=EXAMPLE_PIXELS), f'its projection {number}')}</div>"
        for number, (particle, projection) in enumerate(pairs, 1)
    )
    return _section(
        "examples",
        "Particles beside their predicted projections",
        f'<div class="pairs">{figures}</div>' if pairs else _note("No examples."),
        _note("Left: the particle, smoothed for the eye. Right: the map's projection at its pose, with its CTF."),
    )


def _timings(contents: ReportContents) -> str:
    rows = "".join(
        f'<tr><td>{html.escape(name)}</td><td class="number">{_duration(seconds)}</td></tr>'
        for name, seconds in contents.timings
    )
    return _section("timings", "Timings", f"<table>{rows}</table>" if rows else _note("None."))


def _settings(contents: ReportContents) -> str:
    settings = html.escape(contents.settings_toml)
    return _section(
        "settings",
        "Settings",
        f"<details><summary>Every setting of this run</summary><pre>{settings}</pre></details>",
    )


def _section(name: str, heading: str, *parts: str) -> str:
    return f'<section id="{name}"><h2>{heading}</h2>\n' + "\n".join(part for part in parts if part) + "\n</section>"


def _note(text: str) -> str:
    return f'<p class="note">{html.escape(text)}</p>'


def _table(rows: Iterable[tuple[str, str]]) -> str:
    lines = "".join(f"<tr><td>{html.escape(name)}</td><td>{html.escape(value)}</td></tr>" for name, value in rows)
    return f"<table>{lines}</table>" if lines else ""


def _plot(name: str, contents: ReportContents, description: str) -> str:
    """The plot in the ink of the reader's page."""
    light, dark = (_data_address(PLOTS[name](contents, ink)) for ink in (LIGHT, DARK))
    return (
        f'<picture class="plot"><source srcset="{dark}" media="(prefers-color-scheme: dark)">'
        f'<img src="{light}" alt="{html.escape(description)}"></picture>'
    )


def _picture(png: bytes, caption: str) -> str:
    return f"<figure>{_image(png, caption)}<figcaption>{html.escape(caption)}</figcaption></figure>"


def _image(png: bytes, description: str) -> str:
    text = html.escape(description)
    return f'<img src="{_data_address(png)}" alt="{text}" title="{text}">'


def _data_address(png: bytes) -> str:
    return "data:image/png;base64," + base64.b64encode(png).decode("ascii")


def _angstrom(value: float | None) -> str:
    return "not reached" if value is None or not math.isfinite(value) else f"{value:.2f} Å"


def _crossed(value: float | None) -> str:
    text = _angstrom(value)
    return text if text == "not reached" else f"crossed at {text}"


def _share(value: float) -> str:
    return f"{value:.2f}" if math.isfinite(value) else "unknown"


def _duration(seconds: float) -> str:
    if not math.isfinite(seconds):
        return "unknown"
    if seconds < 60:
        return f"{seconds:.1f} s"
    minutes, rest = divmod(round(seconds), 60)
    if minutes < 60:
        return f"{minutes} min {rest:02d} s"
    minutes = round(seconds / 60)
    return f"{minutes // 60} h {minutes % 60:02d} min"
