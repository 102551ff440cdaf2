"""All settings in one frozen tree; every default says where it comes from.

A settings file is TOML with one table per class, named as its field in `Config`:

    [search]
    orientations = 3000

    [decoder.voxels]
    learning_rate = 0.3

Where a default comes from: "the paper" is CryoFIFA's, "Extended Data Table 2" is its table of recipes, "prototype" is
the program that came before this one, "our choice" was neither published nor measured; cryoAI and RELION are programs
of others. "Measured" names the particle set (gpcr, ribosome and others are the paper's), and degrees are the median
error of the poses.
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
from cryofifa.settings.optics import OpticsSettings
from cryofifa.settings.ranges import LARGEST_INTEGER, POSITIVE, Range, out_of_range
from cryofifa.settings.reading import overlaid, read_toml
from cryofifa.settings.refinements import EncoderRefinementSettings, HalfMapRefinementSettings, JunkSettings
from cryofifa.settings.starts import StartSettings
from cryofifa.settings.toml_text import as_toml

PoseMode = Literal["guided", "amortized"]
DeviceName = Literal["auto", "cpu", "cuda"]
DEVICES: tuple[DeviceName, ...] = get_args(DeviceName)


@dataclass(frozen=True)
class Config:
    """All settings of one run. Values that are None are chosen from the data.

    Raises:
        InputError: if a number is out of its range, or there is no such point group.
    """

    seed: Annotated[int, Range(0, LARGEST_INTEGER)] = 0
    pose_mode: PoseMode = "guided"
    device: DeviceName = "auto"
    box: Annotated[int | None, Range(0, 1e9)] = None  # working box of ab initio, in pixels
    diameter_angstrom: Annotated[float | None, POSITIVE] = None  # of the particle
    start_resolution_angstrom: Annotated[float | None, POSITIVE] = None  # first Fourier mask of ab initio
    end_resolution_angstrom: Annotated[float | None, POSITIVE] = None  # last Fourier mask of ab initio
    invert: bool = False  # multiply the images by -1, for particles that are dark
    symmetry: str = "C1"  # point group in RELION's frame, imposed from the start
    mask_file: str | None = None  # mask in which the half maps are compared; made from the map by default
    absolute_paths: bool = False  # image names in STAR files hold from everywhere, not only from the run's folder
    # Seconds between two checkpoints within an epoch; one is always written at its end, and with 0 only there. Our
    # choice: what is lost is little beside a night's run, and a checkpoint is written in well under a second.
    checkpoint_seconds: Annotated[float, Range(0, 1e9)] = 300.0
    # How much of the machine's memory, and how much of a GPU's, one process may take: images beyond it are not kept
    # there. None is most of what is free.
    memory_gib: Annotated[float | None, Range(1e-3, 1e9)] = None
    # Folder for scratch files of images that memory has no room for; without it they are read from the stacks anew.
    cache_folder: str | None = None
    cache_gib: Annotated[float, Range(0, 1e9)] = 100.0  # beyond it the files used longest ago are removed; our choice
    optics: OpticsSettings = field(default_factory=OpticsSettings)
    image: ImageSettings = field(default_factory=ImageSettings)
    encoder: EncoderSettings = field(default_factory=EncoderSettings)
    decoder: DecoderSettings = field(default_factory=DecoderSettings)
    starts: StartSettings = field(default_factory=StartSettings)
    curriculum: CurriculumSettings = field(default_factory=CurriculumSettings)
    search: SearchSettings = field(default_factory=SearchSettings)
    amortized: AmortizedSettings = field(default_factory=AmortizedSettings)
    encoder_refinement: EncoderRefinementSettings = field(default_factory=EncoderRefinementSettings)
    half_map_refinement: HalfMapRefinementSettings = field(default_factory=HalfMapRefinementSettings)
    junk: JunkSettings = field(default_factory=JunkSettings)

    @property
    def synthetic_per_particle(self) -> int:
        """Synthetic particles per real one: as [encoder] says, else 1 in guided mode and 2 in amortized mode."""
        if self.encoder.synthetic_per_particle is not None:
            return self.encoder.synthetic_per_particle
        return 1 if self.pose_mode == "guided" else 2

    @property
    def decoder_kind(self) -> DecoderKind:
        """The kind of decoder: as [decoder] says, else voxels in guided mode and FourierNet in amortized mode."""
        if self.decoder.kind != "auto":
            return self.decoder.kind
        return "voxels" if self.pose_mode == "guided" else "FourierNet"

    @property
    def search_within_symmetry(self) -> SearchSettings:
        """The search settings for the imposed symmetry, with orientations scored up to a higher frequency.

        As many random rotations lie closer together in one asymmetric unit, by the cube root of the number of members,
        and so they resolve finer detail.
        """
        finer = member_count(self.symmetry) ** (1 / 3)
        return dataclasses.replace(self.search, orientation_cycles=self.search.orientation_cycles * finer)

    def changed(self, **settings: Any) -> Config:
        """The same settings but for these, checked as those of a settings file are.

        A table is given as a dictionary: changed(seed=1, search={"orientations": 3000}).

        Raises:
            InputError: if a name is unknown, or a value wrong.
        """
        return _changed(self, settings, "settings")

    def __post_init__(self) -> None:
        """Check the point group and every number's range."""
        member_count(self.symmetry)
        broken = list(out_of_range(self))
        if self.search.orientations < self.search.best_orientations:
            broken.append("[search] orientations must be at least best_orientations")
        if broken:
            raise InputError(f"settings: {'; '.join(broken)}")


def read_config(path: Path, base: Config | None = None) -> Config:
    """The settings of `base` (by default those of `Config()`), changed by a TOML file.

    Raises:
        InputError: if the file cannot be read, a name is unknown, or a value wrong.
    """
    return _changed(base or Config(), read_toml(path), str(path))


def config_from_dict(values: dict[str, Any], where: str) -> Config:
    """The settings of which `config_as_dict` gave these values, now or in an earlier version of the program.

    Args:
        values: settings by name, tables as dictionaries; what is absent keeps its default.
        where: the file that they are from, for error messages.

    Raises:
        InputError: if a name is unknown, or a value wrong.
    """
    return _changed(Config(), values, where)


def config_as_dict(config: Config) -> dict[str, Any]:
    """All settings as dictionaries within a dictionary, which `run/folder.py` keeps as JSON."""
    return dataclasses.asdict(config)


def config_as_toml(config: Config) -> str:
    """All settings as text of a file that `read_config` reads; a value that is None becomes a comment."""
    return as_toml(config_as_dict(config))


def _changed(base: Config, values: dict[str, Any], where: str) -> Config:
    return overlaid(base, with_present_names(values, where), where)
