"""Components of variability: the mean volume, and the directions in which the particles' volumes differ from it.

Each image shows a volume of its own, in a pose that is known (probabilistic principal component analysis, Tipping &
Bishop 1999; of projections Tagare et al. 2015, and as 3-D variability analysis Punjani & Fleet 2021):

    y_i = CTF_i P_i ( V_0 + sum_q z_iq V_q ) + noise,        z_i normal with variance 1
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor

from cryofifa.physics.central_slice import FourierGrid


@dataclass(frozen=True)
class Components:
    """The mean volume and its components, on the grid of images of one frame.

    Attributes:
        volume: the mean first, then the components, all masked; a component is scaled so that the particles'
            coordinates along it have variance 1, and the components are orthogonal, the strongest first.
        radius: Fourier pixels up to which they are known.
    """

    volume: Float[Tensor, "volumes z y x"]
    radius: float

    @property
    def count(self) -> int:
        """The number of components, without the mean."""
        return len(self.volume) - 1

    @property
    def power(self) -> Float[Tensor, " components"]:
        """Sum of squares of every component, over that of the mean volume."""
        total = self.volume.flatten(1).square().sum(dim=1)
        return total[1:] / total[0]

    def grids(self) -> Float[Tensor, "channels size size size"]:
        """The transforms of all volumes, sampled for slices: real and imaginary part of the mean, of the first, ..."""
        return torch.cat([FourierGrid.from_volume(one, self.radius).real_imaginary for one in self.volume])

    def up_to(self, radius: float) -> Components:
        """The same volumes, to be used up to another radius in Fourier pixels."""
        return Components(self.volume, radius)

    def of(self, which: Sequence[int]) -> Components:
        """The same mean with some of the components only, by their numbers from 0."""
        return Components(self.volume[[0, *(1 + number for number in which)]], self.radius)

    def mixed(self, matrix: Float[Tensor, "components new"]) -> Components:
        """The same mean with other components: sums of these, with the columns of `matrix` as coefficients."""
        new = torch.einsum("qzyx,qn->nzyx", self.volume[1:], matrix.to(self.volume))
        return Components(torch.cat([self.volume[:1], new]), self.radius)

    def with_principal_axes(self) -> Components:
        """The same distribution of volumes, with orthogonal components, the strongest first."""
        flat = self.volume[1:].flatten(1).double()
        return self.mixed(torch.linalg.eigh(flat @ flat.mT).eigenvectors.flip(1))
