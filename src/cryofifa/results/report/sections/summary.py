"""The first section: the verdict, the figures that count, and what speaks for and against the run."""

from __future__ import annotations

import html
from collections.abc import Sequence

from cryofifa.results.report.contents import HealthSign, MapPart, RunPart, VerdictPart
from cryofifa.results.report.markup import note, section, tile
from cryofifa.results.report.readable import angstrom


def summary_section(run: RunPart, verdict: VerdictPart, maps: Sequence[MapPart]) -> str:
    """Verdict, resolution of every map, facts of the run, health signs and warnings."""
    reasons = html.escape("; ".join(verdict.reasons))
    tiles = [_resolution_tile(part, threshold) for part in maps for threshold in part.resolution_angstrom]
    tiles += [_worst_direction_tile(part) for part in maps if part.directions is not None]
    tiles += [tile(name, value, "tile") for name, value in run.facts]
    signs = "".join(_sign(sign) for sign in verdict.signs)
    return section(
        "summary",
        "Summary",
        f'<p class="verdict"><strong>{html.escape(verdict.word.capitalize())}</strong>: {reasons}.</p>',
        f'<dl class="tiles">{"".join(tiles)}</dl>',
        f'<h3>Can this run be trusted?</h3><ul class="signs">{signs}</ul>' if signs else "",
        _warnings(verdict.warnings),
    )


def _resolution_tile(part: MapPart, threshold: float) -> str:
    name = f"{part.name}: at FSC {threshold}" if part.name else f"At FSC {threshold}"
    return tile(name, angstrom(part.resolution_angstrom[threshold]), "tile key")


def _worst_direction_tile(part: MapPart) -> str:
    assert part.directions is not None
    name = "along the worst direction"
    name = f"{part.name}: {name}" if part.name else name.capitalize()
    return tile(name, angstrom(part.directions.resolution_angstrom[1]), "tile key")


def _sign(sign: HealthSign) -> str:
    kind, word = {True: ("good", "✓ good"), False: ("look", "! look"), None: ("open", "open")}[sign.ok]
    return (
        f'<li><span class="badge {kind}">{word}</span><div><strong>{html.escape(sign.name)}:</strong> '
        f'{html.escape(sign.value)}<div class="note">{html.escape(sign.explanation)}</div></div></li>'
    )


def _warnings(warnings: Sequence[str]) -> str:
    if not warnings:
        return note("No warnings.")
    items = "".join(f"<li>{html.escape(warning)}</li>" for warning in warnings)
    return f'<div class="warnings"><strong>Warnings</strong><ul>{items}</ul></div>'
