"""Draws the rooms of the package and the arrows between them, as the files' imports have them.

    python dev/flow_picture.py                   # docs/pictures/architecture.svg
    python dev/flow_picture.py -o FILE.png

Every room stands below all that import it. Of the arrows only those are drawn that no way of several arrows replaces.
"""

from __future__ import annotations

import argparse
from graphlib import TopologicalSorter
from pathlib import Path
from typing import TYPE_CHECKING

from import_graph import PACKAGE, Arrow, imports_of, room_arrows

if TYPE_CHECKING:
    from matplotlib.axes import Axes

REPOSITORY = Path(__file__).resolve().parent.parent
PICTURE = REPOSITORY / "docs" / "pictures" / "architecture.svg"

# what each room is for, as its box says; the steps of the method are numbered as in docs/architecture.md
CAPTIONS = {
    "cli": "the command line",
    "commands": "one file per command",
    PACKAGE: "the same from Python",
    "after_run": "commands on a finished run",
    "main_path": "reconstruct: particles in; map, poses, report out",
    "results": "8 FSC, verdict, files, report",
    "variability": "states and motions in fixed poses",
    "run": "3 plan and starts   the phases in order, checkpoints",
    "stochastic_em": "3 starts: maps and poses from nothing",
    "half_map_refinement": "6 each half matched to its own map   7 final maps",
    "train": "4 ab initio   5 second encoder",
    "model": "encoders, decoders",
    "particles": "1 files   2 images",
    "settings": "all numbers",
    "physics": "volume -> image -> volume",
    "conventions": "others' angles",
    "mrc_map": "maps on disk",
    "system": "memory, processes",
    "names": "of phases, checkpoint parts",
    "errors": "what users are told",
}
NOT_DRAWN = {"__main__"}  # starts cli, and nothing else

BOX_WIDTH, BOX_HEIGHT, ROW, COLUMN = 2.5, 0.62, 1.0, 2.7  # inches
PAPER, INK, LINE, FILL = "#ffffff", "#1c2733", "#7d8b99", "#eef3f8"


def drawn_arrows(package: Path) -> list[Arrow]:
    """The arrows between rooms that no way of several others replaces, in order of their names."""
    arrows = {arrow for arrow in room_arrows(imports_of(package)) if not NOT_DRAWN & set(arrow)}
    return sorted(arrow for arrow in arrows if not _is_replaced(arrow, arrows))


def _is_replaced(arrow: Arrow, arrows: set[Arrow]) -> bool:
    start, end = arrow
    seen, ahead = set(), [to for at, to in arrows if at == start and to != end]
    while ahead:
        room = ahead.pop()
        if room not in seen:
            seen.add(room)
            ahead += [to for at, to in arrows if at == room]
    return end in seen


def rows_of(arrows: list[Arrow]) -> list[list[str]]:
    """Rooms by row from above: each one row below the lowest that imports it.

    Raises:
        graphlib.CycleError: if the arrows go in a circle.
    """
    importers: dict[str, set[str]] = {}
    for start, end in arrows:
        importers.setdefault(end, set()).add(start)
        importers.setdefault(start, set())
    row: dict[str, int] = {}
    for room in TopologicalSorter(importers).static_order():
        row[room] = 1 + max((row[one] for one in importers[room]), default=-1)
    order = list(CAPTIONS)
    rows = [[room for room in row if row[room] == number] for number in range(max(row.values()) + 1)]
    return [sorted(rooms, key=order.index) for rooms in rows]


def described(arrows: list[Arrow]) -> str:
    """The arrows in words, as the picture carries them so that a test can tell whether it is up to date."""
    return "; ".join(f"{start} to {end}" for start, end in arrows)


def draw(arrows: list[Arrow], path: Path) -> None:
    """Write the picture, SVG or PNG by its name; the same arrows give the same file."""
    import matplotlib

    matplotlib.use("agg")
    matplotlib.rcParams |= {"svg.hashsalt": "architecture", "font.family": "DejaVu Sans"}
    from matplotlib import pyplot

    rows = rows_of(arrows)
    width, height = max(map(len, rows)) * COLUMN, len(rows) * ROW
    figure = pyplot.figure(figsize=(width, height), facecolor=PAPER)
    axes = figure.add_axes((0, 0, 1, 1), xlim=(0, width), ylim=(0, height))
    axes.axis("off")
    place: dict[str, tuple[float, float]] = {}
    box_width: dict[str, float] = {}
    row_of = {room: number for number, rooms in enumerate(rows) for room in rooms}
    for number, rooms in enumerate(rows):
        # one room alone takes the width of two, where no arrow has to pass beside it
        is_passed = any(row_of[start] < number < row_of[end] for start, end in arrows)
        for column, room in enumerate(rooms):
            place[room] = width / 2 + (column - (len(rooms) - 1) / 2) * COLUMN, height - (number + 0.5) * ROW
            box_width[room] = 2 * COLUMN - 0.4 if len(rooms) == 1 and not is_passed else BOX_WIDTH
            _draw_box(axes, room, place[room], box_width[room])
    for start, end in arrows:
        (x, y), (to_x, to_y) = place[start], place[end]
        # to the next row it leaves and arrives somewhat towards the other box; past a row it arrives at the near edge
        is_near, most = row_of[end] == row_of[start] + 1, box_width[end] / 2 - 0.3
        leaves = max(-0.8, min(0.8, 0.3 * (to_x - x))) if is_near else 0.0
        arrives = -leaves if is_near else max(-most, min(most, x - to_x))
        ends = (x + leaves, y - BOX_HEIGHT / 2), (to_x + arrives, to_y + BOX_HEIGHT / 2)
        style = {"arrowstyle": "-|>", "color": LINE, "shrinkA": 0, "shrinkB": 0, "mutation_scale": 12, "linewidth": 1.2}
        axes.annotate("", xytext=ends[0], xy=ends[1], arrowprops=style, zorder=0)
    metadata = {"Description": described(arrows), "Date": None} if path.suffix == ".svg" else None
    figure.savefig(path, metadata=metadata, facecolor=PAPER)
    pyplot.close(figure)


def _draw_box(axes: Axes, room: str, centre: tuple[float, float], box_width: float) -> None:
    from matplotlib.patches import FancyBboxPatch

    x, y = centre
    corner = x - box_width / 2, y - BOX_HEIGHT / 2
    shape = "round,pad=0,rounding_size=0.08"
    axes.add_patch(FancyBboxPatch(corner, box_width, BOX_HEIGHT, shape, facecolor=FILL, edgecolor=LINE))
    name = "import cryofifa" if room == PACKAGE else room
    axes.text(x, y + 0.12, name, ha="center", va="center", fontsize=12, fontweight="bold", color=INK)
    axes.text(x, y - 0.14, CAPTIONS[room], ha="center", va="center", fontsize=10, color=INK)


def main() -> None:
    """Read the option, draw."""
    parser = argparse.ArgumentParser(description="A picture of the rooms and their arrows.")
    parser.add_argument("-o", "--output", type=Path, default=PICTURE, metavar="FILE")
    draw(drawn_arrows(REPOSITORY / "src" / "cryofifa"), parser.parse_args().output)


if __name__ == "__main__":
    main()
