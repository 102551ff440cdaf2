"""All settings in one frozen tree; every default says where it comes from.

A settings file is TOML with one table per class below, in lower case:

    [search]
    orientations = 3000
"""

from __future__ import annotations

import dataclasses
import json
import reprlib
import tomllib
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal, get_args, get_type_hints

import torch
from jaxtyping import Float
from torch import Tensor

from cryofifa.errors import InputError
from cryofifa.particles.kept_images import ImageCache, Room
from cryofifa.physics.point_groups import symmetry_rotations
from cryofifa.settings.ranges import LARGEST_INTEGER, out_of_range

PoseMode = Literal["guided", "amortized"]

DecoderKind = Literal["FourierNet", "voxels", "hash grid"]
Augmentation = Literal["4x90", "8x45", "random"]
DeviceName = Literal["auto", "cpu", "cuda"]
DEVICES: tuple[DeviceName, ...] = get_args(DeviceName)
# as settings files of earlier versions have them
OLD_NAMES = {
    "polish": "half_map_refinement",
    "refinement": "encoder_refinement",
    "raster_every": "minibatches_per_sampling",
    "bank_rotations": "orientations",
    "bank_best": "best_orientations",
    "bank_share": "global_search_share",
    "bank_cycles": "orientation_cycles",
    "imagined": "synthetic_per_particle",
}
KIND_NAMES = {bool: "true or false", int: "a whole number", float: "a number", str: "a text", type(None): "left out"}


@dataclass(frozen=True)
class ImageSettings:
    """Preprocessing of the particle images."""

    mask_margin: float = 1.15  # mask radius over particle radius; prototype: 70 A for 60 A, 144 A for 127 A
    mask_edge_share: float = 0.1  # width of the soft edge over the particle radius; our choice
    mask_follows_shift: bool = True  # the images' mask is moved with the predicted shift; the paper
    shift_margin_share: float = 0.25  # window beyond the mask over the particle radius, room for shifts; our choice
    butterworth_order: int = 4  # prototype
    butterworth_resolution_share: float = 0.3  # low-pass over Nyquist of the working box; prototype

    def volume_mask_pixel(self, particle_radius_angstrom: float, pixel_size_angstrom: float) -> tuple[float, float]:
        """Radius and edge width of the soft mask in pixels; the edge at least 3, for Fourier transforms follow."""
        radius = particle_radius_angstrom / pixel_size_angstrom
        return self.mask_margin * radius, max(3.0, self.mask_edge_share * radius)


@dataclass(frozen=True)
class EncoderSettings:
    """ResNet + SIREN."""

    channels: int = 16  # prototype
    stages: int = 3  # prototype
    feature_width: int = 256  # prototype
    # measured, taught with the true map for 50 s, gpcr: 45 degrees at 5, 7.8 at 2, 8.7 at 1 (45: every copy taught)
    omega: float = 2.0
    learning_rate: float = 1e-3  # measured likewise, 38 s, gpcr and ribosome: 7.4 and 10.9 degrees; 5e-4: 8.3 and 12.6
    augmentation: Augmentation = "8x45"  # in-plane turns of the copies, each also mirrored; Extended Data Table 2
    # rotations predicted from one image, the best of which counts; the paper has one. Measured, taught with the true
    # map for 60 s: gpcr 7.4 degrees with 1 and 6.0 with 4, 20,000 particles of 32 px 15.4 and 11.8
    heads: int = 4
    random_turns: int = 8  # of "random", per particle and epoch; Extended Data Table 2
    # convolutions multiply 16-bit numbers (bfloat16): where the processor has them a quarter less CPU time of the
    # encoder, and the same poses (gpcr, amortized, 3 seeds: 8.2 and 8.3 degrees); not tried on a GPU, so off
    half_precision: bool = False
    # synthetic particles per real one; None is 1 in guided mode, 2 in amortized. Measured on ribosome, amortized, 180
    # s: 1, 2, 4 give 68, 47, 53 degrees; guided, the encoder's own best copy on gpcr 7.9 and 7.3 degrees with 1 and 2
    synthetic_per_particle: int | None = None


@dataclass(frozen=True)
class DecoderSettings:
    """What learns the volume."""

    # auto: voxels in guided mode, FourierNet (the paper) in amortized mode. Measured, single starts of 2,000 particles
    # that end right: gpcr 14 of 14 with voxels, 5 of 6 with FourierNet, 6 of 9 with the hash grid; with 30 % junk 9 of
    # 14, 2 of 6 and 1 of 5; in half of FourierNet's time
    kind: Literal["auto", DecoderKind] = "auto"
    # of voxels, in units of their density. Measured, starts of gpcr that end right: 0 of 3 at 0.02, 3 of 6 at 0.1,
    # 14 of 14 at 0.4, 6 of 6 at 1 (but farther off); falling from the beginning on: 10 of 14
    voxel_learning_rate: float = 0.4
    voxel_last_rate: float = 0.2  # share of it that is left in the end
    # measured, starts of gpcr that end right: 6 of 9 at spacing 0.4, rate 0.04 and 4 levels; none at rate 0.01, nor at
    # spacings of 0.14 and 0.5 (LOG.md)
    hash_learning_rate: float = 0.04
    hash_spacing: float = 0.4  # of the finest grid: of frequency times particle radius
    hash_levels: int = 4
    width: int = 128  # prototype; cryoAI has 256
    modulant_layers: int = 3  # cryoAI
    envelope_layers: int = 2  # cryoAI
    omega_modulant: float = 40.0  # cryoAI
    omega_envelope: float = 30.0  # cryoAI
    coordinate_scale: float = 0.09  # of frequency times particle radius; the prototype's 0.08 to 0.11
    learning_rate: float = 5e-4  # prototype
    # minibatches between two samplings for candidate scoring; prototype. Measured with voxels, starts of gpcr that end
    # right: 2 of 8 at 1, 8 of 8 at 6, 7 of 8 at 12, 6 of 8 at 30
    minibatches_per_sampling: int = 6


@dataclass(frozen=True)
class CurriculumSettings:
    """Growth of the Fourier mask and the junk filter."""

    mask_steps: int = 32  # Extended Data Table 2
    minibatch: int = 64  # prototype; Extended Data Table 2 has 16 to 128 per GPU
    # guided: independent starts, of which the likeliest goes on. Measured with 30 % junk, 9 of 14 single starts are
    # right: of sets of three 5 % have none, of sets of four 2 %; each costs some 5 of 80 s. None is 4, or as plan.py
    # says for cubic point groups
    starts: int | None = None
    # of the run, after which the starts are compared, and before which no encoder learns; None is 0.5, or as plan.py
    start_share: float | None = None
    visits: int = 50_000  # particles seen in all: measured, poses settle by 40,000; RELION's initial model 100,000
    fewest_epochs: int = 6
    epochs: int | None = None  # instead of visits; Extended Data Table 2 has steps x epochs of about 100
    most_particles: int = 10_000  # ab initio works on a random subset of this size; all particles are posed after it
    # first mask. Measured on beta2AR-Gs, 2,000 particles of which 30 % are junk, seeds 1, 2: from 75 A 12 and 42
    # degrees, from 45 A 2.0 and 2.1, in little more time. From 140 A ribosome fails: the CTF lets nothing through
    start_resolution_angstrom: float = 45.0
    # but at least this frequency times the particle radius, for small particles; None is 0.8, or as plan.py
    start_cycles: float | None = None
    end_cycles: float = (
        4.0  # last mask of ab initio: frequency times particle radius; the half-map refinement goes on from there
    )
    growth_share: float = 0.9  # prototype: 0.7 to 0.95
    keep_fraction: float = 0.9  # share of each minibatch that updates the network in the end
    keep_growth_share: float = 0.5


@dataclass(frozen=True)
class SearchSettings:
    """Pose inference."""

    orientations: int = 2000  # prototype: 1500 to 2500
    best_orientations: int = 4  # prototype
    global_search_share: float = 0.75  # prototype: 0.6 to 0.8
    orientation_cycles: float = 3.0  # orientations are scored on frequencies up to this over the particle radius
    wide_perturbations: int = 8  # prototype
    narrow_perturbations: int = 4  # prototype
    wide_cycles: float = 0.33  # sd in radians times (mask frequency times particle radius); prototype 0.28 to 0.4
    narrow_cycles: float = 0.1
    # winners are drawn by likelihood at first and taken as the best later: distances are in units of -log likelihood
    # over the mask's share of the noise, about 0.5; measured: 5 of 5 starts right within 5 epochs, 4 of 5 at 0
    temperature: float = 0.5
    # guided: the encoder joins after this share of the run; before, poses are near random, and it costs as much as
    # all the rest
    encoder_share: float = 0.5
    encoder_copies: int = 1  # copies whose predictions are candidates, each with all heads
    shift_range_share: float = 0.4  # largest shift over the particle radius, when the images do not tell; our choice


@dataclass(frozen=True)
class AmortizedSettings:
    """What differs where the encoder alone gives the poses."""

    visits: int = 100_000  # particles seen in all; measured on ribosome; the paper's runs are of some 10 million
    # the volume must not change faster than the encoder can follow: measured on ribosome after 10 epochs, 68 degrees
    # at 5e-4 and 20 at 2e-4; cryoAI's rate
    decoder_learning_rate: float = 1e-4
    start_resolution_angstrom: float = 50.0  # measured on ribosome, one core: 33 degrees after 125 s, from 75 A 44
    # of the predicted pose, at the start; the paper has some. Measured, 3 seeds: ribosome 52, 68, 52 degrees with 10
    # and 29, 38, 53 without; gpcr 15, 10, 155 and 14, 12, 138
    disturbance_degree: float = 0.0
    disturbance_share: float = 0.2


@dataclass(frozen=True)
class EncoderRefinementSettings:
    """Local refinement by the second encoder, on full-size particles, between ab initio and the half-map refinement."""

    epochs: int = 0  # none by default, as the half-map refinement alone is as good (measured); `refine-encoder` adds it
    mask_steps: int = 57  # Extended Data Table 2, gpcr
    start_resolution_angstrom: float = 30.0  # Extended Data Table 2, gpcr
    end_resolution_angstrom: float | None = None  # Nyquist of the input
    fade_in_share: float = 0.1  # of the epochs, with the decoder frozen; the paper has a few epochs of 114
    minibatches_per_sampling: int = 20  # minibatches; a sampled volume at full size costs as much as several of them


@dataclass(frozen=True)
class HalfMapRefinementSettings:
    """Projection matching against each half's own map, after the network has found the poses."""

    # at most, but for repeated searches; measured on gpcr: 2.99 degrees before, then 1.64, 1.50, 1.48, 1.48
    iterations: int = 3
    newton_steps: int = 2  # Gauss-Newton steps of a pose, each time that it goes down
    # of the orientation set, for every particle whose pose is looked for anew. Measured, new particles of 32 px, SNR
    # 0.5, within 10 degrees after one search and after two: 4: 76, 95 %; 8: 83, 96 %; 16: 88, 98 %, in 2.9, 3.2 and
    # 4.7 ms each
    candidates: int = 8
    # the first iteration looks for all poses anew, in an orientation set, and so does the next while the last one gave
    # more than this share of them. Measured on gpcr, ribosome: 0.00 to 0.01 where ab initio was right, 0.6 to
    # 0.84 where wrong
    search_again_share: float = 0.1
    most_searches: int = 6  # our choice
    # an iteration that only improves poses is the last one if it moved the particle's edge by less, in periods of the
    # highest frequency that counts. Measured after the first such: gpcr 0.08, ribosome 0.02, 3SN6 0.12 and then 0.02;
    # without the last one gpcr 1.40 degrees instead of 1.39, ribosome 1.08 instead of 1.07, the same resolution
    settled_cycles: float = 0.1
    # ab initio ends here: finer, each half has a map of its own. 20 A is where poses of gpcr have settled: measured,
    # 1.51 degrees after it and 1.48 when both share the network down to 15 A
    split_resolution_angstrom: float = 20.0
    fsc_limit: float = 0.143  # frequencies count up to where the half maps' FSC falls under this


@dataclass(frozen=True)
class JunkSettings:
    """What becomes of particles that the run's own map does not explain; they are never in kept.star."""

    # the final map is made of the kept particles only; else of all in particles.star. Measured with 30 % junk, FSC 0.5:
    # 6.81 instead of 7.14 A (5,000 particles of 64 px), 12.5 instead of 13.1 and 10.12 instead of 10.27 A (32 px, SNR
    # 0.2 and 0.6). Without junk 99.6 % and more are kept (gpcr, ribosome), 99 % of the demonstration, 98 % well posed
    map_of_kept: bool = True


@dataclass(frozen=True)
class Config:
    """One run. Values that are None are chosen from the data."""

    seed: int = 0
    pose_mode: PoseMode = "guided"
    device: DeviceName = "auto"
    box: int | None = None
    diameter_angstrom: float | None = None
    start_resolution_angstrom: float | None = None
    end_resolution_angstrom: float | None = None
    invert: bool = False
    symmetry: str = "C1"  # point group in RELION's frame, imposed from the start
    mask_file: str | None = None  # where the half maps are compared; made from the map by default
    # between two checkpoints within an epoch, one more at the end of each; 0: at the ends only. Our choice: what is
    # lost is short beside a night, and written in well under a second
    checkpoint_seconds: float = 300.0
    # of one process (of the machine's and of a GPU's each): images beyond it are not kept there; most of what is free
    memory_gib: float | None = None
    cache_folder: str | None = None  # scratch files of images that have no room in memory; read from the stacks without
    cache_gib: float = 100.0  # what was used longest ago goes beyond it; our choice
    image: ImageSettings = field(default_factory=ImageSettings)
    encoder: EncoderSettings = field(default_factory=EncoderSettings)
    decoder: DecoderSettings = field(default_factory=DecoderSettings)
    curriculum: CurriculumSettings = field(default_factory=CurriculumSettings)
    search: SearchSettings = field(default_factory=SearchSettings)
    amortized: AmortizedSettings = field(default_factory=AmortizedSettings)
    encoder_refinement: EncoderRefinementSettings = field(default_factory=EncoderRefinementSettings)
    half_map_refinement: HalfMapRefinementSettings = field(default_factory=HalfMapRefinementSettings)
    junk: JunkSettings = field(default_factory=JunkSettings)

    def symmetry_members(self, device: torch.device) -> Float[Tensor, "members 3 3"]:
        """The point group's rotations."""
        return torch.from_numpy(symmetry_rotations(self.symmetry)).float().to(device)

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
        finer = len(symmetry_rotations(self.symmetry)) ** (1 / 3)
        return dataclasses.replace(self.search, orientation_cycles=self.search.orientation_cycles * finer)

    @property
    def room(self) -> Room:
        """Where images may be kept."""
        cache = None if self.cache_folder is None else ImageCache(Path(self.cache_folder), self.cache_gib)
        return Room(self.memory_gib, cache)

    def changed(self, **settings: Any) -> Config:
        """The same settings but for these, checked as a settings file's are."""
        return _overlay(self, settings, "settings")

    def __post_init__(self) -> None:
        """Raises InputError if a number is out of its range, or there is no such point group."""
        symmetry_rotations(self.symmetry)
        broken = list(out_of_range(self))
        if self.search.orientations < self.search.best_orientations:
            broken.append("[search] orientations must be at least best_orientations")
        if broken:
            raise InputError(f"settings: {'; '.join(broken)}")


def read_config(path: Path, base: Config | None = None) -> Config:
    """Overlay a TOML file on `base`. Unknown keys and wrong types are errors."""
    try:
        tables = tomllib.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise InputError(f"{path}: cannot be read ({error.strerror}); check the path given to --config") from None
    except (ValueError, RecursionError) as error:
        raise InputError(
            f"{path}: is not TOML ({error}); a table is a line [search], a setting orientations = 3000"
        ) from None
    return _overlay(base or Config(), tables, str(path))


def _overlay(settings: Any, values: dict[str, Any], where: str) -> Any:
    hints = get_type_hints(type(settings))
    changes: dict[str, Any] = {}
    for name, value in values.items():
        key = OLD_NAMES.get(name, name)
        if key not in hints:
            raise InputError(f"{where}: unknown setting '{key}'; known here: {', '.join(sorted(hints))}")
        current = getattr(settings, key)
        if dataclasses.is_dataclass(current):
            if not isinstance(value, dict):
                raise InputError(f"{where}: '{key}' is a table of settings, not {_shown(value)}")
            changes[key] = _overlay(current, value, f"{where} [{key}]")
        else:
            changes[key] = checked_value(value, hints[key], f"{where}: '{key}'")
    try:
        return dataclasses.replace(settings, **changes)
    except InputError as error:
        raise InputError(f"{where}: {str(error).removeprefix('settings: ')}") from None


def checked_value(value: Any, wanted: Any, where: str) -> Any:
    """The value, if it is of the type wanted (a whole number may stand for a real one), or one of a Literal's.

    Raises:
        InputError: if it is not; `where` says which value of which file.
    """
    if type(value) is int and abs(value) > LARGEST_INTEGER:
        raise InputError(f"{where} is a number of {value.bit_length()} bits; it is too large")
    choices = getattr(wanted, "__args__", ())
    if choices and all(isinstance(choice, (str, int)) and not isinstance(choice, type) for choice in choices):
        if value not in choices or type(value) not in {type(choice) for choice in choices}:
            raise InputError(f"{where} is {_shown(value)}; it can be {', '.join(map(repr, choices))}")
        return value
    kinds = [kind for kind in (choices or (wanted,)) if isinstance(kind, type)]
    if float in kinds and type(value) is int:
        value = float(value)
    if type(value) not in kinds:
        raise InputError(f"{where} is {_shown(value)}; it must be {' or '.join(KIND_NAMES[kind] for kind in kinds)}")
    return value


def _shown(value: Any) -> str:
    """The value in a few words, however large it is."""
    return reprlib.repr(value) if isinstance(value, (str, int, float)) else f"a {type(value).__name__}"


def config_from_dict(values: dict[str, Any], where: str) -> Config:
    """What `config_as_dict` gave; the same checks as for a settings file.

    Raises:
        InputError: if a name is unknown, or a value wrong; `where` says in which file.
    """
    return _overlay(Config(), values, where)


def config_as_dict(config: Config) -> dict[str, Any]:
    return dataclasses.asdict(config)


def config_as_toml(config: Config) -> str:
    """The settings as a file that `read_config` takes; what was left to the program is a comment."""
    plain, tables = [], []
    for name, value in config_as_dict(config).items():
        if isinstance(value, dict):
            tables += ["", f"[{name}]", *(_toml_line(key, entry) for key, entry in value.items())]
        else:
            plain.append(_toml_line(name, value))
    return "\n".join([*plain, *tables]) + "\n"


def _toml_line(name: str, value: Any) -> str:
    if value is None:
        return f"# {name}: chosen from the data"
    if isinstance(value, str):
        text = json.dumps(value, ensure_ascii=False)
    else:
        text = str(value).lower() if isinstance(value, bool) else repr(value)
    return f"{name} = {text}"
