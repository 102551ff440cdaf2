"""All settings in one frozen tree; every default says where it comes from.

A settings file is TOML with one table per class, named as its field in `Config`:

    [search]
    orientations = 3000

    [decoder.voxels]
    learning_rate = 0.3

Where a default comes from: "the paper" is CryoFIFA's, "Extended Data Table 2" is its table of recipes, "prototype" is
the program that came before this one, cryoAI and RELION are programs of others. A measurement of ours names the set as
README.md does; degrees are how far poses are off in the median.
"""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated, Any, Literal, get_args

from cryofifa.errors import InputError
from cryofifa.physics.point_group_names import member_count
from cryofifa.settings.ab_initio import AmortizedSettings, CurriculumSettings, SearchSettings
from cryofifa.settings.decoders import DecoderKind, DecoderSettings
from cryofifa.settings.encoder import EncoderSettings
from cryofifa.settings.images import ImageSettings
from cryofifa.settings.old_names import with_present_names
from cryofifa.settings.ranges import LARGEST_INTEGER, POSITIVE, Range, out_of_range
from cryofifa.settings.reading import overlaid, read_toml
from cryofifa.settings.refinements import EncoderRefinementSettings, HalfMapRefinementSettings, JunkSettings
from cryofifa.settings.toml_text import as_toml

PoseMode = Literal["guided", "amortized"]
DeviceName = Literal["auto", "cpu", "cuda"]
DEVICES: tuple[DeviceName, ...] = get_args(DeviceName)


@dataclass(frozen=True)
class Config:
    """One run. Values that are None are chosen from the data."""

    seed: Annotated[int, Range(0, LARGEST_INTEGER)] = 0
    pose_mode: PoseMode = "guided"
    device: DeviceName = "auto"
    box: Annotated[int | None, Range(0, 1e9)] = None  # of ab initio, in pixels
    diameter_angstrom: Annotated[float | None, POSITIVE] = None  # of the particle
    start_resolution_angstrom: Annotated[float | None, POSITIVE] = None  # first Fourier mask of ab initio
    end_resolution_angstrom: Annotated[float | None, POSITIVE] = None  # its last one
    invert: bool = False  # multiply the images by -1, for particles that are dark
    symmetry: str = "C1"  # point group in RELION's frame, imposed from the start
    mask_file: str | None = None  # where the half maps are compared; made from the map by default
    # Seconds between two checkpoints within an epoch, beside one at the end of each; 0: at the ends only. Our choice:
    # what is lost is short beside a night, and a checkpoint is written in well under a second.
    checkpoint_seconds: Annotated[float, Range(0, 1e9)] = 300.0
    # Memory of one process, of the machine's and of a GPU's each: images beyond it are not kept there. None is most of
    # what is free.
    memory_gib: Annotated[float | None, Range(1e-3, 1e9)] = None
    # Where images that have no room in memory lie as scratch files; without it they are read from the stacks each time.
    cache_folder: str | None = None
    cache_gib: Annotated[float, Range(0, 1e9)] = 100.0  # what was used longest ago goes beyond it; our choice
    image: ImageSettings = field(default_factory=ImageSettings)
    encoder: EncoderSettings = field(default_factory=EncoderSettings)
    decoder: DecoderSettings = field(default_factory=DecoderSettings)
    curriculum: CurriculumSettings = field(default_factory=CurriculumSettings)
    search: SearchSettings = field(default_factory=SearchSettings)
    amortized: AmortizedSettings = field(default_factory=AmortizedSettings)
    encoder_refinement: EncoderRefinementSettings = field(default_factory=EncoderRefinementSettings)
    half_map_refinement: HalfMapRefinementSettings = field(default_factory=HalfMapRefinementSettings)
    junk: JunkSettings = field(default_factory=JunkSettings)

    @property
    def synthetic_per_particle(self) -> int:
        """What was asked for, or what suits the way poses are found."""
        if self.encoder.synthetic_per_particle is not None:
            return self.encoder.synthetic_per_particle
        return 1 if self.pose_mode == "guided" else 2

    @property
    def decoder_kind(self) -> DecoderKind:
        """What was asked for, or what suits the way poses are found."""
        if self.decoder.kind != "auto":
            return self.decoder.kind
        return "voxels" if self.pose_mode == "guided" else "FourierNet"

    @property
    def search_within_symmetry(self) -> SearchSettings:
        """The search as symmetry makes it: random rotations lie closer in one asymmetric unit, and resolve more."""
        finer = member_count(self.symmetry) ** (1 / 3)
        return dataclasses.replace(self.search, orientation_cycles=self.search.orientation_cycles * finer)

    def changed(self, **settings: Any) -> Config:
        """The same settings but for these, checked as a settings file's are."""
        return _changed(self, settings, "settings")

    def __post_init__(self) -> None:
        """Raises InputError if a number is out of its range, or there is no such point group."""
        member_count(self.symmetry)
        broken = list(out_of_range(self))
        if self.search.orientations < self.search.best_orientations:
            broken.append("[search] orientations must be at least best_orientations")
        if broken:
            raise InputError(f"settings: {'; '.join(broken)}")


def read_config(path: Path, base: Config | None = None) -> Config:
    """Overlay a TOML file on `base`.

    Raises:
        InputError: if the file cannot be read, a name is unknown, or a value wrong.
    """
    return _changed(base or Config(), read_toml(path), str(path))


def config_from_dict(values: dict[str, Any], where: str) -> Config:
    """What `config_as_dict` gave, now or in an earlier version; the same checks as for a settings file.

    Raises:
        InputError: if a name is unknown, or a value wrong; `where` says in which file.
    """
    return _changed(Config(), values, where)


def config_as_dict(config: Config) -> dict[str, Any]:
    """A tree of dictionaries; `run/folder.py` keeps it as JSON."""
    return dataclasses.asdict(config)


def config_as_toml(config: Config) -> str:
    """The settings as a file that `read_config` takes; what was left to the program is a comment."""
    return as_toml(config_as_dict(config))


def _changed(base: Config, values: dict[str, Any], where: str) -> Config:
    return overlaid(base, with_present_names(values, where), where)
