"""What `cryofifa states` has found, as it is returned, written to states.json and read again."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

from cryofifa.errors import InputError
from cryofifa.run.folder import read_json, write_json
from cryofifa.run.state_files import StateFiles


@dataclass(frozen=True)
class FoundState:
    """One state.

    Attributes:
        particles: how many belong to it.
        mean_probability: of these particles, that they do.
        resolution_fsc0143_angstrom, resolution_fsc05_angstrom: of its map's corrected half-map FSC; None where none is
            given, and for a single state, whose map is the run's.
    """

    particles: int
    mean_probability: float
    resolution_fsc0143_angstrom: float | None = None
    resolution_fsc05_angstrom: float | None = None


@dataclass(frozen=True)
class FoundDifference:
    """Where the map of one state differs from that of another by more than noise.

    Attributes:
        first, second: the states, counted from 1: the first one's map less the second one's.
        threshold_sd: standard deviations of the noise that a difference has to reach.
        gained_cubic_angstrom, lost_cubic_angstrom: volumes in which the first has more, and less.
    """

    first: int
    second: int
    threshold_sd: float
    gained_cubic_angstrom: float
    lost_cubic_angstrom: float


@dataclass(frozen=True)
class FoundPlace:
    """A place along a component.

    Attributes:
        particles: how many its map is made of.
        coordinate: their mean coordinate, in standard deviations of all particles.
    """

    particles: int
    coordinate: float


@dataclass(frozen=True)
class FoundStates:
    """The result that `states` returns; everything else lies in its files.

    Attributes:
        files: where they lie.
        particles, junk: how many there are, and how many are junk or without a pose, which belong to no state.
        components: how many were looked for.
        real_components: how many of them are real.
        gain_over_error: of every component, how much likelier it makes images that were left out, in standard
            errors.
        power: of every component, over that of the mean volume.
        resolution_angstrom: down to which particles were told apart.
        criterion: Bayesian information criterion of 1, 2, ... parts of the mixture, as far as they were tried.
        is_motion: whether all particles are one state that moves, or changes gradually.
        some_hang_together: whether some states are not clearly apart.
        states: the states, the largest first.
        differences: of every pair of them.
        along: for every real component, its places.
        seconds: time that all took.
    """

    files: StateFiles
    particles: int
    junk: int
    components: int
    real_components: int
    gain_over_error: tuple[float, ...]
    power: tuple[float, ...]
    resolution_angstrom: float
    criterion: tuple[float, ...]
    is_motion: bool
    some_hang_together: bool
    states: tuple[FoundState, ...]
    differences: tuple[FoundDifference, ...]
    along: tuple[tuple[FoundPlace, ...], ...]
    seconds: float

    @property
    def conclusion(self) -> str:
        """What was found, in one sentence."""
        if self.real_components == 0:
            return f"one state: none of {self.components} components explains images that were left out of its fit"
        components = f"{self.real_components} of {self.components} components are real"
        if len(self.states) > 1:
            more = ", some of them not clearly apart" if self.some_hang_together else ""
            return f"{len(self.states)} states{more}: {components}"
        kind = "a motion or a gradual change" if self.is_motion else "variability about one state"
        return f"no separate states, but {kind}: {components}"

    def as_text(self) -> str:
        """A few lines for the terminal."""
        lines = [f"found   {self.conclusion}"]
        if len(self.states) > 1:
            in_all = sum(state.particles for state in self.states)
            for number, state in enumerate(self.states, 1):
                resolution = state.resolution_fsc0143_angstrom
                reached = "" if resolution is None else f", half maps agree to {resolution:.1f} A"
                lines.append(
                    f"state {number} {state.particles} particles ({state.particles / max(1, in_all):.1%}){reached}: "
                    f"{self.files.state(number).combined}"
                )
        lines.append(f"apart   {self.junk} particles that the run takes for junk")
        lines += [f"poses   {self.files.particles}", f"report  {self.files.report}"]
        return "\n".join(lines)


def write_found(found: FoundStates, made_from: dict[str, Any]) -> None:
    """Write states.json.

    Args:
        found: the result.
        made_from: what tells this analysis from another one: the run and the options.
    """
    values = {name: value for name, value in asdict(found).items() if name != "files"}
    write_json(found.files.summary, {**values, "conclusion": found.conclusion, "made_from": made_from})


def read_found(files: StateFiles, made_from: dict[str, Any]) -> FoundStates | None:
    """The result of an earlier analysis of the same run with the same options; None if there is none.

    A file that cannot be read counts as none: the analysis is made anew.
    """
    if not files.summary.is_file():
        return None
    try:
        values = read_json(files.summary)
        if not isinstance(values, dict) or values.pop("made_from") != made_from:
            return None
        del values["conclusion"]
        values["states"] = tuple(FoundState(**one) for one in values["states"])
        values["differences"] = tuple(FoundDifference(**one) for one in values["differences"])
        values["along"] = tuple(tuple(FoundPlace(**place) for place in one) for one in values["along"])
        for name in ("gain_over_error", "power", "criterion"):
            values[name] = tuple(float(value) for value in values[name])
        return FoundStates(files=files, **values)
    except (InputError, KeyError, TypeError, ValueError):
        return None
