"""Find the symmetry of a map: which point groups fit it, where their axes lie, and which one is named."""

from __future__ import annotations

import json
import math
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import torch
from torch import Tensor

from cryofifa.conventions import relion_euler_degrees_from_rotations
from cryofifa.errors import InputError
from cryofifa.mrc_map import read_map, write_map
from cryofifa.physics.point_groups import symmetry_members
from cryofifa.physics.symmetry_average import mean_of_turned
from cryofifa.results.symmetry.group_fit import GroupFit, SymmetryFits, fit_symmetries
from cryofifa.run.folder import map_to_write

GROUPS = (*(f"C{n}" for n in range(2, 9)), *(f"D{n}" for n in range(2, 8)), "T", "O", "I")
_SMALLEST_BOX = 16
# Measured: of asymmetric maps (gpcr, ribosome, pseudo-protein, blobs) none reached 0.8 of what the noise allows, and of
# symmetric ones (apoferritin, TRPV1, blobs with as much noise as signal) none fell under 0.93.
_LEAST_AGREEMENT = 0.9
_SHARE_OF_BEST = 0.75  # a group's worst member must fit at least this well, relative to the best member of any group
_MOST_RANDOM = 0.5  # a turn that fits this well about any axis is too small to tell anything
_ROUND_SHARE = 0.8  # of a map's signal; with a larger spherical part the map is a ball or shell


@dataclass(frozen=True)
class GroupReport:
    """How well one group fits, and where: fields not named here are as in `results.symmetry.group_fit.GroupFit`.

    members: number of rotations in the group.
    fits: every member fits about as well as the best one of any group, and as well as the map's noise allows.
    map_to_group_angles_degree: RELION's rot, tilt, psi: a projection of the map at these angles looks down the group's
        z axis, with its x axis along the image's.
    centre_angstrom: (x, y, z) of the point where the axes meet, from the map's N//2; for Cn any point of the axis.
    """

    members: int
    fits: bool
    correlation: float
    random_correlation: float
    worst_member: float
    agreement: float
    resolution_fsc05_angstrom: float | None
    map_to_group_angles_degree: tuple[float, float, float]
    centre_angstrom: tuple[float, float, float]


@dataclass(frozen=True)
class SymmetryReport:
    """What was found about a map's symmetry.

    symmetry: the largest group that fits, C1 if none does, None if it cannot be told.
    reason: why, in words.
    groups: how well each group fits, by its name.
    written: which group's symmetrised map was written, and where; None if none was asked for.
    """

    symmetry: str | None
    reason: str
    groups: dict[str, GroupReport]
    written: str | None = None

    def as_text(self) -> str:
        """A table of the groups and the conclusion, for the terminal."""
        lines = ["group  correlation  at random  of possible  FSC 0.5     rot    tilt     psi"]
        for name, group in self.groups.items():
            resolution = group.resolution_fsc05_angstrom
            lines.append(
                f"{name:<5}{group.correlation:>13.3f}{group.random_correlation:>11.3f}{group.agreement:>13.2f}"
                f"{'never' if resolution is None else f'{resolution:.1f} A':>9}"
                + "".join(f"{angle:>8.1f}" for angle in group.map_to_group_angles_degree)
                + ("  fits" if group.fits else "")
            )
        lines.append(f"{self.symmetry or 'cannot be told'}: {self.reason}")
        if self.written is not None:
            lines.append(self.written)
        return "\n".join(lines)

    def as_json(self) -> str:
        """All numbers of the report as a JSON text, for other programs."""
        return json.dumps(asdict(self), indent=2)


def find_symmetry(
    map_path: Path | str, groups: Sequence[str] | None = None, output: Path | str | None = None
) -> SymmetryReport:
    """Fit point groups to a map; the particle may lie off the centre, and its axes in any direction.

    groups: names as in RELION; by default C2 to C8, D2 to D7, T, O and I.
    output: where to write the map turned into the frame of the group that is named (or of the only one asked for),
        its centre at N//2, and symmetrised.

    Raises:
        InputError: if the map cannot be read, is constant or too small, a group is unknown, or there is nothing to
            write because no group fits.
    """
    members = {
        name.strip().upper(): symmetry_members(name, torch.device("cpu"))
        for name in (GROUPS if groups is None else groups)
    }
    members.pop("C1", None)
    if not members:
        raise InputError("C1 fits every map; give other groups")
    target = None if output is None else map_to_write(Path(output), Path(map_path))
    volume, pixel_size = read_map(Path(map_path))
    if volume.shape[-1] < _SMALLEST_BOX:
        raise InputError(f"{map_path}: {volume.shape[-1]} voxels across are too few; give at least {_SMALLEST_BOX}")
    if not float(volume.std()) > 0:
        raise InputError(f"{map_path}: the map is constant; it has no axes to find")
    fits = fit_symmetries(volume, pixel_size, members)
    best = max(fit.best_member for fit in fits.groups.values())
    reports = {name: _report(fit, len(members[name]), best, pixel_size) for name, fit in fits.groups.items()}
    symmetry, reason = _verdict(fits, reports, members)
    written = None
    if target is not None:
        name = next(iter(members)) if len(members) == 1 else symmetry
        if name is None or name == "C1":
            raise InputError(f"{map_path}: no group to symmetrise by ({reason}); give one as --groups")
        frame = fits.groups[name].frame
        symmetrised = mean_of_turned(volume, frame.rotation_group_to_map @ members[name], frame.centre_voxel)
        write_map(target, symmetrised, pixel_size)
        written = f"{name} imposed{'' if reports[name].fits else ', which does not fit'}: {target}"
    return SymmetryReport(symmetry, reason, reports, written)


def _report(fit: GroupFit, members: int, best_member: float, pixel_size_angstrom: float) -> GroupReport:
    map_to_group = fit.frame.rotation_group_to_map.mT.double().numpy()
    rot, tilt, psi = relion_euler_degrees_from_rotations(map_to_group[None])[0].tolist()
    x, y, z = (fit.frame.centre_voxel * pixel_size_angstrom).tolist()
    return GroupReport(
        members=members,
        fits=fit.agreement >= _LEAST_AGREEMENT
        and fit.worst_member >= _SHARE_OF_BEST * best_member
        and fit.random_correlation < _MOST_RANDOM,
        correlation=fit.correlation,
        random_correlation=fit.random_correlation,
        worst_member=fit.worst_member,
        agreement=fit.agreement,
        resolution_fsc05_angstrom=fit.resolution_fsc05_angstrom,
        map_to_group_angles_degree=(rot, tilt, psi),
        centre_angstrom=(x, y, z),
    )


def _verdict(fits: SymmetryFits, reports: dict[str, GroupReport], members: dict[str, Tensor]) -> tuple[str | None, str]:
    """The largest group that fits (None if that cannot be told), and why."""
    fitting = [name for name, report in reports.items() if report.fits]
    if not fits.has_signal:
        return None, "the map has too little signal beyond its spherical average"
    if not fitting:
        if fits.round_share > _ROUND_SHARE:
            return None, "the map is almost a ball or shell: every turn fits, and what is left fits none"
        best = max(reports, key=lambda name: reports[name].agreement)
        return "C1", (
            f"no group fits; the nearest, {best}, reaches {reports[best].agreement:.2f} of what the map's noise allows"
        )
    largest = max(fitting, key=lambda name: (reports[name].members, reports[name].correlation))
    if any(_angles_degree(members[name]) - _angles_degree(members[largest]) for name in fitting):
        return None, f"{', '.join(fitting)} fit alike, and no group tried holds them all"
    report = reports[largest]
    resolution = report.resolution_fsc05_angstrom
    return largest, (
        f"all members fit (correlation {report.correlation:.2f}, about random axes {report.random_correlation:.2f})"
        + ("" if resolution is None else f", to {resolution:.1f} A")
    )


def _angles_degree(members: Tensor) -> set[int]:
    """The angles, in whole degrees, by which the members of a group turn."""
    half_trace = (members.diagonal(dim1=1, dim2=2).sum(-1) - 1) / 2
    return {round(math.degrees(math.acos(max(-1, min(1, value))))) for value in half_trace.tolist()}
