"""Settings of a simulated sample: all that makes its images harder than a molecule in white noise.

A file of them is TOML with one table per class, named as its field in `SampleSettings`, and one [[model]] for every
further structure:

    [noise]
    spectrum = "apoferritin"

    [[model]]
    structure = "without_nanobody.cif"
    share = 0.5

Without a file, and wherever it says nothing, none of this is there: every default is "not there". What `--realistic`
takes instead is `REALISTIC`, at the end.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Annotated, Any, Literal

from cryofifa.errors import InputError
from cryofifa.settings.ranges import SHARE, Range, out_of_range
from cryofifa.settings.reading import not_a_table, overlaid, read_toml

WHITE, APOFERRITIN = "white", "apoferritin"
_OF_THE_SET = ("set", "drawn")  # tables of a set's truth/settings.toml that are no settings of its sample


@dataclass(frozen=True)
class SolventSettings:
    """[solvent]: the water that the molecule displaces (`solvent.py`)."""

    # Mean density of the water over that of the protein. Both have inner potentials of a few volts: about 0.6 to 0.75.
    contrast: Annotated[float, SHARE] = 0.0
    # How blurred the displaced water is, in square angstrom: it cannot follow the atoms. Our choice.
    b_factor: Annotated[float, Range(0, 1e5)] = 500.0


@dataclass(frozen=True)
class NoiseSettings:
    """[noise]: the noise's power spectrum (`coloured_noise.py`); its variance is 1 whatever the spectrum."""

    # "white", "apoferritin" (measured around real particles), or particles to measure it around: .star, .cs or .mrcs
    spectrum: str = WHITE
    # The spectrum's power is raised to this: 1 is the spectrum itself, 0 is white.
    colour: Annotated[float, Range(0, 4)] = 1.0


@dataclass(frozen=True)
class MicelleSettings:
    """[micelle]: a belt of detergent around a membrane protein, with lumps of its own in each image (`micelle.py`)."""

    contrast: Annotated[float, Range(0, 100)] = 0.0  # its mean density over the protein's, in water; 0 is no micelle
    # Standard deviation of its density from place to place, and from particle to particle, over the mean.
    fluctuation: Annotated[float, Range(0.05, 10)] = 0.5
    lump_sd_angstrom: Annotated[float, Range(1, 1000)] = 5.0  # of its lumps, which are Gaussian; our choice
    # The belt's axis in the map's frame. "longest" is that of the protein, with its largest component positive.
    axis: Literal["longest", "x", "y", "z"] = "longest"
    height_angstrom: Annotated[float, Range(-1e4, 1e4)] = 0.0  # of the belt's middle over the protein's, along the axis
    thickness_angstrom: Annotated[float, Range(5, 1e4)] = 35.0  # along the axis
    radius_angstrom: Annotated[float, Range(5, 1e4)] = 45.0  # from the axis to its outer edge


@dataclass(frozen=True)
class NeighbourSettings:
    """[neighbours]: further particles that lie partly in the box (`neighbours.py`)."""

    share: Annotated[float, SHARE] = 0.0  # of the images that have one


@dataclass(frozen=True)
class GradientSettings:
    """[gradient]: ramps of the background (`gradient.py`)."""

    # Standard deviation of the ramp's height at the middle of each edge of the box, over that of the noise.
    sd: Annotated[float, Range(0, 100)] = 0.0


@dataclass(frozen=True)
class SampleJunkSettings:
    """[junk]: images without a particle to be used (`junk.py`), each kind's weight relative to the other kinds'."""

    share: Annotated[float, Range(0, 0.99)] = 0.0  # of the images
    noise: Annotated[float, Range(0, 1000)] = 1.0  # nothing at all
    ice: Annotated[float, Range(0, 1000)] = 1.0  # bright round blobs
    molecule: Annotated[float, Range(0, 1000)] = 1.0  # another protein, of the same size
    edge: Annotated[float, Range(0, 1000)] = 1.0  # the edge of the carbon
    aggregate: Annotated[float, Range(0, 1000)] = 1.0  # many particles in a heap
    fragment: Annotated[float, Range(0, 1000)] = 1.0  # a part of the particle
    two: Annotated[float, Range(0, 1000)] = 1.0  # two particles, with the centre of the box between them

    @property
    def weights(self) -> dict[str, float]:
        """The weight of every kind, by its name."""
        return {name: value for name, value in asdict(self).items() if name != "share"}


@dataclass(frozen=True)
class ViewSettings:
    """[views]: views that the particles prefer, as at the surface of the water (`views.py`)."""

    preferred_share: Annotated[float, SHARE] = 0.0  # of the particles; the others are seen from everywhere
    within_degree: Annotated[float, Range(0.01, 180)] = 15.0  # of one axis, which the seed draws


@dataclass(frozen=True)
class ImagingSettings:
    """[imaging]: what differs from image to image, and what the particle file does not say (`imaging.py`)."""

    # Least and largest B factor of a particle in square angstrom: radiation damage and motion damp its amplitude as
    # exp(-B s^2 / 4). They come on top of those of the structure.
    least_b_factor: Annotated[float, Range(0, 1e5)] = 0.0
    largest_b_factor: Annotated[float, Range(0, 1e5)] = 0.0
    contrast_sd: Annotated[float, Range(0, 2)] = 0.0  # of the natural logarithm of a particle's contrast: thicker ice
    height_sd_angstrom: Annotated[float, Range(0, 1e5)] = 0.0  # of particles in the ice; the particle file knows none
    defocus_error_sd_angstrom: Annotated[float, Range(0, 1e5)] = 0.0  # of a micrograph's defocus in the particle file
    astigmatism_error_sd_angstrom: Annotated[float, Range(0, 1e5)] = 0.0  # of its U - V


@dataclass(frozen=True)
class ModelSettings:
    """[[model]]: a further structure, in the frame of the first, that some of the particles have."""

    structure: str  # a map or atomic model
    share: Annotated[float, SHARE]  # of the particles
    select: str | None = None  # part of the model, in gemmi's syntax


_NO_MODEL = ModelSettings("", 0.0)


@dataclass(frozen=True)
class SampleSettings:
    """All settings of a simulated sample.

    Raises:
        InputError: if a number is out of its range, or two do not go together.
    """

    solvent: SolventSettings = field(default_factory=SolventSettings)
    noise: NoiseSettings = field(default_factory=NoiseSettings)
    micelle: MicelleSettings = field(default_factory=MicelleSettings)
    neighbours: NeighbourSettings = field(default_factory=NeighbourSettings)
    gradient: GradientSettings = field(default_factory=GradientSettings)
    junk: SampleJunkSettings = field(default_factory=SampleJunkSettings)
    views: ViewSettings = field(default_factory=ViewSettings)
    imaging: ImagingSettings = field(default_factory=ImagingSettings)
    model: tuple[ModelSettings, ...] = ()

    def __post_init__(self) -> None:
        """Check every number's range, and those that belong together."""
        broken = [*out_of_range(self)]
        for number, model in enumerate(self.model):
            broken += out_of_range(model, (f"model {number}",))
        if self.imaging.least_b_factor > self.imaging.largest_b_factor:
            broken.append("[imaging] least_b_factor must not exceed largest_b_factor")
        if not sum(self.junk.weights.values()) > 0:
            broken.append("[junk] at least one kind must have a weight above 0")
        if sum(model.share for model in self.model) > 1:
            broken.append("the shares of all [[model]] must not exceed 1; the rest is the first structure's")
        if broken:
            raise InputError(f"settings: {'; '.join(broken)}")


# Nothing but the molecule in white noise, and the three kinds of junk that cost nothing to make.
PLAIN = SampleSettings(junk=SampleJunkSettings(edge=0, aggregate=0, fragment=0, two=0))

# A soluble protein as it comes from the picker of a good session; what belongs to one sample alone, a micelle or other
# states, is added in a file. Spreads and shares are our choice; the spectrum is measured.
REALISTIC = SampleSettings(
    solvent=SolventSettings(contrast=0.7),
    noise=NoiseSettings(spectrum=APOFERRITIN),
    neighbours=NeighbourSettings(share=0.35),
    gradient=GradientSettings(sd=0.3),
    junk=SampleJunkSettings(share=0.3),
    views=ViewSettings(preferred_share=0.3, within_degree=30.0),
    imaging=ImagingSettings(
        least_b_factor=50.0,
        largest_b_factor=150.0,
        contrast_sd=0.2,
        height_sd_angstrom=200.0,
        defocus_error_sd_angstrom=300.0,
        astigmatism_error_sd_angstrom=100.0,
    ),
)


def read_sample(path: Path, base: SampleSettings) -> SampleSettings:
    """The settings of `base`, changed by a TOML file; a simulated set's own truth/settings.toml can be given, too.

    Raises:
        InputError: if the file cannot be read, a name is unknown, or a value wrong.
    """
    values = {name: value for name, value in read_toml(path).items() if name not in _OF_THE_SET}
    models = values.pop("model", [])
    if not isinstance(models, list):
        raise InputError(f"{path}: {not_a_table('model', models)}; write [[model]]")
    read = tuple(_read_model(one, f"{path} [[model]] {number}") for number, one in enumerate(models))
    changed = overlaid(base, values, str(path))
    try:
        return replace(changed, model=read or changed.model)
    except InputError as error:
        raise InputError(f"{path}: {str(error).removeprefix('settings: ')}") from None


def sample_as_dict(sample: SampleSettings) -> dict[str, Any]:
    """All settings as dictionaries within a dictionary, the further models as a list of them."""
    return asdict(sample) | {"model": [asdict(model) for model in sample.model]}


def _read_model(values: Any, where: str) -> ModelSettings:
    """One further structure; it needs a file and a share."""
    if not isinstance(values, dict):
        raise InputError(f"{where}: {not_a_table('model', values)}; write [[model]]")
    missing = {"structure", "share"} - values.keys()
    if missing:
        raise InputError(f"{where}: needs {' and '.join(sorted(missing))}")
    return overlaid(_NO_MODEL, values, where)
