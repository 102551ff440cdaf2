"""Which components are real: those that explain images that they were not fitted to.

A component that was fitted to noise explains the images that it was fitted to, and no others. So components are found
from three quarters of the particles, and each is tried on the last quarter: it is real if it makes those images
likelier, by more than chance. No other null needs to be simulated. A component that is weak but real comes with much
noise, so it may be scaled down first. Measured (LOG.md), gain in log-likelihood over its standard error: states, two
components that differ, 14.8 and 9.8, of the others 0.5 at most; gpcr and ribosome, which have one state, 0.4
and 0.9.

The real components start a last fit from all particles. So what halves of the particles have in common ends at this
fit's resolution, as it ends at ab initio's for the map (`gold_standard.py`, shared shell).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import torch
from jaxtyping import Float, Int
from torch import Tensor

from cryofifa.physics.fourier import HalfPlane
from cryofifa.variability.component_fit import MEAN_STEPS, ComponentFit
from cryofifa.variability.components import Components
from cryofifa.variability.fixed_poses import FixedPoses
from cryofifa.variability.latent import LatentTerms, embed

FITTED_SHARE = 0.75  # of the particles; on the others components are tried; our choice
COARSE_SHARE = 0.6  # of the last Fourier radius, at which components are looked for first: a third of the time
COARSE_STEPS, FINE_STEPS, LAST_STEPS = 15, 2, 3  # iterations at that radius, at the last one, and of all particles
SCALES = (1.0, 0.7, 0.5, 0.35, 0.25)  # of a component, of which the likeliest counts
LEAST_GAIN = 3.5  # of the log-likelihood of images that were left out, in standard errors; our choice
MOST_PARTICLES = 30_000  # more do not better components of this resolution, and take longer; our choice


@dataclass(frozen=True)
class Spectrum:
    """The components that were looked for, in the order in which they were chosen, and how well each is confirmed.

    Attributes:
        order: their numbers, from 0, the strongest of the fit being 0.
        gain: what each adds to the log-likelihood of an image that was left out, on average.
        gain_over_error: the same over its standard error.
        power: of the component, over that of the mean volume.
        real: how many are real: those before the first one that adds too little.
    """

    order: tuple[int, ...]
    gain: tuple[float, ...]
    gain_over_error: tuple[float, ...]
    power: tuple[float, ...]

    @property
    def real(self) -> int:
        """How many are real."""
        enough = [value >= LEAST_GAIN for value in self.gain_over_error]
        return enough.index(False) if False in enough else len(enough)


def spectrum_of(components: Components, terms: LatentTerms) -> Spectrum:
    """Choose one component after the other, always the one that adds most to the images' likelihood.

    Args:
        components: as they were fitted.
        terms: of images that they were not fitted to.
    """
    order: list[int] = []
    scales: list[float] = []
    gain, error = [], []
    left, before = list(range(components.count)), torch.zeros_like(terms.slope[:, 0])
    while left:
        tried = {
            (which, scale): terms.of_components([*order, which]).scaled([*scales, scale]).log_likelihood()
            for which in left
            for scale in SCALES
        }
        which, scale = max(tried, key=lambda one: float(tried[one].mean()))
        added = tried[which, scale] - before
        gain.append(float(added.mean()))
        error.append(max(1e-12, float(added.std()) / len(added) ** 0.5))
        before = tried[which, scale]
        order.append(which)
        scales.append(scale)
        left.remove(which)
    over_error = tuple(one / by for one, by in zip(gain, error, strict=True))
    return Spectrum(tuple(order), tuple(gain), over_error, tuple(components.power[order].tolist()))


def visits_of(particles: int) -> int:
    """Particle visits of the whole search among so many particles, if a component is real."""
    most = min(particles, MOST_PARTICLES)
    fitted = MEAN_STEPS + 1 + COARSE_STEPS + FINE_STEPS
    return round(most * (FITTED_SHARE * fitted + (1 - FITTED_SHARE) + LAST_STEPS))


class ComponentSearch:
    """The search for the components of a set of particles, and for how many of them are real.

    Args:
        source: the particles with their poses.
        members: rows of the particles that are used.
        mask: where the volumes may have density, from 0 to 1, on the grid of the images.
        plane: the Fourier points that are used in the end.
        count: how many components are looked for.
        seed: of the random coordinates that components begin with.
        advance: told the number of particles after every block.
        say: given a line for the log after every part of the search.
    """

    def __init__(
        self,
        source: FixedPoses,
        members: Int[Tensor, " m"],
        mask: Float[Tensor, "z y x"],
        plane: HalfPlane,
        count: int,
        seed: int,
        advance: Callable[[int], None] = lambda _: None,
        say: Callable[[str], None] = lambda _: None,
    ) -> None:
        self._source, self._mask, self._plane, self._count = source, mask, plane, count
        self._advance, self._say, self._generator = advance, say, torch.Generator().manual_seed(seed)
        order = torch.randperm(len(members), generator=self._generator)[:MOST_PARTICLES]
        fitted = round(FITTED_SHARE * len(order))
        self._all, self._fitted, self._left_out = (
            members[some.sort().values.to(members.device)] for some in (order, order[:fitted], order[fitted:])
        )

    def run(self, least: int = 0) -> tuple[Components, Spectrum]:
        """Find the real components of all particles, and the spectrum of all that were looked for.

        Args:
            least: so many components are kept, real or not.
        """
        found = self._fit()
        spectrum = spectrum_of(found, embed(self._source, self._left_out, found, self._plane, self._advance))
        found = found.of(spectrum.order[: max(spectrum.real, least)])
        if found.count == 0:
            return found, spectrum
        fit = ComponentFit(self._source, self._all, self._mask, self._plane, self._advance)
        for _ in range(LAST_STEPS):
            found = fit.step(found)
        return found, spectrum

    def _fit(self) -> Components:
        """Components of the particles that are fitted to, from coarse to fine."""
        coarse = self._plane.within(COARSE_SHARE * self._plane.largest_radius)
        fit = ComponentFit(self._source, self._fitted, self._mask, coarse, self._advance)
        found = fit.start(self._count, self._generator)
        for _ in range(COARSE_STEPS):
            found = fit.step(found)
        fit = ComponentFit(self._source, self._fitted, self._mask, self._plane, self._advance)
        found = found.up_to(self._plane.largest_radius)
        for _ in range(FINE_STEPS):
            found = fit.step(found)
        powers = ", ".join(f"{float(power):.2%}" for power in found.power)
        self._say(f"components of {len(self._fitted)} particles, in power of the mean volume: {powers}")
        return found
