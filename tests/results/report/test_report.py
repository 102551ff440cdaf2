"""The report needs nothing but itself, shows every section and survives odd values."""

import io
import math
import re
from dataclasses import replace
from html.parser import HTMLParser
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from scipy.spatial.transform import Rotation

from cryofifa.results.report import report as report_module
from cryofifa.results.report.figures import central_slices, grey_png, projections
from cryofifa.results.report.report import (
    FSC_NOTE,
    HAND_NOTE,
    LOSS_NOTE,
    HealthSign,
    ReportContents,
    report_html,
    write_report,
)
from cryofifa.train.epoch_record import EpochRecord

SECTIONS = "summary map fsc local views poses loss winners score examples timings settings versions"
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


def make_contents() -> ReportContents:
    random = np.random.default_rng(0)
    size = 24
    return ReportContents(
        title="Run",
        input_path="/data/particles.star",
        map_volume=random.normal(size=(size, size, size)),
        pixel_size_angstrom=3.0,
        fsc=np.linspace(1, 0, size // 2 + 1),
        fsc_masked=np.linspace(1, 0.1, size // 2 + 1),
        fsc_unmasked=np.linspace(0.9, 0, size // 2 + 1),
        fsc_randomised=np.linspace(0.3, 0, size // 2 + 1),
        shared_resolution_angstrom=20.0,
        resolution_0143_angstrom=7.0,
        resolution_05_angstrom=12.0,
        nyquist_angstrom=6.0,
        local_resolution_angstrom=np.where(random.random((size, size, size)) > 0.5, 9.0, np.nan),
        local_resolution_quartiles_angstrom=(8.5, 9.0, 9.75),
        history=[make_record(epoch) for epoch in range(8)],
        rotation_volume_to_image=Rotation.random(300, np.random.default_rng(0)).as_matrix(),
        score=random.normal(size=300),
        example_particles=random.normal(size=(3, size, size)),
        example_projections=random.normal(size=(3, size, size)),
        timings=[("reading", 3.0), ("ab-initio", 4000.0), ("half-map refinement", 75.0)],
        versions={"cryofifa": "0.1.0"},
        settings_toml="epochs = 8\n",
        warnings=[],
        verdict="doubtful",
        verdict_reasons=["no second start came to the same poses"],
        health=[HealthSign("Pose change", "1.2°", True, "small")],
        facts=[("Particles", "300")],
    )


@pytest.fixture(scope="module")
def contents() -> ReportContents:
    return make_contents()


@pytest.fixture
def without_plots(monkeypatch: pytest.MonkeyPatch) -> None:
    """For tests of the text alone."""
    monkeypatch.setattr(report_module, "PLOTS", dict.fromkeys(report_module.PLOTS, lambda *_: b""))


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
            title=evil,
            input_path=f"/data/{evil}.star",
            settings_toml=evil,
            warnings=[evil],
            health=[HealthSign(evil, evil, None, evil)],
            facts=[(evil, evil)],
            timings=[(evil, 1.0)],
            versions={evil: evil},
            score_meaning=evil,
        )
    )
    assert "<script" not in page
    assert page.count("&lt;script&gt;alert(&quot;x&quot;)&lt;/script&gt;&amp;") == 14
    read_page(page)


@pytest.mark.usefixtures("without_plots")
def test_no_local_resolution_is_shown_where_there_is_none(contents: ReportContents) -> None:
    assert all(f"{value:.2f} Å" in report_html(contents) for value in (8.5, 9.0, 9.75))
    without = replace(contents, local_resolution_angstrom=None, local_resolution_quartiles_angstrom=None)
    assert read_page(report_html(without)).ids == [name for name in SECTIONS.split() if name != "local"]


@pytest.mark.usefixtures("without_plots")
def test_a_name_that_is_not_utf8_is_written(contents: ReportContents, tmp_path: Path) -> None:
    write_report(tmp_path / "report.html", replace(contents, input_path="/data/\udcff.star"))
    assert "\\udcff" in (tmp_path / "report.html").read_text(encoding="utf-8")


def test_none_nan_and_emptiness_do_not_break_it(contents: ReportContents) -> None:
    nothing = replace(
        make_record(0),
        loss=math.nan,
        encoder_loss=math.nan,
        resolution_angstrom=math.inf,
        winner_shares={"orientation set": math.nan, "new origin": 1.0},
    )
    odd = replace(
        contents,
        map_volume=np.full((6, 6, 6), np.nan),
        local_resolution_angstrom=np.full((6, 6, 6), np.nan),
        **dict.fromkeys(("fsc", "fsc_masked", "fsc_unmasked", "fsc_randomised"), np.full(4, np.nan)),
        resolution_0143_angstrom=None,
        resolution_05_angstrom=math.nan,
        rotation_volume_to_image=np.full((4, 3, 3), np.nan),
        score=np.full(4, np.nan),
        history=[nothing],
        timings=[("stopped", math.nan)],
    )
    empty = replace(
        odd,
        **dict.fromkeys(("fsc", "fsc_masked", "fsc_unmasked", "fsc_randomised"), np.zeros(0)),
        history=[],
        rotation_volume_to_image=np.zeros((0, 3, 3)),
        score=np.zeros(0),
        example_particles=np.zeros((0, 6, 6)),
        example_projections=np.zeros((0, 6, 6)),
        timings=[],
        versions={},
        health=[],
        facts=[],
    )
    for case in (odd, empty):
        page = report_html(case)
        assert read_page(page).ids == SECTIONS.split()
        assert "not reached" in page


def test_a_failing_report_leaves_the_old_one(
    contents: ReportContents, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "report.html"
    path.write_text("old")

    def fail(*_: object) -> bytes:
        raise RuntimeError("no pictures")

    monkeypatch.setattr(report_module, "PLOTS", dict.fromkeys(report_module.PLOTS, fail))
    with pytest.raises(RuntimeError, match="no pictures"):
        write_report(path, contents)
    assert path.read_text() == "old"
    assert list(tmp_path.iterdir()) == [path]


def test_slices_and_projections_show_the_bright_voxel_where_it_is() -> None:
    """Row and column of the picture are the two axes that are left, in the order of the array."""
    volume = np.zeros((16, 16, 16))
    z, y, x = 8, 3, 12
    volume[z, y, x] = 1.0
    for axis, place in enumerate(((y, x), (z, x), (z, y))):
        picture = np.asarray(Image.open(io.BytesIO(projections(volume)[axis])))
        assert np.unravel_index(picture.argmax(), picture.shape) == place
    picture = np.asarray(Image.open(io.BytesIO(central_slices(volume)[0])))
    assert np.unravel_index(picture.argmax(), picture.shape) == (y, x)


def test_large_pictures_are_averaged_down() -> None:
    picture = Image.open(io.BytesIO(grey_png(np.random.default_rng(0).normal(size=(600, 600)))))
    assert picture.size == (200, 200)
