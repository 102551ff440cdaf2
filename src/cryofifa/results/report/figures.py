"""The report's pictures: contents in, PNG bytes out; no state is shared.

Every plot is drawn in the ink of a light or a dark page on a transparent ground.  Colours are Okabe and
Ito's, which colour-blind readers can tell apart (https://jfly.uni-koeln.de/color).
"""

from __future__ import annotations

import io
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.colors import PowerNorm
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator, NullFormatter, StrMethodFormatter
from PIL import Image

from cryofifa.results.report.contents import ReportContents
from cryofifa.results.view_coverage import SphereBins, view_directions
from cryofifa.train.epoch_record import WINNER_ORIGINS

DOTS_PER_INCH = 120
LARGEST_PICTURE = 256  # pixels; larger maps and particles are averaged down
FINE_VIEWS = 20_000  # from here the view map is drawn on bins of half the width


@dataclass(frozen=True)
class Ink:
    """Colours of one page."""

    text: str
    grid: str
    first: str
    second: str
    stack: tuple[str, ...]


LIGHT = Ink("#30363d", "#d9dde2", "#0072B2", "#D55E00", ("#0072B2", "#56B4E9", "#E69F00", "#D55E00", "#999999"))
DARK = Ink("#c6ccd3", "#3a4048", "#56B4E9", "#E69F00", ("#0072B2", "#56B4E9", "#E69F00", "#D55E00", "#999999"))


def fsc_figure(contents: ReportContents, ink: Ink) -> bytes:
    """Half-map FSC against spatial frequency, with 0.5 and 0.143 and where they are crossed."""
    figure, axes = _figure(ink, 3.2)
    box_angstrom = contents.map_volume.shape[-1] * contents.pixel_size_angstrom
    frequency = np.arange(len(contents.fsc)) / box_angstrom
    nyquist = 1 / contents.nyquist_angstrom
    for level, resolution in (
        (0.5, contents.resolution_05_angstrom),
        (0.143, contents.resolution_0143_angstrom),
    ):
        axes.axhline(level, color=ink.text, linewidth=0.8, linestyle="--", alpha=0.7)
        axes.annotate(
            str(level), (1, level), (4, 0), xycoords=("axes fraction", "data"), textcoords="offset points",
            color=ink.text, fontsize=8, va="center",
        )  # fmt: skip
        if resolution is not None and np.isfinite(resolution) and resolution > 0:
            axes.plot(1 / resolution, level, "o", color=ink.second, markersize=6, zorder=3)
            axes.annotate(
                f"{resolution:.1f} Å", (1 / resolution, level), (8, 6), textcoords="offset points",
                color=ink.text, fontsize=9,
            )  # fmt: skip
    if np.isfinite(contents.fsc).any():
        axes.axvline(1 / contents.shared_resolution_angstrom, color=ink.text, linewidth=0.8, linestyle=":")
        axes.plot(frequency, contents.fsc, color=ink.first, linewidth=2, label="corrected")
        for name, curve, colour in (
            ("masked", contents.fsc_masked, ink.stack[1]),
            ("unmasked", contents.fsc_unmasked, ink.stack[4]),
            ("random phases", contents.fsc_randomised, ink.stack[3]),
        ):
            axes.plot(frequency, curve, color=colour, linewidth=1, label=name)
        axes.legend(frameon=False, fontsize=8, labelcolor=ink.text)
    else:
        _say(axes, "no half maps", ink)
    axes.set_xlim(0, nyquist)
    axes.set_ylim(-0.1, 1.05)
    ticks = np.linspace(0, nyquist, 7)[1:]
    axes.set_xticks([0, *ticks], ["∞", *(f"{1 / tick:.1f}" for tick in ticks)])
    axes.set_xlabel("resolution (Å), up to Nyquist")
    axes.set_ylabel("FSC")
    return _png(figure)


def local_resolution_figure(contents: ReportContents, ink: Ink) -> bytes:
    """Central slices of the local resolution across z, y and x, one colour scale; nothing outside the particle."""
    volume = contents.local_resolution_angstrom
    assert volume is not None
    figure = Figure(figsize=(7.6, 2.6), dpi=DOTS_PER_INCH, layout="constrained")
    panels = figure.subplots(1, 3)
    known = volume[np.isfinite(volume)]
    finest, coarsest = (float(value) for value in np.percentile(known, (1, 99))) if len(known) else (0.0, 1.0)
    picture = None
    for axis, panel in enumerate(panels):
        slice_ = np.ma.masked_invalid(volume.take(volume.shape[axis] // 2, axis=axis))
        picture = panel.imshow(slice_, cmap="cividis_r", vmin=finest, vmax=coarsest, interpolation="nearest")
        panel.set_axis_off()
    assert picture is not None
    bar = figure.colorbar(picture, ax=panels, shrink=0.85, pad=0.02)
    bar.set_label("local resolution (Å)", color=ink.text, fontsize=9)
    bar.ax.tick_params(colors=ink.text, labelsize=8)
    return _png(figure)


def view_figure(contents: ReportContents, ink: Ink) -> bytes:
    """Density of view directions over the whole sphere, even = 1 (Mollweide keeps areas)."""
    figure = Figure(figsize=(7.6, 4.0), dpi=DOTS_PER_INCH, layout="constrained")
    axes = figure.add_subplot(projection="mollweide")
    direction = view_directions(contents.rotation_volume_to_image)
    bins = SphereBins.about(768 if len(direction) >= FINE_VIEWS else 192)
    longitude = np.linspace(-np.pi, np.pi, 361)
    latitude = np.linspace(-np.pi / 2, np.pi / 2, 181)
    middle_longitude = (longitude[1:] + longitude[:-1]) / 2
    middle_latitude = ((latitude[1:] + latitude[:-1]) / 2)[:, None]
    sphere = np.stack(
        np.broadcast_arrays(
            np.cos(middle_latitude) * np.cos(middle_longitude),
            np.cos(middle_latitude) * np.sin(middle_longitude),
            np.sin(middle_latitude),
        ),
        axis=-1,
    )
    density = bins.counts(direction) * (bins.count / max(1, len(direction)))
    mesh = axes.pcolormesh(
        longitude,
        latitude,
        density[bins.index(sphere)],
        cmap="cividis",
        norm=PowerNorm(0.5, 0, max(2.0, float(density.max()))),
        rasterized=True,
    )
    bar = figure.colorbar(mesh, ax=axes, shrink=0.75, pad=0.03)
    bar.set_label("views, even = 1 (square-root scale)", color=ink.text, fontsize=9)
    bar.ax.tick_params(colors=ink.text, labelsize=8)
    axes.set_xticks([])
    axes.set_yticks(np.radians([-60, -30, 0, 30, 60]))
    axes.tick_params(colors=ink.text, labelsize=8)
    axes.grid(visible=True, color="white", alpha=0.25, linewidth=0.5)
    return _png(figure)


def change_figure(contents: ReportContents, ink: Ink) -> bytes:
    """Median change of rotation and shift per epoch, and the resolution of the mask on a second axis."""
    figure = Figure(figsize=(7.6, 4.8), dpi=DOTS_PER_INCH, layout="constrained")
    upper, lower = figure.subplots(2, 1, sharex=True)
    epoch = _column(contents, "epoch")
    panels = (
        (upper, "pose_change_median_degree", "pose change (°)"),
        (lower, "shift_change_median_angstrom", "shift change (Å)"),
    )
    resolution = _column(contents, "resolution_angstrom")
    for axes, name, label in panels:
        _dress(axes, ink)
        change = _column(contents, name)
        if np.isfinite(change).any():
            if np.nanmin(change) > 0 and np.nanmax(change) > 20 * np.nanmin(change):
                axes.set_yscale("log")
                axes.yaxis.set_major_formatter(StrMethodFormatter("{x:g}"))
                axes.yaxis.set_minor_formatter(NullFormatter())
            else:
                axes.set_ylim(0, max(1e-6, 1.1 * float(np.nanmax(change))))
            axes.plot(epoch, change, "o-", color=ink.first, linewidth=2, markersize=4)
        else:
            _say(axes, "no values", ink)
        axes.set_ylabel(label, color=ink.first)
        second = axes.twinx()
        _dress(second, ink)
        second.grid(visible=False)
        if np.isfinite(resolution).any():
            second.step(epoch, resolution, where="mid", color=ink.second, linewidth=1.3, linestyle="--")
            second.set_ylim(0, 1.1 * float(np.nanmax(np.where(np.isfinite(resolution), resolution, np.nan))))
        second.set_ylabel("mask (Å)", color=ink.second)
        _mark_half_map_refinement(axes, contents, ink)
    lower.set_xlabel("epoch")
    return _png(figure)


def loss_figure(contents: ReportContents, ink: Ink) -> bytes:
    """Image loss and encoder loss per epoch, each on its own axis."""
    figure, axes = _figure(ink, 2.8)
    epoch = _column(contents, "epoch")
    loss, encoder_loss = _column(contents, "loss"), _column(contents, "encoder_loss")
    second = axes.twinx()
    _dress(second, ink)
    second.grid(visible=False)
    if np.isfinite(loss).any():
        axes.plot(epoch, loss, "o-", color=ink.first, linewidth=2, markersize=4)
    else:
        _say(axes, "no values", ink)
    if np.isfinite(encoder_loss).any():
        second.plot(epoch, encoder_loss, "s--", color=ink.second, linewidth=1.3, markersize=3)
    axes.set_ylabel("loss", color=ink.first)
    second.set_ylabel("encoder loss", color=ink.second)
    axes.set_xlabel("epoch")
    _mark_half_map_refinement(axes, contents, ink)
    return _png(figure)


def winner_figure(contents: ReportContents, ink: Ink) -> bytes:
    """Where the winning pose of every particle came from, stacked, per epoch."""
    figure, axes = _figure(ink, 2.8)
    found = {origin for record in contents.history for origin in record.winner_shares}
    known = [origin for origin in WINNER_ORIGINS if origin in found]
    shares = {origin: _shares(contents, [origin]) for origin in known}
    rest = sorted(found - set(WINNER_ORIGINS))
    if rest:
        shares["other"] = _shares(contents, rest)
    if shares:
        epoch = _column(contents, "epoch")
        if len(epoch) == 1:
            epoch = epoch + np.array([-0.5, 0.5])
            shares = {origin: np.repeat(share, 2) for origin, share in shares.items()}
        colours: dict[str, str] = dict(zip((*WINNER_ORIGINS, "other"), ink.stack, strict=True))
        axes.stackplot(
            epoch,
            *shares.values(),
            labels=list(shares),
            colors=[colours[origin] for origin in shares],
            edgecolor="white",
            linewidth=0.4,
        )
        axes.set_xlim(epoch[0], epoch[-1])
        axes.legend(
            loc="lower center",
            bbox_to_anchor=(0.5, 1.0),
            ncols=5,
            frameon=False,
            labelcolor=ink.text,
            fontsize=9,
        )
    else:
        _say(axes, "no values", ink)
    axes.set_ylim(0, 1)
    axes.xaxis.set_major_locator(MaxNLocator(integer=True, nbins=12))
    axes.set_ylabel("share of winners")
    axes.set_xlabel("epoch")
    return _png(figure)


def score_figure(contents: ReportContents, ink: Ink) -> bytes:
    """Histogram of the particles' scores."""
    figure, axes = _figure(ink, 2.8)
    score = np.asarray(contents.score, dtype=np.float64)
    score = score[np.isfinite(score)]
    if len(score):
        axes.hist(score, bins=60 if len(score) > 600 else 20, color=ink.first, edgecolor="none")
        median = float(np.median(score))
        axes.axvline(median, color=ink.second, linewidth=1.5, linestyle="--")
        axes.annotate(
            f"median {median:.3g}", (median, 1), (5, -11), xycoords=("data", "axes fraction"),
            textcoords="offset points", color=ink.text, fontsize=9,
        )  # fmt: skip
    else:
        _say(axes, "no scores", ink)
    axes.set_xlabel("score")
    axes.set_ylabel("particles")
    return _png(figure)


PLOTS: dict[str, Callable[[ReportContents, Ink], bytes]] = {
    "fsc": fsc_figure,
    "local": local_resolution_figure,
    "views": view_figure,
    "change": change_figure,
    "loss": loss_figure,
    "winners": winner_figure,
    "score": score_figure,
}


def central_slices(volume: Float[np.ndarray, "z y x"]) -> list[bytes]:
    """Slices through the origin N//2 across z, y and x, with one grey scale."""
    pictures = [volume.take(volume.shape[axis] // 2, axis=axis) for axis in range(3)]
    window = _grey_window(np.concatenate([picture.ravel() for picture in pictures]))
    return [grey_png(picture, window) for picture in pictures]


def projections(volume: Float[np.ndarray, "z y x"]) -> list[bytes]:
    """Sums along z, y and x, with one grey scale."""
    pictures = [volume.sum(axis=axis) for axis in range(3)]
    window = _grey_window(np.concatenate([picture.ravel() for picture in pictures]))
    return [grey_png(picture, window) for picture in pictures]


def grey_png(
    picture: Float[np.ndarray, "y x"],
    window: tuple[float, float] | None = None,
    largest: int = LARGEST_PICTURE,
) -> bytes:
    """An 8-bit picture, `window` = (black, white), by default the middle 99 % of its values."""
    picture = np.nan_to_num(np.asarray(picture, dtype=np.float64), posinf=0, neginf=0)
    factor = -(-max(picture.shape) // largest)
    if factor > 1:
        y, x = (length // factor for length in picture.shape)
        picture = picture[: y * factor, : x * factor].reshape(y, factor, x, factor).mean(axis=(1, 3))
    black, white = _grey_window(picture) if window is None else window
    grey = np.clip((picture - black) / (white - black), 0, 1)
    file = io.BytesIO()
    Image.fromarray(np.round(255 * grey).astype(np.uint8)).save(file, "PNG", optimize=True)
    return file.getvalue()


def _grey_window(values: np.ndarray) -> tuple[float, float]:
    finite = values[np.isfinite(values)]
    if len(finite) == 0:
        return 0.0, 1.0
    black, white = (float(value) for value in np.percentile(finite, (0.5, 99.8)))
    return (black, white) if white > black else (black - 0.5, black + 0.5)


def _column(contents: ReportContents, name: str) -> np.ndarray:
    """One field of every epoch; None is NaN."""
    values = [getattr(record, name) for record in contents.history]
    return np.array([np.nan if value is None else value for value in values], dtype=np.float64)


def _shares(contents: ReportContents, origins: Sequence[str]) -> np.ndarray:
    """Summed winner shares per epoch; missing and NaN count as none."""
    rows = [[record.winner_shares.get(origin, 0.0) for origin in origins] for record in contents.history]
    return np.nan_to_num(np.array(rows, dtype=np.float64)).sum(axis=1)


def _figure(ink: Ink, height_inch: float) -> tuple[Figure, Axes]:
    figure = Figure(figsize=(7.6, height_inch), dpi=DOTS_PER_INCH, layout="constrained")
    axes = figure.subplots()
    _dress(axes, ink)
    return figure, axes


def _dress(axes: Axes, ink: Ink) -> None:
    axes.set_facecolor("none")
    axes.grid(visible=True, color=ink.grid, linewidth=0.6)
    axes.set_axisbelow(True)
    axes.tick_params(which="both", colors=ink.text, labelsize=9, length=0)
    axes.xaxis.label.set_color(ink.text)
    axes.yaxis.label.set_color(ink.text)
    axes.spines[["top", "right", "left"]].set_visible(False)
    axes.spines["bottom"].set_color(ink.grid)


def _mark_half_map_refinement(axes: Axes, contents: ReportContents, ink: Ink) -> None:
    """Whole epochs on the axis, and a shade where the half-map refinement runs."""
    axes.xaxis.set_major_locator(MaxNLocator(integer=True, nbins=12))
    epochs = [record.epoch for record in contents.history if record.phase == "half-map refinement"]
    if epochs:
        axes.axvspan(min(epochs) - 0.5, max(epochs) + 0.5, color=ink.text, alpha=0.08, linewidth=0)
        axes.annotate(
            "half-map refinement", (min(epochs) - 0.5, 1), (4, -11), xycoords=("data", "axes fraction"),
            textcoords="offset points", color=ink.text, fontsize=8,
        )  # fmt: skip


def _say(axes: Axes, text: str, ink: Ink) -> None:
    axes.text(0.5, 0.5, text, transform=axes.transAxes, ha="center", va="center", color=ink.text)


def _png(figure: Figure) -> bytes:
    file = io.BytesIO()
    FigureCanvasAgg(figure)
    figure.savefig(file, format="png", transparent=True)
    return file.getvalue()
