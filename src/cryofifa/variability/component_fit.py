"""Expectation maximisation of the mean volume and its components from particles with known poses.

With r_i = y_i - CTF_i P_i V_0, s_iq = CTF_i P_i V_q, and G_i and h_i as in `latent.py`:

    E   C_i = (1 + G_i)^-1,   m_i = C_i h_i         covariance and mean of the coordinates of every particle
    M   V_a by one step down the expected squared distance,

            gradient_a = sum_i P_i^T CTF_i ( m_ia (r_i - sum_b m_ib s_ib) - sum_b C_iab s_ib ) - prior V_a

        divided by the mean of m_a^2 + C_aa times the sum of CTF_i^2, plus the prior (a = 0 is the mean, m_i0 = 1). One
        sum of weights serves all components, and however a step is scaled, it ends where the gradient is zero.

Then volumes are masked, and scaled so that coordinates have mean 0 and variance 1 again (Liu, Rubin & Wu 1998), which
takes few iterations where plain expectation maximisation takes many.

The prior: components are no rougher than the particle itself. In each Fourier shell a component has about `PRIOR_SHARE`
of the power of the mean volume. Measured on states, whose components have 1.5 and 0.9 % (LOG.md): 95.3 % of the
particles in the right state with a share of 5 %, 95.0 % with 2 %, 94.3 % with 1 %, 92 % without a prior; with 0.5 % the
components vanish.
"""

from __future__ import annotations

from collections.abc import Callable

import torch
from jaxtyping import Complex, Float, Int
from torch import Tensor

from cryofifa.physics.back_projection import add_hermitian_mate
from cryofifa.physics.central_slice import (
    OVERSAMPLING,
    FourierGrid,
    mean_over_members,
    slice_coordinates,
    trilinear_gridding,
)
from cryofifa.physics.fourier import HalfPlane, inverse_fourier_3d, window_centre
from cryofifa.physics.mask import distance_from_centre
from cryofifa.physics.shells import shell_means
from cryofifa.variability.components import Components
from cryofifa.variability.fixed_poses import FixedPoses
from cryofifa.variability.latent import as_pairs, component_slices, latent_terms

PRIOR_SHARE = 0.05  # power of a component over that of the mean volume, in every shell; measured, see above
LEAST_WEIGHT_SHARE = 1e-3  # of the mean weight, added to the weights of the mean volume, which has no other prior
MEAN_STEPS = 2  # steps that the mean volume takes before there are components; the first is a back-projection


class ComponentFit:
    """Expectation maximisation of a mean volume and components from some particles.

    Args:
        source: the particles with their poses.
        members: rows of the particles that are used.
        mask: where the volumes may have density, from 0 to 1, on the grid of the images.
        plane: the Fourier points that are used.
        advance: told the number of particles after every block.
    """

    def __init__(
        self,
        source: FixedPoses,
        members: Int[Tensor, " m"],
        mask: Float[Tensor, "z y x"],
        plane: HalfPlane,
        advance: Callable[[int], None] = lambda _: None,
    ) -> None:
        self._source, self._members, self._mask, self._plane, self._advance = source, members, mask, plane, advance
        self._size = FourierGrid.size_for(plane.largest_radius)
        self._weight: Float[Tensor, "kz ky kx"] | None = None

    def start(self, count: int, generator: torch.Generator) -> Components:
        """The mean volume, and components back-projected from what it leaves of the images, at random coordinates."""
        nothing = self._mask.new_zeros(1, *self._mask.shape)
        mean = Components(nothing, self._plane.largest_radius)
        for _ in range(MEAN_STEPS):
            mean = self.step(mean)
        random = torch.randn(len(self._members), count, generator=generator).to(self._mask)
        return self.step(Components(torch.cat([mean.volume, *[nothing] * count]), mean.radius), random)

    def step(self, before: Components, coordinate: Float[Tensor, "m q"] | None = None) -> Components:
        """One iteration.

        Args:
            before: the volumes so far.
            coordinate: the particles' coordinates; by default those that their images tell.
        """
        grids, count, plane = before.grids(), before.count, self._plane
        gradient = grids.new_zeros(self._size**3, 2 * (count + 1))
        weight = grids.new_zeros(self._size**3, 1) if self._weight is None else None
        first, second = grids.new_zeros(count), grids.new_zeros(count, count)
        done = 0
        for images in self._source.blocks(self._members, plane):
            slices = component_slices(grids, images, plane)
            pairs, left = as_pairs(slices[:, 1:]), as_pairs(images.measured - slices[:, 0])
            if coordinate is None:
                terms = latent_terms(pairs, left)
                covariance = torch.linalg.inv(terms.curvature + torch.eye(count, device=grids.device))
                mean = torch.einsum("nab,nb->na", covariance, terms.slope)
            else:
                mean = coordinate[done : done + len(left)]
                covariance = mean.new_zeros(len(mean), count, count)
            unexplained = (left - torch.einsum("nq,nqp->np", mean, pairs))[:, None]
            data = torch.cat([unexplained, mean[..., None] * unexplained - covariance @ pairs], dim=1)
            data = data.unflatten(2, (-1, 2)) * images.ctf[:, None, :, None]
            spread(gradient, data.permute(0, 2, 1, 3).flatten(2), images.rotation, plane)
            if weight is not None:
                spread(weight, images.ctf.square()[..., None], images.rotation, plane)
            first += mean.sum(dim=0)
            second += mean.mT @ mean + covariance.sum(dim=0)
            done += len(left)
            self._advance(len(left))
        if weight is not None:
            whole = add_hermitian_mate(weight.reshape(self._size, self._size, self._size))
            self._weight = self._symmetrised(whole[None])[0]
        return self._maximised(before, grids, gradient, first / max(1, done), second / max(1, done))

    def _maximised(
        self,
        before: Components,
        grids: Float[Tensor, "channels size size size"],
        gradient: Float[Tensor, "voxels channels"],
        first: Float[Tensor, " q"],
        second: Float[Tensor, "q q"],
    ) -> Components:
        """The volumes after the M step; `first` and `second` are the moments of the coordinates."""
        assert self._weight is not None
        size, volumes = self._size, before.count + 1
        data = torch.view_as_complex(gradient.reshape(size, size, size, volumes, 2)).movedim(-1, 0)
        present = torch.complex(*grids.unflatten(0, (-1, 2)).unbind(1))
        scale = torch.cat([first.new_ones(1), second.diagonal()])[:, None, None, None]
        prior = self._prior(present[0], volumes)
        change = torch.stack([add_hermitian_mate(one) for one in data]) - prior * present
        change = torch.where(self._weight > 0, change / (scale * self._weight + prior), 0)
        channels = self._symmetrised(torch.view_as_real(change).movedim(-1, 1).flatten(0, 1))
        change = torch.complex(*channels.unflatten(0, (-1, 2)).unbind(1))
        volume = before.volume + self._in_real_space(change) * self._mask
        if volumes == 1:
            return Components(volume, before.radius)
        mean = volume[:1] + torch.einsum("q,qzyx->zyx", first, volume[1:])
        covariance = (second - first[:, None] * first).double()
        root = torch.linalg.cholesky(covariance + 1e-9 * torch.eye(before.count).to(covariance))
        return Components(torch.cat([mean, volume[1:]]), before.radius).mixed(root).with_principal_axes()

    def _prior(self, mean: Complex[Tensor, "kz ky kx"], volumes: int) -> Float[Tensor, "volumes kz ky kx"]:
        """One over the power that slices of every volume have beforehand, in the unit of the weights."""
        assert self._weight is not None
        some = LEAST_WEIGHT_SHARE * self._weight[self._weight > 0].mean()
        shell = (distance_from_centre(self._size, 3, mean.device) / OVERSAMPLING).round().long()
        shells = int(self._plane.largest_radius) + 2
        power = shell_means(mean.abs().square(), shell, shells)
        power[0] = power[1]  # images have no origin
        power = power.clamp_min(1e-3 * power.max().clamp_min(1e-12))
        # the sums of a Fourier pixel are spread over this many points of the grid
        prior = 1 / (OVERSAMPLING**3 * PRIOR_SHARE * power)[shell.clamp(max=shells - 1)]
        return torch.stack([some.expand_as(prior), *[prior] * (volumes - 1)])

    def _symmetrised(self, channels: Float[Tensor, "channels kz ky kx"]) -> Float[Tensor, "channels kz ky kx"]:
        """Averaged over the point group: what breaks the symmetry is no part of the components."""
        members = self._source.frame.symmetry
        return channels if len(members) == 1 else mean_over_members(channels, members, self._plane.largest_radius + 1)

    def _in_real_space(self, transform: Complex[Tensor, "volumes kz ky kx"]) -> Float[Tensor, "volumes z y x"]:
        box = self._mask.shape[-1]
        gridding = trilinear_gridding(box, transform.device)
        padded = (inverse_fourier_3d(window_centre(one, OVERSAMPLING * box, 3)) for one in transform)
        return torch.stack([window_centre(one, box, 3) / gridding for one in padded])


def spread(
    sums: Float[Tensor, "voxels channels"],
    values: Float[Tensor, "slices points channels"],
    rotation_volume_to_image: Float[Tensor, "slices 3 3"],
    plane: HalfPlane,
) -> None:
    """Add several values at each point of central slices to grids, by trilinear weights: the adjoint of reading slices.

    Args:
        sums: flattened cubes with axes (z, y, x), OVERSAMPLING samples per Fourier pixel, the channels side by side.
        values: at the points of `plane`.
        rotation_volume_to_image: of every slice.
        plane: the Fourier points.
    """
    size = round(len(sums) ** (1 / 3))
    position = slice_coordinates(rotation_volume_to_image, plane) * OVERSAMPLING + size // 2
    corner = position.floor()
    upper = (position - corner)[..., None, :]
    base = corner.long()
    base_index = (base[..., 2] * size + base[..., 1]) * size + base[..., 0]
    for z in (0, 1):
        for y in (0, 1):
            for x in (0, 1):
                share = torch.ones_like(upper[..., 0])
                for axis, bit in enumerate((x, y, z)):
                    share = share * (upper[..., axis] if bit else 1 - upper[..., axis])
                index = (base_index + (z * size + y) * size + x).flatten()
                sums.index_add_(0, index, (share * values).flatten(0, 1))
