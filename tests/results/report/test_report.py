"""The report needs nothing but itself, shows every section and survives odd values."""

import math
import re
from dataclasses import replace
from html.parser import HTMLParser
from pathlib import Path

import numpy as np
import pytest
from scipy.spatial.transform import Rotation

from cryofifa.results.report.contents import (
    DirectionPart,
    HealthSign,
    LocalResolutionPart,
    MapPart,
    ParticlePart,
    ProvenancePart,
    ReportContents,
    RunPart,
    VerdictPart,
)
from cryofifa.results.report.report import report_html, write_report
from cryofifa.results.report.sections import maps, particles, training
from cryofifa.results.report.sections.maps import FSC_NOTE, HAND_NOTE
from cryofifa.results.report.sections.training import LOSS_NOTE
from cryofifa.train.epoch_record import EpochRecord

SECTIONS = "summary map fsc directions local views poses loss winners score examples timings settings versions"
VOID_TAGS = {"meta", "img", "br", "source"}


class PageReader(HTMLParser):
    """Collects ids, addresses and unbalanced tags."""

    def __init__(self) -> None:
        super().__init__()
        self.ids: list[str] = []
        self.addresses: list[str] = []
        self.tags: list[str] = []
        self.open: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        values = dict(attrs)
        self.tags.append(tag)
        if tag not in VOID_TAGS:
            self.open.append(tag)
        if values.get("id"):
            self.ids.append(values["id"] or "")
        self.addresses += [values[name] or "" for name in ("src", "href", "srcset") if name in values]

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag


def read_page(page: str) -> PageReader:
    reader = PageReader()
    reader.feed(page)
    assert reader.open == []
    return reader


def make_record(epoch: int) -> EpochRecord:
    return EpochRecord(
        epoch=epoch,
        particles=1000,
        mask_radius_pixel=8.0 + epoch,
        resolution_angstrom=60.0 / (1 + epoch),
        loss=1.0 - 0.02 * epoch,
        encoder_loss=0.5 / (1 + epoch),
        pose_change_median_degree=None if epoch == 0 else 60.0 / epoch**2,
        shift_change_median_angstrom=None if epoch == 0 else 6.0 / epoch,
        winner_shares={"encoder": 0.2, "memory": 0.3, "perturbation": 0.2, "orientation set": 0.3},
        particle_radius_angstrom=80.0,
        seconds=30.0,
        phase="ab-initio" if epoch < 5 else "half-map refinement",
    )


def make_map() -> MapPart:
    random = np.random.default_rng(0)
    size = 24
    shells = size // 2 + 1
    return MapPart(
        volume=random.normal(size=(size, size, size)),
        pixel_size_angstrom=3.0,
        fsc_curves={
            "corrected": np.linspace(1, 0, shells),
            "masked": np.linspace(1, 0.1, shells),
            "unmasked": np.linspace(0.9, 0, shells),
            "random phases": np.linspace(0.3, 0, shells),
        },
        resolution_angstrom={0.143: 7.0, 0.5: 12.0},
        shared_resolution_angstrom=20.0,
        directions=DirectionPart(
            direction=np.eye(3),
            curves=np.linspace(1, 0, shells) ** np.array([[1.0], [2.0], [3.0]]),
            area=np.array([0.5, 0.3, 0.25]),
            resolution_angstrom=(6.5, 11.25),
            area_ratio=0.5,
            advice="",
        ),
        local_resolution=LocalResolutionPart(
            np.where(random.random((size, size, size)) > 0.5, 9.0, np.nan), (8.5, 9.0, 9.75)
        ),
    )


def make_contents() -> ReportContents:
    random = np.random.default_rng(1)
    return ReportContents(
        run=RunPart("Run", "/data/particles.star", facts=[("Particles", "300")]),
        verdict=VerdictPart(
            word="doubtful",
            reasons=["no second start came to the same poses"],
            signs=[HealthSign("Pose change", "1.2°", True, "small")],
            warnings=[],
        ),
        maps=[make_map()],
        rotation_volume_to_image=Rotation.random(300, np.random.default_rng(0)).as_matrix(),
        history=[make_record(epoch) for epoch in range(8)],
        particles=ParticlePart(
            score=random.normal(size=300),
            score_meaning="More is better.",
            examples=random.normal(size=(3, 24, 24)),
            example_projections=random.normal(size=(3, 24, 24)),
        ),
        provenance=ProvenancePart(
            timings=[("reading", 3.0), ("ab-initio", 4000.0), ("half-map refinement", 75.0)],
            versions={"cryofifa": "0.1.0"},
            settings_toml="epochs = 8\n",
        ),
    )


@pytest.fixture(scope="module")
def contents() -> ReportContents:
    return make_contents()


@pytest.fixture
def without_plots(monkeypatch: pytest.MonkeyPatch) -> None:
    """For tests of the text alone."""
    for module in (maps, training, particles):
        monkeypatch.setattr(module, "plot", lambda _, description: description)


def test_the_file_is_self_contained_complete_and_small(contents: ReportContents, tmp_path: Path) -> None:
    path = tmp_path / "report.html"
    write_report(path, contents)
    page = path.read_text(encoding="utf-8")
    reader = read_page(page)
    assert reader.ids == SECTIONS.split()
    assert reader.addresses
    assert all(address.startswith("data:image/png;base64,") for address in reader.addresses)
    assert not {"script", "link", "iframe", "object"} & set(reader.tags)
    assert not re.search(r"https?://|@import|url\(", page)
    for note in (FSC_NOTE, HAND_NOTE, LOSS_NOTE):
        assert note in page
    assert path.stat().st_size < 1_500_000


@pytest.mark.usefixtures("without_plots")
def test_text_from_outside_is_escaped(contents: ReportContents) -> None:
    evil = '<script>alert("x")</script>&'
    page = report_html(
        replace(
            contents,
            run=RunPart(evil, f"/data/{evil}.star", facts=[(evil, evil)]),
            verdict=VerdictPart(evil, [evil], [HealthSign(evil, evil, None, evil)], warnings=[evil]),
            maps=[replace(contents.maps[0], name=evil)],
            particles=replace(contents.particles, score_meaning=evil),
            provenance=ProvenancePart(timings=[(evil, 1.0)], versions={evil: evil}, settings_toml=evil),
        )
    )
    assert "<script" not in page
    # the title twice; its path; two of a fact; the verdict and its reason; three of a sign; a warning; a map's name in
    # three tiles and four headings; the score; a timing; two of a version; the settings
    assert page.count("&lt;script&gt;alert(&quot;x&quot;)&lt;/script&gt;&amp;") == 23
    read_page(page)


@pytest.mark.usefixtures("without_plots")
def test_no_local_resolution_is_shown_where_there_is_none(contents: ReportContents) -> None:
    assert all(f"{value:.2f} Å" in report_html(contents) for value in (8.5, 9.0, 9.75))
    without = replace(contents, maps=[replace(contents.maps[0], local_resolution=None)])
    assert read_page(report_html(without)).ids == [name for name in SECTIONS.split() if name != "local"]


@pytest.mark.usefixtures("without_plots")
def test_the_worst_direction_stands_beside_the_resolution_with_what_to_do(contents: ReportContents) -> None:
    one = contents.maps[0]
    assert one.directions is not None
    advised = replace(one, directions=replace(one.directions, advice="uneven views: tilt <the> stage"))
    page = report_html(replace(contents, maps=[advised]))
    assert "<dt>Along the worst direction</dt><dd>11.25 Å</dd>" in page
    assert "Uneven views: tilt &lt;the&gt; stage." in page


@pytest.mark.usefixtures("without_plots")
def test_several_maps_are_shown_one_after_the_other(contents: ReportContents) -> None:
    resolutions = {"class 1": 7.25, "class 2": 8.75}
    shown = [replace(make_map(), name=name, resolution_angstrom={0.5: a}) for name, a in resolutions.items()]
    page = report_html(replace(contents, maps=shown))
    first, *others = SECTIONS.split()
    assert read_page(page).ids == [
        first, *others[:4], "map-2", "fsc-2", "directions-2", "local-2", *others[4:]
    ]  # fmt: skip
    for name, resolution in resolutions.items():
        assert f"<dt>{name}: at FSC 0.5</dt><dd>{resolution:.2f} Å</dd>" in page
        assert page.index(f"<h2>Map: {name}</h2>") < page.index(f"0.5 crossed at {resolution:.2f} Å")


@pytest.mark.usefixtures("without_plots")
def test_a_name_that_is_not_utf8_is_written(contents: ReportContents, tmp_path: Path) -> None:
    write_report(tmp_path / "report.html", replace(contents, run=replace(contents.run, input_path="/data/\udcff.star")))
    assert "\\udcff" in (tmp_path / "report.html").read_text(encoding="utf-8")


def test_none_nan_and_emptiness_do_not_break_it(contents: ReportContents) -> None:
    nothing = replace(
        make_record(0),
        loss=math.nan,
        encoder_loss=math.nan,
        resolution_angstrom=math.inf,
        winner_shares={"orientation set": math.nan, "new origin": 1.0},
    )
    nowhere = np.full((6, 6, 6), np.nan)
    odd = replace(
        contents,
        maps=[
            replace(
                contents.maps[0],
                volume=nowhere,
                fsc_curves=dict.fromkeys(contents.maps[0].fsc_curves, np.full(4, np.nan)),
                resolution_angstrom={0.143: None, 0.5: math.nan},
                local_resolution=LocalResolutionPart(nowhere, (math.nan, math.nan, math.nan)),
            )
        ],
        rotation_volume_to_image=np.full((4, 3, 3), np.nan),
        history=[nothing],
        particles=replace(contents.particles, score=np.full(4, np.nan)),
        provenance=replace(contents.provenance, timings=[("stopped", math.nan)]),
    )
    empty = replace(
        odd,
        run=replace(odd.run, facts=[]),
        verdict=replace(odd.verdict, reasons=[], signs=[]),
        maps=[replace(odd.maps[0], fsc_curves=dict.fromkeys(odd.maps[0].fsc_curves, np.zeros(0)))],
        rotation_volume_to_image=np.zeros((0, 3, 3)),
        history=[],
        particles=replace(
            odd.particles,
            score=np.zeros(0),
            examples=np.zeros((0, 6, 6)),
            example_projections=np.zeros((0, 6, 6)),
        ),
        provenance=ProvenancePart(timings=[], versions={}, settings_toml=""),
    )
    no_curves = replace(empty, maps=[replace(empty.maps[0], fsc_curves={})])
    for case in (odd, empty, no_curves):
        page = report_html(case)
        assert read_page(page).ids == SECTIONS.split()
        assert "not reached" in page


def test_a_failing_report_leaves_the_old_one(
    contents: ReportContents, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "report.html"
    path.write_text("old")

    def fail(*_: object) -> str:
        raise RuntimeError("no pictures")

    monkeypatch.setattr(maps, "plot", fail)
    with pytest.raises(RuntimeError, match="no pictures"):
        write_report(path, contents)
    assert path.read_text() == "old"
    assert list(tmp_path.iterdir()) == [path]


def test_a_resolution_that_the_verdict_withholds_is_not_called_unreached(contents: ReportContents) -> None:
    withheld = replace(contents.maps[0], resolution_angstrom={0.143: None, 0.5: None})
    page = report_html(replace(contents, maps=[withheld]))
    assert "not given" in page
    assert "not reached" not in page
