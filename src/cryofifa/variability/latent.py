"""What an image says of its coordinates along the components: a quadratic log-likelihood, kept for every particle.

With r = y - CTF P V_0, s_q = CTF P V_q, and noise of variance 1 per Fourier point, of which the half plane has half,

    log p(y | z) = h.z - z.G z / 2 + constant,        G = 2 Re S^H S,   h = 2 Re S^H r

and with coordinates that are normal with variance 1, as the components are scaled, the image itself has

    log p(y) = h.(1 + G)^-1 h / 2 - log det(1 + G) / 2 + constant.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import torch
from jaxtyping import Complex, Float, Int
from torch import Tensor

from cryofifa.physics.central_slice import read_trilinear, slice_coordinates
from cryofifa.physics.fourier import HalfPlane
from cryofifa.variability.components import Components
from cryofifa.variability.fixed_poses import CentredImages, FixedPoses


@dataclass(frozen=True)
class LatentTerms:
    """The two terms of every particle's log-likelihood of coordinates, by the formula above.

    Attributes:
        curvature: G; large along components that the particle's view and defocus show well.
        slope: h.
    """

    curvature: Float[Tensor, "n q q"]
    slope: Float[Tensor, "n q"]

    def __len__(self) -> int:
        return len(self.slope)

    def of_components(self, which: list[int]) -> LatentTerms:
        """The same images with some of the components only."""
        return LatentTerms(self.curvature[:, which][:, :, which], self.slope[:, which])

    def scaled(self, scale: list[float]) -> LatentTerms:
        """The same images with components that are multiplied by these numbers."""
        by = torch.tensor(scale).to(self.slope)
        return LatentTerms(self.curvature * by[:, None] * by, self.slope * by)

    def log_likelihood(self) -> Float[Tensor, " n"]:
        """log p(y) of every image, less that of the same image without any component."""
        inner = self.curvature + torch.eye(self.slope.shape[1]).to(self.slope)
        gain = (self.slope * torch.linalg.solve(inner, self.slope)).sum(dim=1)
        return gain / 2 - torch.logdet(inner) / 2


def component_slices(
    grids: Float[Tensor, "channels size size size"], images: CentredImages, plane: HalfPlane
) -> Complex[Tensor, "m volumes points"]:
    """CTF times the central slices of the mean and of every component, at the particles' rotations.

    Args:
        grids: transforms of the volumes, as `Components.grids` gives them.
        images: the particles.
        plane: the Fourier points.
    """
    values = read_trilinear(grids, slice_coordinates(images.rotation, plane))
    real, imaginary = values.unflatten(0, (-1, 2)).unbind(1)
    return torch.complex(real, imaginary).movedim(0, 1) * images.ctf[:, None]


def latent_terms(pairs: Float[Tensor, "m q pairs"], left: Float[Tensor, "m pairs"]) -> LatentTerms:
    """G and h of some particles.

    Args:
        pairs: slices of the components with CTF, as pairs of real and imaginary parts.
        left: what the mean leaves of the images, as such pairs.
    """
    return LatentTerms(2 * pairs @ pairs.mT, 2 * torch.einsum("nqp,np->nq", pairs, left))


def as_pairs(values: Complex[Tensor, "*batch points"]) -> Float[Tensor, "*batch pairs"]:
    """Complex values as real and imaginary parts, one after the other."""
    return torch.view_as_real(values.contiguous()).flatten(-2)


def embed(
    source: FixedPoses,
    members: Int[Tensor, " m"],
    components: Components,
    plane: HalfPlane,
    advance: Callable[[int], None] = lambda _: None,
) -> LatentTerms:
    """What the images of these particles say of their coordinates, in 64-bit numbers, in the order of the members."""
    grids, found = components.grids(), []
    for images in source.blocks(members, plane):
        slices = component_slices(grids, images, plane)
        found.append(latent_terms(as_pairs(slices[:, 1:]), as_pairs(images.measured - slices[:, 0])))
        advance(len(images.members))
    return LatentTerms(
        torch.cat([one.curvature for one in found]).double(), torch.cat([one.slope for one in found]).double()
    )
