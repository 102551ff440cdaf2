"""The maps of a run's states, and along a component: each from its own particles, by halves, in the run's poses."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import torch
from jaxtyping import Float, Int
from torch import Tensor

from cryofifa.half_map_refinement.half_maps import (
    HalfMaps,
    back_project_halves,
    combined_map_gain,
    half_map_gain,
    solve_half_maps,
)
from cryofifa.mrc_map import write_map
from cryofifa.particles.poses import known
from cryofifa.physics.fourier import HalfPlane
from cryofifa.physics.point_group_names import member_count
from cryofifa.physics.point_groups import symmetry_members
from cryofifa.physics.shells import scale_shells
from cryofifa.results.finished_run import FinishedRun
from cryofifa.results.fsc import write_fsc_csv
from cryofifa.results.gold_standard import MaskedFsc, masked_fsc
from cryofifa.run.map_files import MapFiles


@dataclass(frozen=True)
class StateMap:
    """The map of some of a run's particles.

    Attributes:
        particles: how many it is made of.
        maps: the map, its halves and their FSC inside a soft sphere.
        curves: FSC curves of the halves inside the mask, corrected for the mask.
        resolution_fsc0143_angstrom, resolution_fsc05_angstrom: where the corrected FSC falls under 0.143 and 0.5; None
            where the run itself gives no resolution, or the halves agree no farther than what they have in common.
    """

    particles: int
    maps: HalfMaps
    curves: MaskedFsc
    resolution_fsc0143_angstrom: float | None
    resolution_fsc05_angstrom: float | None


class StateMaps:
    """Makes maps of some of a run's particles.

    Args:
        run: the finished run.
        mask: from 0 to 1, on the map's grid, inside which halves are compared.
        shared_resolution_angstrom: down to which the halves have something in common: how particles were told apart.
        advance: told the number of particles after every map.

    Attributes:
        shared_resolution_angstrom: down to which the halves have something in common, by this or by the run itself.
    """

    def __init__(
        self,
        run: FinishedRun,
        mask: Float[Tensor, "z y x"],
        shared_resolution_angstrom: float,
        advance: Callable[[int], None] = lambda _: None,
    ) -> None:
        self._run, self._mask, self._advance = run, mask, advance
        self._box_angstrom = run.images.table.box_size * run.images.pixel_size_angstrom
        self.shared_resolution_angstrom = min(shared_resolution_angstrom, run.summary.shared_resolution_angstrom)
        self._shared_shell = round(self._box_angstrom / self.shared_resolution_angstrom)

    def of(self, members: Int[Tensor, " m"]) -> StateMap:
        """The map of these particles, by their 0-based rows."""
        maps = self._half_maps(members)
        config = self._run.config
        group = member_count(config.symmetry)
        curves = masked_fsc(*maps.unfiltered, self._mask, self._shared_shell, config.seed, group)
        at_0143, at_05 = (curves.resolution_angstrom(threshold, self._box_angstrom) for threshold in (0.143, 0.5))
        counts = self._run.summary.resolution_fsc0143_angstrom is not None
        counts = counts and at_0143 < self._box_angstrom / (self._shared_shell + 1)
        return StateMap(len(members), maps, curves, at_0143 if counts else None, at_05 if counts else None)

    def series(self, groups: Sequence[Tensor]) -> list[Float[Tensor, "z y x"]]:
        """The maps of several groups of particles, all filtered alike, so that they can be shown one after another.

        Args:
            groups: 0-based rows of the particles of each group.
        """
        maps = [self._half_maps(members) for members in groups]
        gain = torch.stack([half_map_gain(one.fsc) for one in maps]).mean(dim=0)
        return [scale_shells((one.unfiltered[0] + one.unfiltered[1]) / 2, combined_map_gain(gain)) for one in maps]

    def _half_maps(self, members: Int[Tensor, " m"]) -> HalfMaps:
        run, images, poses = self._run, self._run.images, self._run.poses
        half = known(poses.half)
        taken = torch.zeros_like(half)
        taken[members] = half[members]
        device = half.device
        plane = HalfPlane.of_box(images.table.box_size, images.pixel_size_angstrom, with_origin=True, device=device)
        sums = back_project_halves(
            images.normalised,
            images.ctf_parameters().to(device),
            poses.rotation,
            poses.shift_angstrom,
            taken,
            plane,
            symmetry_members(run.config.symmetry, device),
        )
        self._advance(len(members))
        sphere = run.size.image_mask(plane.pixel_size_angstrom)
        return solve_half_maps(sums, sphere.radius_pixel, sphere.edge_pixel)


def write_state_map(
    result: StateMap, files: MapFiles, mask: Float[Tensor, "z y x"], pixel_size_angstrom: float
) -> None:
    """Write the map of a state, its unfiltered halves, the mask and the FSC curves."""
    files.folder.mkdir(parents=True, exist_ok=True)
    volumes = {files.combined: result.maps.combined, files.mask: mask}
    volumes |= dict(zip(files.halves, result.maps.unfiltered, strict=True))
    for path, volume in volumes.items():
        write_map(path, volume.cpu(), pixel_size_angstrom)
    box_angstrom = mask.shape[-1] * pixel_size_angstrom
    curves = {name: curve.cpu() for name, curve in vars(result.curves).items()}
    write_fsc_csv(files.fsc, result.maps.fsc.cpu(), box_angstrom, curves)
