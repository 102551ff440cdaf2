"""The report of a run: one HTML file that needs nothing but itself."""

from __future__ import annotations

from pathlib import Path

from cryofifa.results.report.contents import ReportContents
from cryofifa.results.report.page import page_html
from cryofifa.results.report.sections.maps import map_sections
from cryofifa.results.report.sections.particles import examples_section, score_section, views_section
from cryofifa.results.report.sections.provenance import provenance_sections
from cryofifa.results.report.sections.summary import summary_section
from cryofifa.results.report.sections.training import loss_section, pose_change_section, winners_section
from cryofifa.system.atomic_file import atomic_path


def write_report(path: Path, contents: ReportContents) -> None:
    """Write the report, whole or not at all; the folder must exist."""
    # a file name that is not valid UTF-8 reaches us as lone surrogates
    page = report_html(contents).encode("utf-8", "backslashreplace")
    with atomic_path(path) as temporary:
        temporary.write_bytes(page)


def report_html(contents: ReportContents) -> str:
    """The whole page as a text of HTML, with its pictures in it."""
    sections = [
        summary_section(contents.run, contents.verdict, contents.maps),
        *(text for number, part in enumerate(contents.maps, 1) for text in map_sections(part, number)),
        views_section(contents.rotation_volume_to_image),
        pose_change_section(contents.history),
        loss_section(contents.history),
        winners_section(contents.history),
        score_section(contents.particles),
        examples_section(contents.particles),
        *provenance_sections(contents.provenance),
    ]
    return page_html(contents.run.title, contents.run.input_path, sections)
