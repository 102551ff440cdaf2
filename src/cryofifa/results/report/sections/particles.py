"""The sections of the particles: from where the map is seen, their scores, a few of them beside the map."""

from __future__ import annotations

import numpy as np
from jaxtyping import Float

from cryofifa.results.report.contents import ParticlePart
from cryofifa.results.report.markup import image, note, plot, section, table
from cryofifa.results.report.plots.grey_pictures import grey_png
from cryofifa.results.report.plots.scores import score_figure
from cryofifa.results.report.plots.view_directions import view_figure
from cryofifa.results.report.readable import share
from cryofifa.results.view_coverage import sampling_compensation_factor, view_directions, view_evenness

MOST_EXAMPLES = 8  # pairs shown; keeps the file small
EXAMPLE_PIXELS = 128


def views_section(rotation_volume_to_image: Float[np.ndarray, "views 3 3"]) -> str:
    """How evenly the particles were seen from all sides, and what that does to the map."""
    direction = view_directions(rotation_volume_to_image)
    return section(
        "views",
        "View coverage",
        plot(lambda ink: view_figure(direction, ink), "Density of view directions over the sphere"),
        table(
            [
                ("Evenness of views", share(view_evenness(rotation_volume_to_image))),
                ("Sampling compensation factor (SCF*)", share(sampling_compensation_factor(rotation_volume_to_image))),
            ]
        ),
        note(
            "View direction: the third row of rotation_volume_to_image. A view and its antipode are "
            "different views, so the full sphere is shown (Mollweide: equal areas)."
        ),
        note(
            "Evenness: the share of the sphere that the views effectively cover, 1 if even (inverse Simpson "
            "index of about 192 equal areas). SCF*: what uneven views leave of the "
            "signal-to-noise ratio, 1 if even, 0.81 for side views only, near 0 if directions are never seen "
            "(Baldwin and Lyumkis 2020). Under 0.81 the poor directions are worth a look."
        ),
    )


def score_section(part: ParticlePart) -> str:
    """The histogram of the scores, and what a score is."""
    return section(
        "score", "Scores", plot(lambda ink: score_figure(part.score, ink), "Score histogram"), note(part.score_meaning)
    )


def examples_section(part: ParticlePart) -> str:
    """A few particles, each beside what the map predicts for it."""
    pairs = list(zip(part.examples, part.example_projections, strict=True))[:MOST_EXAMPLES]
    figures = "".join(
        f'<div class="pair">{image(grey_png(particle, largest=EXAMPLE_PIXELS), f"particle {number}")}'
        f"{image(grey_png(projection, largest=EXAMPLE_PIXELS), f'its projection {number}')}</div>"
        for number, (particle, projection) in enumerate(pairs, 1)
    )
    return section(
        "examples",
        "Particles beside their predicted projections",
        f'<div class="pairs">{figures}</div>' if pairs else note("No examples."),
        note("Left: the particle, smoothed for the eye. Right: the map's projection at its pose, with its CTF."),
    )
