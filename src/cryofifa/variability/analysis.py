"""The variability of particles: components, how many are real, every particle's coordinates, and the states."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import torch
from jaxtyping import Float, Int
from torch import Tensor

from cryofifa.physics.fourier import HalfPlane
from cryofifa.variability.components import Components
from cryofifa.variability.fixed_poses import FixedPoses
from cryofifa.variability.latent import LatentTerms, embed
from cryofifa.variability.real_components import ComponentSearch, Spectrum
from cryofifa.variability.states import States, find_states


@dataclass(frozen=True)
class Analysis:
    """What is known of the particles before any map of a state is made; numbers of particles are on the CPU.

    Attributes:
        members: rows of the particles that take part.
        components: the mean volume and the real components, on a coarse grid.
        spectrum: how well each component is confirmed.
        states: the states; None where no component is real.
        terms: what every member's image says of its coordinates.
        resolution_angstrom: down to which the components reach.
    """

    members: Int[Tensor, " m"]
    components: Components
    spectrum: Spectrum
    states: States | None
    terms: LatentTerms
    resolution_angstrom: float

    @property
    def probabilities(self) -> Float[Tensor, "m states"]:
        """How probable every state is for every member; with a single state, certain."""
        if self.states is None:
            return torch.ones(len(self.members), 1, dtype=torch.float64)
        return self.states.probabilities(self.terms)

    @property
    def coordinates(self) -> Float[Tensor, "m q"]:
        """The coordinates of every member along the real components."""
        if self.states is None:
            return torch.zeros(len(self.members), 0, dtype=torch.float64)
        return self.states.mixture.coordinates(self.terms)


def analyse(
    source: FixedPoses,
    members: Int[Tensor, " m"],
    mask: Float[Tensor, "z y x"],
    plane: HalfPlane,
    components: int,
    states: int | None,
    seed: int,
    advance: Callable[[int], None],
    say: Callable[[str], None],
) -> Analysis:
    """Find the components of variability, how many are real, and the states.

    Args:
        source: the particles with their poses.
        members: rows of those that take part.
        mask: where variability is looked for, from 0 to 1, on the grid of the images.
        plane: the Fourier points that are used.
        components: how many components are looked for.
        states: how many states there are; None where the particles are to say it.
        seed: of random starts.
        advance: told the number of particles after every block.
        say: given a line for the log now and then.
    """
    resolution = plane.extent_angstrom / plane.largest_radius
    say(f"{components} components are looked for down to {resolution:.1f} A, in {len(members)} particles")
    search = ComponentSearch(source, members, mask, plane, components, seed, advance, say)
    found, spectrum = search.run(least=0 if states in (None, 1) else 1)
    gains = ", ".join(f"{value:.1f}" for value in spectrum.gain_over_error)
    say(f"{spectrum.real} components are real (gain on images that were left out, in standard errors: {gains})")
    mixture, terms = None, LatentTerms(torch.zeros(len(members), 0, 0), torch.zeros(len(members), 0))
    if found.count:
        terms = embed(source, members, found, plane, advance)
        terms = LatentTerms(terms.curvature.cpu(), terms.slope.cpu())
        mixture = find_states(terms, states, seed)
        criterion = ", ".join(f"{value - min(mixture.criterion):.0f}" for value in mixture.criterion)
        say(f"{mixture.count} states of {len(mixture.mixture.share)} parts (criterion over the least: {criterion})")
    return Analysis(members.cpu(), found, spectrum, mixture, terms, resolution)
