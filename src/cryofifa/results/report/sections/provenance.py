"""The last sections: how long everything took, every setting, and the versions."""

from __future__ import annotations

import html

from cryofifa.results.report.contents import ProvenancePart
from cryofifa.results.report.markup import note, section, table
from cryofifa.results.report.readable import duration


def provenance_sections(part: ProvenancePart) -> list[str]:
    """How the run was made: its timings, its settings and the versions of programs."""
    timings = [(name, duration(seconds)) for name, seconds in part.timings]
    settings = html.escape(part.settings_toml)
    return [
        section("timings", "Timings", table(timings, numbers=True) or note("None.")),
        section(
            "settings",
            "Settings",
            f"<details><summary>Every setting of this run</summary><pre>{settings}</pre></details>",
        ),
        section("versions", "Versions", table(part.versions.items())),
    ]
