"""How well point groups fit a map, compared with turns about random axes and with what the map's noise allows."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import roma
import torch
from jaxtyping import Float
from torch import Tensor

from cryofifa.physics.shell_correlation import first_crossing_angstrom
from cryofifa.results.symmetry.centred_particle import centred_particle
from cryofifa.results.symmetry.group_search import SearchedGroup, best_axes, best_frame, turn_about
from cryofifa.results.symmetry.self_rotation import Frame, SelfRotation, spread_directions, weighted

_COARSE_SHELL = 10  # up to this shell, neighbouring axes and turns of the search fit almost equally well
_COARSE_DIRECTIONS, _FINE_DIRECTIONS = 128, 384  # at which a shell is sampled
_RANDOM_AXES = 100
_LEAST_FSC = 0.1  # a shell begins to count where the best group has this FSC
_LEAST_EXPECTED = 0.2  # share of signal in a shell's power; shells with less are not used to judge
_LEAST_SIGNAL = 80.0  # about the sum of shell^2 up to shell 6, which is a few hundred independent numbers


@dataclass(frozen=True)
class GroupFit:
    """How well one point group fits a map, in the frame where it fits best.

    correlation: FSC of the map (less its spherical mean) with its turned copies, weighted over shells, mean over the
        members but the identity.
    random_correlation: the same for turns by the same angles about random axes.
    worst_member, best_member: lowest and highest (correlation - random) / (1 - random) of any member.
    agreement: FSC over what the map's noise lets a true symmetry reach, over the low shells, as many as make it
        highest; 0 if no shells have signal.
    resolution_fsc05_angstrom: where the FSC of the map and the mean of its turned copies falls under 0.5; None if it
        never reaches 0.5.
    frame: where the group's axes lie, in the map's voxels.
    """

    correlation: float
    random_correlation: float
    worst_member: float
    best_member: float
    agreement: float
    resolution_fsc05_angstrom: float | None
    frame: Frame


@dataclass(frozen=True)
class SymmetryFits:
    """The fits of all groups by name.

    has_signal: whether enough shells stand out of the noise to judge.
    round_share: of the signal beyond the two coarsest shells, the share that is a spherical mean.
    """

    groups: dict[str, GroupFit]
    has_signal: bool
    round_share: float


def fit_symmetries(
    volume: Float[Tensor, "z y x"], pixel_size_angstrom: float, groups: Mapping[str, Float[Tensor, "members 3 3"]]
) -> SymmetryFits:
    """Fit point groups to a map, sampled with at most 64 voxels across the particle.

    groups: members of every group by name; at least one group, none of them C1.
    """
    particle = centred_particle(volume)
    centre, size = particle.centre_voxel, particle.volume.shape[-1]
    last = size // 2 - 1
    coarse = SelfRotation(particle.volume, min(_COARSE_SHELL, last), _COARSE_DIRECTIONS)
    fine = SelfRotation(particle.volume, last, _FINE_DIRECTIONS)
    shell = torch.arange(1, last + 1).float()
    # Weights rise more slowly than the number of points: outer shells do not tolerate how coarse the tried axes are.
    coarse_weight = shell[:_COARSE_SHELL]

    searched = {name: SearchedGroup.of(members) for name, members in groups.items()}
    axes = {order: best_axes(coarse, order, centre, coarse_weight) for order in {g.order for g in searched.values()}}
    found = {
        name: best_frame(coarse, group, axes[group.order], centre, coarse_weight) for name, group in searched.items()
    }
    best = max(found, key=lambda name: found[name][1])

    weight = shell.square() * (shell <= _COARSE_SHELL)
    frame, turns = found[best][0], searched[best].turns
    for _ in range(2):  # the second time with the shells that fit after the first
        frame = fine.refined(frame, turns, weight)
        curve = fine.curves(frame.turned(turns), frame.centre_voxel).mean(0)
        weight = shell.square() * (curve - _LEAST_FSC).clamp_min(1e-6)

    round_power, rest_power = fine.power(centre)
    signal = (1 - particle.noise_power[1 : last + 1] / rest_power.clamp_min(1e-30)).clamp_min(0)
    judging = shell.square() * (signal > _LEAST_EXPECTED)
    expected = (judging * signal).cumsum(0)
    enough = expected > _LEAST_SIGNAL
    box_angstrom = size * particle.voxel_ratio * pixel_size_angstrom
    random: dict[float, float] = {}  # correlation of turns about random axes, by their angle
    measured = {}
    for name, group in searched.items():
        frame = fine.refined(found[name][0], group.turns, weight)
        curves = fine.curves(frame.turned(group.turns), frame.centre_voxel)
        angles = [round(float(angle), 3) for angle in roma.rotmat_to_rotvec(group.turns).norm(dim=-1)]
        for angle in {*angles} - {*random}:
            turns = turn_about(spread_directions(_RANDOM_AXES), angle)
            random[angle] = float(weighted(fine.curves(turns, centre), weight).median())
        null, score = torch.tensor([random[angle] for angle in angles]), weighted(curves, weight)
        excess = (score - null) / (1 - null)
        agreement = (judging * curves.mean(0)).cumsum(0)[enough] / expected[enough]
        of_mean = fine.curve_of_mean(frame.turned(group.members[1:]), frame.centre_voxel)
        measured[name] = GroupFit(
            correlation=float(score.mean()),
            random_correlation=float(null.mean()),
            worst_member=float(excess.min()),
            best_member=float(excess.max()),
            agreement=float(agreement.max()) if len(agreement) else 0.0,
            resolution_fsc05_angstrom=_resolution(of_mean, box_angstrom),
            frame=Frame(frame.rotation_group_to_map, particle.in_map_voxel(frame.centre_voxel)),
        )
    # The two coarsest shells of any compact particle are round.
    beyond = (shell > 2) * shell.square()
    round_signal, rest_signal = (beyond * round_power).sum(), (beyond * signal * rest_power).sum()
    return SymmetryFits(
        measured, bool(enough.any()), float(round_signal / (round_signal + rest_signal).clamp_min(1e-30))
    )


def _resolution(curve: Float[Tensor, " shells"], box_angstrom: float) -> float | None:
    """The resolution in angstrom where the curve over shells 1 .. last falls under 0.5 once it has been above.

    The first shells may lie below: there is little in them but the spherical mean, which was taken out.
    """
    above = (curve >= 0.5).nonzero()
    if not len(above):
        return None
    start = int(above[0])
    # shells before the first one above are set to 1, so that the first crossing is the one after it
    filled = torch.cat([torch.ones(start + 1), curve[start:]])
    return first_crossing_angstrom(filled, 0.5, box_angstrom)
