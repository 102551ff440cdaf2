"""Every plot is drawn from plain arrays, and what it shows lies where it belongs."""

import io
from collections.abc import Callable

import numpy as np
import pytest
from matplotlib.figure import Figure
from PIL import Image
from scipy.spatial.transform import Rotation

from cryofifa.results.report.plots.directions import area_figure, cone_figure
from cryofifa.results.report.plots.fsc import fsc_figure
from cryofifa.results.report.plots.ink import DARK, LIGHT, Ink
from cryofifa.results.report.plots.local_resolution import local_resolution_figure
from cryofifa.results.report.plots.loss import loss_figure
from cryofifa.results.report.plots.pose_change import pose_change_figure
from cryofifa.results.report.plots.scores import score_figure
from cryofifa.results.report.plots.view_directions import view_figure
from cryofifa.results.report.plots.winning_poses import winner_figure

EPOCH = np.arange(5.0)
FALLING = 1 / (1 + EPOCH)
SHELLS = np.linspace(1, 0, 25)
PLOTS: dict[str, Callable[[Ink], bytes]] = {
    "fsc": lambda ink: fsc_figure({"a": SHELLS}, 96.0, 4.0, {0.143: 4.5}, 20.0, ink),
    "cones": lambda ink: cone_figure(np.stack([SHELLS, SHELLS**2]), 96.0, 4.0, ink),
    "areas": lambda ink: area_figure(np.eye(3), np.array([0.2, 0.5, 0.8]), ink),
    "local resolution": lambda ink: local_resolution_figure(np.arange(512.0).reshape(8, 8, 8), ink),
    "views": lambda ink: view_figure(np.eye(3), ink),
    "pose change": lambda ink: pose_change_figure(EPOCH, FALLING, FALLING, FALLING, [3, 4], ink),
    "loss": lambda ink: loss_figure(EPOCH, FALLING, FALLING, [3, 4], ink),
    "winners": lambda ink: winner_figure(EPOCH, {"memory": FALLING, "other": 1 - FALLING}, ink),
    "score": lambda ink: score_figure(FALLING, ink),
}

Drawn = Callable[[Callable[[Ink], bytes]], Figure]


@pytest.fixture
def drawn(monkeypatch: pytest.MonkeyPatch) -> Drawn:
    """Gives the figure instead of its picture, so that one can ask what was drawn where."""
    figures: list[Figure] = []
    monkeypatch.setattr(Figure, "savefig", lambda figure, *_, **__: figures.append(figure))

    def figure_of(draw: Callable[[Ink], bytes]) -> Figure:
        draw(LIGHT)
        return figures[-1]

    return figure_of


@pytest.mark.parametrize("name", PLOTS)
def test_a_plot_is_written_in_the_ink_of_the_page_on_a_transparent_ground(name: str) -> None:
    pixels = np.asarray(Image.open(io.BytesIO(PLOTS[name](DARK))).convert("RGBA")).astype(int)
    assert (pixels[[0, 0, -1, -1], [0, -1, 0, -1], 3] == 0).all()
    ink, black = ([int(colour[at : at + 2], 16) for at in (1, 3, 5)] for colour in (DARK.text, "#000000"))
    words = pixels[..., 3] == 255
    assert (words & (np.abs(pixels[..., :3] - ink).max(axis=-1) < 3)).any()
    if name not in (
        "views",
        "areas",
        "local resolution",
    ):  # the outline of the sphere and of the bar of colours is black
        assert not (words & (np.abs(pixels[..., :3] - black).max(axis=-1) < 3)).any()


def test_a_crossing_is_marked_on_the_curve(drawn: Drawn) -> None:
    """A curve that falls in a straight line to zero at Nyquist, 4 Å, crosses 0.25 at three quarters of it."""
    crossing = {0.143: None, 0.25: 4.0 / 0.75, 0.5: np.nan}
    axes = drawn(lambda ink: fsc_figure({"a": SHELLS}, 96.0, 4.0, crossing, 20.0, ink)).axes[0]
    curve = next(line for line in axes.lines if line.get_label() == "a")
    [mark] = [line for line in axes.lines if line.get_marker() == "o"]
    at, height = float(mark.get_xdata()[0]), float(mark.get_ydata()[0])
    assert height == 0.25
    assert np.interp(at, curve.get_xdata(), curve.get_ydata()) == pytest.approx(height, abs=1e-6)
    assert axes.get_xlim() == (0, 0.25)


def test_every_curve_is_in_the_legend_and_the_first_is_bold(drawn: Drawn) -> None:
    curves = {f"class {number}": SHELLS * (1 - 0.08 * number) for number in range(9)}
    axes = drawn(lambda ink: fsc_figure(curves, 96.0, 4.0, {}, 20.0, ink)).axes[0]
    assert [text.get_text() for text in axes.get_legend().get_texts()] == list(curves)
    first, *others = (line.get_linewidth() for line in axes.lines if line.get_label() in curves)
    assert first > max(others)


def test_the_local_resolution_is_drawn_in_the_particle_alone_across_z_y_and_x(drawn: Drawn) -> None:
    volume = np.full((8, 8, 8), np.nan)
    volume[4, 1, 6] = 5.0  # z, y, x: of the three central slices only that across z holds it
    figure = drawn(lambda ink: local_resolution_figure(volume, ink))
    shown = [~np.ma.getmaskarray(axes.images[0].get_array()) for axes in figure.axes[:3]]
    assert [slice_.sum() for slice_ in shown] == [1, 0, 0]
    assert shown[0][1, 6]


@pytest.mark.parametrize("tilt_degree", [2.0, 90.0, 178.0])
def test_views_lie_at_their_latitude_and_longitude(drawn: Drawn, tilt_degree: float) -> None:
    view = Rotation.from_euler("yz", [tilt_degree, 100.0], degrees=True).apply([0.0, 0.0, 1.0])
    figure = drawn(lambda ink: view_figure(np.tile(view, (50, 1)), ink))
    density = figure.axes[0].collections[0].get_array().reshape(180, 360)  # a degree of latitude and longitude each
    row, column = np.nonzero(density)
    assert row.min() - 90 <= 90 - tilt_degree <= row.max() + 1 - 90
    assert column.min() - 180 <= 100 <= column.max() + 1 - 180
    # all views are in one patch: its share of the sphere times its density, even = 1, is everything there is
    area = np.cos(np.radians(np.arange(180) - 89.5))[:, None] * np.ones(360)
    assert (density * area).sum() / area.sum() == pytest.approx(1, rel=0.1)


def test_opposite_directions_have_the_same_colour(drawn: Drawn) -> None:
    """Each axis of the grid with its opposite: z at the poles, x in the middle and at the ends, y between them."""
    figure = drawn(lambda ink: area_figure(np.eye(3), np.array([0.1, 0.2, 0.3]), ink))
    area = figure.axes[0].collections[0].get_array().reshape(180, 360)
    assert (area[[0, -1]] == 0.3).all()
    assert (area[90, [0, 180, 359]] == 0.1).all()
    assert (area[90, [90, 270]] == 0.2).all()


def test_the_worst_cone_is_drawn_and_the_spread_reaches_it(drawn: Drawn) -> None:
    curves = np.stack([SHELLS, 0.5 * SHELLS, 0.9 * SHELLS])
    axes = drawn(lambda ink: cone_figure(curves, 96.0, 4.0, ink)).axes[0]
    least = next(line for line in axes.lines if line.get_label() == "least area")
    np.testing.assert_array_equal(least.get_ydata(), curves[1])
    all_of_them = axes.collections[0].get_paths()[0].vertices
    assert all_of_them[:, 1].min() == 0
    assert {(0.0, 1.0), (0.0, 0.5)} <= {tuple(point) for point in all_of_them}


@pytest.mark.parametrize("draw", [loss_figure, lambda *values: pose_change_figure(*values[:2], *values[1:])])
def test_epochs_of_half_map_refinement_are_shaded(drawn: Drawn, draw: Callable[..., bytes]) -> None:
    axes = drawn(lambda ink: draw(EPOCH, FALLING, FALLING, [3, 4], ink)).axes[0]
    [shade] = axes.patches
    assert (shade.get_x(), shade.get_x() + shade.get_width()) == (2.5, 4.5)
    assert not drawn(lambda ink: draw(EPOCH, FALLING, FALLING, [], ink)).axes[0].patches


@pytest.mark.parametrize("epoch", [EPOCH, np.array([7.0])])
def test_shares_of_winners_are_stacked_to_one(drawn: Drawn, epoch: np.ndarray) -> None:
    shares = {"memory": np.full(len(epoch), 0.75), "orientation set": np.full(len(epoch), 0.25)}
    axes = drawn(lambda ink: winner_figure(epoch, shares, ink)).axes[0]
    heights = [np.ptp(band.get_paths()[0].vertices[:, 1]) for band in axes.collections]
    assert heights == pytest.approx([0.75, 0.25])
    assert max(band.get_paths()[0].vertices[:, 1].max() for band in axes.collections) == pytest.approx(1)
    assert np.ptp(axes.get_xlim()) > 0


def test_the_histogram_counts_every_finite_score(drawn: Drawn) -> None:
    axes = drawn(lambda ink: score_figure(np.array([1.0, 2.0, 2.0, 9.0, np.nan, np.inf]), ink)).axes[0]
    assert sum(bar.get_height() for bar in axes.patches) == 4
    assert axes.lines[0].get_xdata()[0] == 2.0  # the median
