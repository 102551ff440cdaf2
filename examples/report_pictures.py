"""The plots of a run's report as PNG files, for pages and talks.

python examples/report_pictures.py RUN -o FOLDER            # FOLDER/fsc.png, local.png, views.png, poses.png, ...
"""

import argparse
import base64
import io
from html.parser import HTMLParser
from pathlib import Path

from PIL import Image

PREFIX = "data:image/png;base64,"


class Plots(HTMLParser):
    """Of every section its plots as light pages have them, by the section's name, and -2 for the second."""

    def __init__(self) -> None:
        super().__init__()
        self.png: dict[str, bytes] = {}
        self._section = ""
        self._in_plot = False

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        values = dict(attrs)
        if tag == "section":
            self._section = values["id"] or ""
        elif tag == "picture":
            self._in_plot = True
        elif tag == "img" and self._in_plot:
            name = f"{self._section}-2" if self._section in self.png else self._section
            self.png[name] = base64.b64decode((values["src"] or "").removeprefix(PREFIX))

    def handle_endtag(self, tag: str) -> None:
        if tag == "picture":
            self._in_plot = False


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("run", type=Path, help="folder of a finished run")
    parser.add_argument("-o", "--output", type=Path, required=True, help="folder of the pictures")
    options = parser.parse_args()
    plots = Plots()
    plots.feed((options.run / "report.html").read_text(encoding="utf-8"))
    options.output.mkdir(parents=True, exist_ok=True)
    for name, png in plots.png.items():
        plot = Image.open(io.BytesIO(png)).convert("RGBA")
        page = Image.new("RGBA", plot.size, "white")
        page.alpha_composite(plot)
        page.convert("RGB").quantize(64).save(options.output / f"{name}.png", optimize=True)


if __name__ == "__main__":
    main()
