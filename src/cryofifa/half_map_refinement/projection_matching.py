"""Half-map refinement: projection matching of all particles, each half against its own back-projected half map.

The neural decoder learns slowly and smoothly, which is what finds the poses. Once they have settled, back-projection
gives a sharper volume at less cost (measured). Each half of the particles is matched to its own half's map only. The
halves shared one network down to the resolution where ab initio ended, so their FSC says something beyond it only.

Each iteration: back-project -> half maps' FSC -> how far in frequency to trust -> map filter -> match each particle to
its half's map (`reference.py`). The first iteration looks for all poses anew, which poses particles that ab initio has
not seen and frees those that were stuck; later ones improve poses. Where many poses were replaced, ab initio was not at
its end, and the search is repeated: the next map and other orientations find more.
"""

from __future__ import annotations

import itertools
import math
import time
from collections.abc import Callable
from dataclasses import replace

import torch
from jaxtyping import Float, Int
from torch import Tensor

from cryofifa.half_map_refinement.half_maps import Halves, evenly_some, in_blocks
from cryofifa.half_map_refinement.null_images import null_images
from cryofifa.half_map_refinement.particle_frame import ParticleFrame
from cryofifa.half_map_refinement.particle_score import ring_score
from cryofifa.half_map_refinement.reference import Reference
from cryofifa.half_map_refinement.score_split import JunkSplit, split_scores
from cryofifa.names import HALF_MAP_REFINEMENT
from cryofifa.particles.poses import Poses, known
from cryofifa.physics.central_slice import FourierGrid
from cryofifa.physics.image_formation import form_image
from cryofifa.physics.snapshot import Snapshot
from cryofifa.settings.config import Config
from cryofifa.settings.refinements import HalfMapRefinementSettings
from cryofifa.system.processes import ALONE
from cryofifa.train.epoch_record import WINNER_ORIGINS, EpochRecord, count_of_origins
from cryofifa.train.map_filter_choice import map_filter_of
from cryofifa.train.orientation_set import OrientationSet
from cryofifa.train.particle_pass import ParticlePass
from cryofifa.train.pose_change import median_pose_change
from cryofifa.train.random_draws import RandomDraws

NULLS_OF_A_HALF = 100  # images without a particle that are searched for the null of the score; our choice
MATCHES = 3  # how often every particle is matched to a finished map; our choice


class ProjectionMatching:
    """Matches the particles of one frame to maps, and writes what it finds into tables of poses.

    Args:
        config: settings of the run.
        frame: the particles.
        shift_range_angstrom: the largest shift that a particle may be given.
        classes: how many structures there are; a particle stays in its class and is matched to that class's maps.

    Attributes:
        so_far: the iteration that is under way; None between iterations.
        least_score: particles with a lower score are matched, but are no part of the maps; None where all are.
        snapshots: the maps that the last iteration matched to, one per class, small, for a viewer.
    """

    def __init__(self, config: Config, frame: ParticleFrame, shift_range_angstrom: float, classes: int = 1) -> None:
        self.config, self.frame, self.classes = config, frame, classes
        self.shift_range_angstrom = shift_range_angstrom
        self.map_filter = map_filter_of(config)
        self.so_far: ParticlePass | None = None
        self.least_score: float | None = None
        self.snapshots: list[Snapshot] = []

    def iterate(
        self, poses: Poses, iteration: int, *, search: bool, on_block: Callable[[int], None] | None = None
    ) -> EpochRecord:
        """Make one iteration, or what is left of one: change `poses` and return the iteration's record.

        Args:
            poses: poses and half sets of all particles.
            iteration: number of the iteration, from 0.
            search: look for every pose anew, in an orientation set and from where it is; else only improve it.
            on_block: called after every block with the number of its particles; a checkpoint of `poses` and `so_far`
                may be written there.
        """
        started, frame = time.monotonic(), self.frame
        origins = torch.zeros(len(WINNER_ORIGINS), device=poses.rotation.device)
        so_far = self.so_far = self.so_far or ParticlePass(poses.copy(), origins)
        before, earlier, limit = so_far.before, 0, 0.0
        pixel_size = frame.plane.pixel_size_angstrom
        self.snapshots = []
        for index in range(self.classes):
            maps = self.half_maps(before, index)
            trusted = self._trusted_radius(maps.fsc)
            limit = max(limit, trusted)
            self.snapshots.append(Snapshot.of_map((maps.half_1 + maps.half_2) / 2, pixel_size))
            references = self.map_filter.references(maps.half_1, maps.half_2, frame.sphere, pixel_size)
            for which, volume in enumerate(references, start=1):
                mine = (known(before.half) == which) & before.in_class(index)
                order = frame.processes.balanced(mine.nonzero()[:, 0])
                if so_far.particles < earlier + len(order):
                    posed = (mine & before.posed).nonzero()[:, 0]
                    reference = self._reference(volume, trusted, before, posed, iteration, search=search)

                    def match(_: int, members: Tensor, reference: Reference = reference) -> Float[Tensor, " origins"]:
                        return self._match(poses, frame.processes.shard(members, members), reference).float()

                    so_far.over(in_blocks(order, frame.at_once * frame.processes.count), match, on_block, earlier)
                earlier += len(order)
        self.so_far = None
        poses.all_gather(frame.processes)
        origins = frame.processes.all_reduce(so_far.sums)
        turned, moved = median_pose_change(before, poses, frame.symmetry)
        return EpochRecord(
            epoch=iteration,
            particles=len(poses),
            mask_radius_pixel=limit,
            resolution_angstrom=frame.plane.extent_angstrom / limit,
            loss=float("nan"),  # a distance here is not in the unit of the network's loss
            encoder_loss=float("nan"),
            pose_change_median_degree=turned,
            shift_change_median_angstrom=moved,
            winner_shares=dict(zip(WINNER_ORIGINS, (origins / origins.sum()).tolist(), strict=True)),
            particle_radius_angstrom=self.frame.size.radius_angstrom,
            seconds=time.monotonic() - started,
            phase=HALF_MAP_REFINEMENT,
        )

    def match_to(
        self,
        poses: Poses,
        volume: Float[Tensor, "z y x"],
        resolution_angstrom: float,
        on_block: Callable[[int], None] | None = None,
        other: Float[Tensor, "z y x"] | None = None,
    ) -> None:
        """Match every particle to one finished map that it was not made from: two searches, then an improvement.

        Poses and scores in `poses` are changed. The searches are for particles whose pose the encoder has wrong.
        Measured: of held-out particles of ribosome, whose encoder was 20 degrees off, 57 % are within 10 degrees
        without a search; of 32 px particles at SNR 0.5, 96.2 % are after one search and 98.5 % after two.

        Args:
            poses: poses of all particles, as the encoder gives them.
            volume: the map, in the frame's box.
            resolution_angstrom: down to which the map is trusted.
            on_block: called after every block with the number of its particles.
            other: the map to score against; `volume` by default.
        """
        plane = self.frame.plane
        limit = min(plane.extent_angstrom / resolution_angstrom, plane.box_size / 2)
        everyone = torch.arange(len(poses), device=poses.rotation.device)
        for iteration in range(MATCHES):
            search = iteration < MATCHES - 1
            reference = self._reference(volume, limit, poses, everyone, iteration, search=search)
            for members in in_blocks(everyone, self.frame.at_once):
                self._match(poses, members, reference)
                if on_block is not None:
                    on_block(len(members))
        noise = self.frame.image_power(poses, plane.within(limit))
        self._score(poses, everyone, volume if other is None else other, limit, noise)

    def score(self, poses: Poses) -> list[Halves]:
        """Score every particle against the other half's map, which has none of the particle's noise in it.

        The scores in `poses` are changed (see `particle_score.py`); all processes must call it at the same time.

        Returns:
            The half maps of every class.
        """
        every = [self.half_maps(poses, index) for index in range(self.classes)]
        for index, maps in enumerate(every):
            limit = self._trusted_radius(maps.fsc)
            noise = self.frame.image_power(poses, self.frame.plane.within(limit))
            for which, other in ((1, maps.half_2), (2, maps.half_1)):
                members = ((known(poses.half) == which) & poses.in_class(index)).nonzero()[:, 0]
                self._score(poses, self.frame.processes.shard(members, members), other, limit, noise)
        poses.all_gather(self.frame.processes)
        return every

    def split(self, poses: Poses) -> JunkSplit:
        """Score every particle, and split them by what the same search scores where there is no particle.

        The scores in `poses` are changed. From then on the maps are made of the kept particles only: junk, and
        particles that are too noisy to be posed, take the others' rare views away. Measured on hard/user (LOG.md):
        60 % of the particles within 10 degrees, and 61, 61, 62 % after further searches; 63, 65, 66 % with this.
        """
        maps, *_ = self.score(poses)
        null = self._null_scores(poses, maps).cpu().double().numpy()
        split = split_scores(known(poses.score).cpu().double().numpy(), null)
        self.least_score = split.threshold
        return split

    def _null_scores(self, poses: Poses, maps: Halves) -> Float[Tensor, " nulls"]:
        """Scores that the same search finds where there is no particle (`null_images.py`), of both halves together.

        Every null image is searched in its half's map and scored against the other one, as particles are; all processes
        must call it at the same time.
        """
        frame, processes, draws = self.frame, self.frame.processes, RandomDraws(self.config.seed, "null phases")
        resolution = frame.plane.extent_angstrom / self._trusted_radius(maps.fsc)
        found = [torch.zeros(0, 1, device=poses.rotation.device)]
        everyone = [torch.zeros(0, dtype=torch.long, device=poses.rotation.device)]
        for which, own, other in ((1, maps.half_1, maps.half_2), (2, maps.half_2, maps.half_1)):
            some = evenly_some((known(poses.half) == which).nonzero()[:, 0], NULLS_OF_A_HALF)
            mine = processes.shard(some, some)
            nulls = replace(
                frame,
                read_images=null_images(frame.read_images, mine.cpu().numpy(), draws),
                ctf_parameters=frame.ctf_parameters[mine],
                processes=ALONE,
            )
            null_poses = Poses.unknown(torch.full_like(mine, which))
            if len(mine):
                matching = ProjectionMatching(self.config, nulls, self.shift_range_angstrom)
                matching.match_to(null_poses, own, resolution, other=other)
            found.append(known(null_poses.score)[:, None])
            everyone.append(some)
        return processes.all_gather(torch.cat(found), torch.cat(everyone))[:, 0]

    def half_maps(self, poses: Poses, class_index: int = 0) -> Halves:
        """The half maps of a class, from its particles of each half that have a pose and no low score."""
        if self.least_score is not None:
            poses = poses.copy()
            poses.posed &= ~(known(poses.score) < self.least_score)
        return self.frame.half_maps(poses, class_index)

    def _score(
        self,
        poses: Poses,
        particles: Int[Tensor, " m"],
        volume: Float[Tensor, "z y x"],
        limit: float,
        noise: Float[Tensor, " rings"],
    ) -> None:
        """Score these particles against a map up to the Fourier radius `limit`, where rings have this noise power."""
        frame, plane, score = self.frame, self.frame.plane.within(limit), known(poses.score)
        grid = FourierGrid.from_volume(volume * frame.sphere, limit)
        for members in in_blocks(particles, frame.at_once):
            shift = poses.shift_angstrom[members]
            measured, ctf = frame.observed(members, shift, plane)
            predicted = form_image(grid.slices(poses.rotation[members], plane), ctf, shift, plane)
            score[members] = ring_score(measured, predicted, noise, plane.ring)

    def _reference(
        self,
        volume: Float[Tensor, "z y x"],
        limit: float,
        poses: Poses,
        posed: Int[Tensor, " m"],
        iteration: int,
        *,
        search: bool,
    ) -> Reference:
        """A map up to the Fourier radius `limit`, ready for matching; noise is estimated from the `posed` particles."""
        frame, plane = self.frame, self.frame.plane.within(limit)
        grid, radius = FourierGrid.from_volume(volume * frame.sphere, limit), self.frame.size.radius_angstrom
        draws = RandomDraws(self.config.seed, "polish bank", iteration)
        return Reference(
            grid=grid,
            plane=plane,
            weight=1 / frame.noise_power(poses, posed, grid, plane),
            orientation_set=OrientationSet.drawn(draws, 0, grid, plane, self.config.search_within_symmetry, radius)
            if search
            else None,
            settings=self.config.half_map_refinement,
            symmetry=frame.symmetry,
            particle_radius_angstrom=radius,
            shift_range_angstrom=self.shift_range_angstrom,
        )

    def _trusted_radius(self, fsc: Float[Tensor, " shells"]) -> float:
        """Last shell before the halves' FSC falls under the limit, and at least two cycles per particle radius."""
        fallen = (fsc[1:] < self.config.half_map_refinement.fsc_limit).nonzero()
        shell = int(fallen[0]) if len(fallen) else len(fsc) - 1
        least = 2 * self.frame.plane.extent_angstrom / self.frame.size.radius_angstrom
        return float(min(max(shell, least), self.frame.plane.box_size // 2))

    def _match(self, poses: Poses, members: Tensor, reference: Reference) -> Int[Tensor, " origins"]:
        """Match these particles; returns winners by origin, of which a first pose counts as the orientation set's."""
        if not len(members):  # the last block of a half may hold particles of other processes only
            return count_of_origins(members)
        before = poses.select(members)
        image, ctf = self.frame.observed(members, before.shift_angstrom, reference.plane)
        found = reference.matched(image, ctf, before)
        poses.put(members, found)
        return count_of_origins(torch.where(before.posed, known(found.origin), WINNER_ORIGINS.index("orientation set")))


def edge_moved_cycles(record: EpochRecord) -> float:
    """How far an iteration turned the median particle's edge, in periods of the highest frequency that counts.

    It is infinite where the turn is not known.
    """
    turned = record.pose_change_median_degree
    if turned is None:
        return math.inf
    return math.radians(turned) * record.particle_radius_angstrom / record.resolution_angstrom


def searches_due(replaced_shares: list[float], settings: HalfMapRefinementSettings) -> int:
    """How many of the first iterations look for all poses anew, as far as is known from the iterations made.

    Args:
        replaced_shares: of each iteration made, the share of the poses that came from the orientation set.
        settings: above which share another search follows, and how many there are at most.
    """
    again = (share > settings.search_again_share for share in replaced_shares)
    return min(1 + sum(itertools.takewhile(bool, again)), settings.most_searches)
