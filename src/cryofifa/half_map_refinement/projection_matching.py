"""Refinement of poses against back-projected half maps, once the network has found them.

The neural decoder learns slowly and smoothly, which is what finds the poses; once they have settled, the closed form
is the cheaper and sharper volume (measured). Each half of the particles is matched to its own half's map only. The
halves shared one network down to where ab initio ended: their FSC says something beyond it only.

Each iteration: back-project -> half maps' FSC -> how far in frequency to trust -> filter each half by place, unless
symmetry is imposed -> match each particle to it (`matched_poses`). The first iteration looks for all poses anew, which
poses particles that ab initio has not seen and frees those that were stuck; the others improve them. Where many poses
were replaced the search is repeated: ab initio was not at its end, and the next map and orientations find more.
"""

from __future__ import annotations

import itertools
import math
import time
from collections.abc import Callable

import torch
from jaxtyping import Complex, Float, Int
from torch import Tensor

from cryofifa.half_map_refinement.half_maps import (
    Halves,
    ReadImages,
    back_project_halves,
    block_on,
    evenly_some,
    in_blocks,
    ring_power_of_some,
    solve_halves,
)
from cryofifa.half_map_refinement.particle_score import ring_noise_power, ring_score
from cryofifa.half_map_refinement.reference import Reference
from cryofifa.half_map_refinement.state import HalfMapPoses, IterationSoFar
from cryofifa.particles.outlier_weight import bounded_influence
from cryofifa.physics.central_slice import FourierGrid
from cryofifa.physics.ctf import CtfParameters, contrast_transfer
from cryofifa.physics.fourier import HalfPlane, fourier_2d
from cryofifa.physics.image_formation import form_image
from cryofifa.physics.local_wiener import local_wiener
from cryofifa.physics.mask import circular_mask, spherical_mask
from cryofifa.physics.point_group_names import member_count
from cryofifa.physics.point_groups import symmetry_members
from cryofifa.settings.config import Config, HalfMapRefinementSettings
from cryofifa.system.processes import ALONE, Processes
from cryofifa.train.epoch_record import WINNER_ORIGINS, EpochRecord, count_of_origins
from cryofifa.train.orientation_set import OrientationSet
from cryofifa.train.pose_change import median_pose_change
from cryofifa.train.random_draws import RandomDraws

BLOCK = 128  # particles searched at once; bounds the memory, changes nothing else
MOST_FOR_NOISE = 1000  # particles that the noise's power is estimated from
MATCHES = 3  # of every particle to a finished map; our choice


class ProjectionMatching:
    """Half-map refinement of one run: reads images in one frame, updates a HalfMapPoses.

    Of several processes each asks for the images of its own particles only, and poses those.
    """

    def __init__(
        self,
        config: Config,
        read_images: ReadImages,
        ctf_parameters: CtfParameters,
        plane: HalfPlane,
        particle_radius_angstrom: float,
        shift_range_angstrom: float,
        processes: Processes = ALONE,
    ) -> None:
        self.processes = processes
        self.config, self.read_images, self.ctf_parameters, self.plane = config, read_images, ctf_parameters, plane
        self.particle_radius_angstrom = particle_radius_angstrom
        self.shift_range_angstrom = shift_range_angstrom
        self.extent_angstrom = plane.extent_angstrom
        self._mask_pixel = config.image.volume_mask_pixel(particle_radius_angstrom, plane.pixel_size_angstrom)
        self._mask = spherical_mask(plane.box_size, *self._mask_pixel, plane.index_xy.device)
        self.so_far: IterationSoFar | None = None  # of an iteration that is not at its end

    @property
    def _at_once(self) -> int:
        """Particles of each process."""
        return block_on(self.plane.index_xy.device, self.plane.box_size, BLOCK)

    def half_maps(self, state: HalfMapPoses) -> Halves:
        """Maps of the posed particles."""
        half = torch.where(state.posed, state.half, 0)
        sums = back_project_halves(
            self.read_images,
            self.ctf_parameters,
            state.rotation,
            state.shift_angstrom,
            half,
            self.plane,
            symmetry_members(self.config.symmetry, half.device),
            self.processes,
        )
        return solve_halves(sums, *self._mask_pixel)

    def iterate(
        self, state: HalfMapPoses, iteration: int, *, search: bool, on_block: Callable[[int], None] | None = None
    ) -> EpochRecord:
        """One iteration, or what is left of one; changes `state` and returns what happened.

        search: look for every pose anew, from what it is, and in an orientation set; else only improve it.
        on_block: called after every block with the number of its particles; what is in `state` and `so_far` may be
            kept there.
        """
        started = time.monotonic()
        origins = torch.zeros(len(WINNER_ORIGINS), device=state.half.device)
        so_far = self.so_far = self.so_far or IterationSoFar(state.copy(), origins)
        before, done = so_far.before, so_far.particles
        maps = self.half_maps(before)
        limit = self._trusted_radius(maps.fsc)
        for which, volume in enumerate(self._filtered_halves(maps), start=1):
            mine = before.half == which
            order = self.processes.balanced(mine.nonzero()[:, 0])
            left, done = order[done:], max(0, done - len(order))
            if not len(left):
                continue
            posed = (mine & before.posed).nonzero()[:, 0]
            reference = self._reference(volume, limit, before, posed, iteration, search=search)
            for members in in_blocks(left, self._at_once * self.processes.count):
                own = self.processes.shard(members, members)
                so_far.origins += self._search(state, own, reference)
                so_far.particles += len(members)
                if on_block is not None:
                    on_block(len(members))
        self.so_far = None
        state.merge(self.processes)
        origins = self.processes.all_reduce(so_far.origins)
        turned, moved = median_pose_change(
            before, state, symmetry_members(self.config.symmetry, before.rotation.device)
        )
        return EpochRecord(
            epoch=iteration,
            particles=len(state.half),
            mask_radius_pixel=limit,
            resolution_angstrom=self.extent_angstrom / limit,
            loss=float("nan"),  # its unit is not that of the network's loss
            encoder_loss=float("nan"),
            pose_change_median_degree=turned,
            shift_change_median_angstrom=moved,
            winner_shares=dict(zip(WINNER_ORIGINS, (origins / origins.sum()).tolist(), strict=True)),
            particle_radius_angstrom=self.particle_radius_angstrom,
            seconds=time.monotonic() - started,
            phase="half-map refinement",
        )

    def match_to(
        self,
        state: HalfMapPoses,
        volume: Float[Tensor, "z y x"],
        resolution_angstrom: float,
        on_block: Callable[[int], None] | None = None,
    ) -> None:
        """Match every particle to one finished map: looked for twice, then improved.

        For particles that the map was not made from; changes `state`, their scores included. The orientation set is for
        those that the encoder has wrong: held-out particles of ribosome, whose encoder was 20 degrees off, 57 % within
        10 without; 32 px at SNR 0.5 96.2 % after one search and 98.5 after two.
        """
        limit = min(self.extent_angstrom / resolution_angstrom, self.plane.box_size / 2)
        everyone = torch.arange(len(state.half), device=state.half.device)
        for iteration in range(MATCHES):
            search = iteration < MATCHES - 1
            reference = self._reference(volume, limit, state, everyone, iteration, search=search)
            for members in in_blocks(everyone, self._at_once):
                self._search(state, members, reference)
                if on_block is not None:
                    on_block(len(members))
        self._score(state, everyone, volume, limit)

    def score(self, state: HalfMapPoses) -> None:
        """Score every particle against the other half's map, which its own noise is not in; changes `state`."""
        maps = self.half_maps(state)
        limit = self._trusted_radius(maps.fsc)
        for which, other in ((1, maps.half_2), (2, maps.half_1)):
            members = (state.half == which).nonzero()[:, 0]
            self._score(state, self.processes.shard(members, members), other, limit)
        state.merge(self.processes)

    def _score(
        self, state: HalfMapPoses, particles: Int[Tensor, " m"], volume: Float[Tensor, "z y x"], limit: float
    ) -> None:
        plane = self.plane.within(limit)
        ring = plane.radius.round().long()
        everyone = torch.arange(len(state.half), device=ring.device)

        def seen(members: Tensor) -> Tensor:
            return self._measured(members, state.shift_angstrom[members], plane)[0]

        noise = ring_noise_power(ring_power_of_some(evenly_some(everyone, MOST_FOR_NOISE), ring, seen, self.processes))
        grid = FourierGrid.from_volume(volume * self._mask, limit)
        for members in in_blocks(particles, self._at_once):
            shift = state.shift_angstrom[members]
            measured, ctf = self._measured(members, shift, plane)
            predicted = form_image(grid.slices(state.rotation[members], plane), ctf, shift, plane)
            state.score[members] = ring_score(measured, predicted, noise, ring)

    def _reference(
        self,
        volume: Float[Tensor, "z y x"],
        limit: float,
        state: HalfMapPoses,
        posed: Int[Tensor, " m"],
        iteration: int,
        *,
        search: bool,
    ) -> Reference:
        grid, plane = FourierGrid.from_volume(volume * self._mask, limit), self.plane.within(limit)
        noise = self._noise_power(state, evenly_some(posed, MOST_FOR_NOISE), grid, plane)
        draws, radius = RandomDraws(self.config.seed, "polish bank", iteration), self.particle_radius_angstrom
        orientation_set = (
            OrientationSet.drawn(draws, 0, grid, plane, self.config.search_within_symmetry, radius) if search else None
        )
        return Reference(
            grid=grid,
            plane=plane,
            weight=1 / noise,
            orientation_set=orientation_set,
            settings=self.config.half_map_refinement,
            symmetry=symmetry_members(self.config.symmetry, noise.device),
            particle_radius_angstrom=radius,
            shift_range_angstrom=self.shift_range_angstrom,
        )

    def _filtered_halves(self, maps: Halves) -> tuple[Float[Tensor, "z y x"], Float[Tensor, "z y x"]]:
        """Both halves, filtered by place; but not where symmetry is imposed: symmetrised noise piles up at the axes.

        Measured on apoferritin, two iterations from poses turned by 8 degrees at random: FSC to the model at 9 A,
        without spherical means, 0.33, and 0.19 with the filter.
        """
        halves = maps.half_1, maps.half_2
        is_symmetric = member_count(self.config.symmetry) > 1
        return halves if is_symmetric else local_wiener(*halves, self._mask)

    def _trusted_radius(self, fsc: Float[Tensor, " shells"]) -> float:
        """Last shell before the halves' FSC falls under the limit; never under two cycles over the particle radius."""
        fallen = (fsc[1:] < self.config.half_map_refinement.fsc_limit).nonzero()
        shell = int(fallen[0]) if len(fallen) else len(fsc) - 1
        least = 2 * self.extent_angstrom / self.particle_radius_angstrom
        return float(min(max(shell, least), self.plane.box_size // 2))

    def _noise_power(
        self, state: HalfMapPoses, some: Int[Tensor, " m"], grid: FourierGrid, plane: HalfPlane
    ) -> Float[Tensor, " points"]:
        """Mean power per shell of what the map leaves of all but bright junk (RELION's sigma2 of the noise).

        The images' own power would give the low frequencies, where the signal is stronger than the noise, too small a
        weight: measured on ribosome, 1.18 degrees with it and 1.09 with this (1.01 with the true map).
        """
        shell = plane.radius.round().long()

        def left(members: Tensor) -> Tensor:
            shift = state.shift_angstrom[members]
            measured, ctf = self._measured(members, shift, plane)
            return measured - form_image(grid.slices(state.rotation[members], plane), ctf, shift, plane)

        power = ring_power_of_some(some, shell, left, self.processes)
        particles = power[bounded_influence(power @ torch.bincount(shell).float()) == 1]
        return (particles.sum(dim=0) / max(1, len(particles)))[shell].clamp_min(1e-6)

    def _measured(
        self, members: Int[Tensor, " m"], shift_angstrom: Float[Tensor, "m 2"], plane: HalfPlane
    ) -> tuple[Complex[Tensor, "m points"], Float[Tensor, "m points"]]:
        """FT(M_R * X) / box and CTF / box: a slice of a volume times the latter predicts the former."""
        image = self.read_images(members.cpu().numpy()).to(plane.index_xy.device)
        measured = plane.gather(fourier_2d(image * self._image_mask(shift_angstrom))) / plane.box_size
        return measured, contrast_transfer(self.ctf_parameters[members], plane.frequency_per_angstrom) / plane.box_size

    def _image_mask(self, shift_angstrom: Float[Tensor, "n 2"]) -> Float[Tensor, "n y x"]:
        centre = -shift_angstrom if self.config.image.mask_follows_shift else torch.zeros_like(shift_angstrom)
        centre_pixel = centre / self.plane.pixel_size_angstrom
        return circular_mask(self.plane.box_size, *self._mask_pixel, centre_pixel, shift_angstrom.device)

    def _search(self, state: HalfMapPoses, members: Tensor, reference: Reference) -> Int[Tensor, " origins"]:
        """Pose these particles; returns where their poses came from: a first one counts as the orientation set's."""
        if not len(members):  # the last blocks of a half may be other processes' alone
            return count_of_origins(members)
        shift, was_posed = state.shift_angstrom[members], state.posed[members]
        image, ctf = self._measured(members, shift, reference.plane)
        found = reference.matched(image, ctf, state.rotation[members], shift)
        state.rotation[members], state.shift_angstrom[members] = found.rotation, found.shift_angstrom
        state.posed[members] = True
        origin = torch.where(was_posed, found.origin, WINNER_ORIGINS.index("orientation set"))
        return count_of_origins(origin)


def edge_moved_cycles(record: EpochRecord) -> float:
    """How far an iteration turned the median particle's edge, in periods of the highest frequency that counts.

    Infinite where it is not known.
    """
    turned = record.pose_change_median_degree
    if turned is None:
        return math.inf
    return math.radians(turned) * record.particle_radius_angstrom / record.resolution_angstrom


def searches_due(replaced_shares: list[float], settings: HalfMapRefinementSettings) -> int:
    """How many of the first iterations look for all poses anew, as far as is known.

    replaced_shares: of the iterations made, the share of the poses that the orientation set gave.
    """
    again = (share > settings.search_again_share for share in replaced_shares)
    return min(1 + sum(itertools.takewhile(bool, again)), settings.most_searches)
