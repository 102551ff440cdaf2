"""The parts of the method as data: what each is with and without, as settings laid over the defaults."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from cryofifa.settings.config import PoseMode

Overlay = Mapping[str, Any]
DATA_SETS = ("ribosome", "gpcr")
COMMON_SETS = (*DATA_SETS, "junk")


@dataclass(frozen=True)
class Part:
    """One row or more of the table for every set.

    variants: settings by what they mean; the first is with the part, the others are without it.
    sets: those that can tell.
    """

    name: str
    pose_mode: PoseMode
    variants: Mapping[str, Overlay]
    sets: tuple[str, ...] = COMMON_SETS


PARTS = (
    Part("disturbance", "amortized", {"poses disturbed": {"amortized": {"disturbance_degree": 10.0}}, "off": {}}),
    Part("heads", "amortized", {"4 heads": {}, "1 head": {"encoder": {"heads": 1}}}),
    Part(
        "precision",
        "amortized",
        {"16-bit convolutions": {"encoder": {"half_precision": True}}, "32 bits": {}},
        sets=DATA_SETS,
    ),
    Part("synthetic", "amortized", {"synthetic particles": {}, "off": {"encoder": {"synthetic_per_particle": 0}}}),
    Part(
        "augmentation",
        "amortized",
        {name: {"encoder": {"augmentation": name}} for name in ("8x45", "4x90", "random")},
    ),
    Part(
        "decoder",
        "guided",
        {"voxels": {}, **{kind: {"decoder": {"kind": kind}} for kind in ("FourierNet", "hash grid")}},
    ),
    Part("masks", "guided", {"growing masks": {}, "last mask at once": {"curriculum": {"mask_steps": 1}}}),
    Part("filter", "guided", {"junk filter": {}, "off": {"curriculum": {"keep_fraction": 1.0}}}),
    # the temperature falls over the orientation set's share of the run, so it goes with the orientation set
    Part(
        "orientation set",
        "guided",
        {"orientation set": {}, "off, temperature too": {"search": {"global_search_share": 0.0}}},
    ),
    Part("temperature", "guided", {"winners drawn": {}, "best taken": {"search": {"temperature": 0.0}}}),
    Part("starts", "guided", {"several starts": {}, "one": {"starts": {"count": 1}}}),
    Part("encoder", "guided", {"encoder joins": {}, "never": {"search": {"encoder_share": 1.0}}}),
    Part(
        "half-map refinement", "guided", {"half-map refinement": {}, "off": {"half_map_refinement": {"iterations": 0}}}
    ),
    Part(
        "encoder refinement",
        "guided",
        {"4 epochs": {"encoder_refinement": {"epochs": 4}}, "off": {"encoder_refinement": {"epochs": 0}}},
    ),
    Part(
        "shifted-mask",
        "guided",
        {"mask follows shift": {}, "centred": {"image": {"mask_follows_shift": False}}},
        sets=("neighbours",),
    ),
)
WHAT_MATTERS_MOST = ("orientation set", "starts", "half-map refinement")  # as the small runs taught


@dataclass(frozen=True)
class Size:
    """How large the runs are.

    particles: the first of each set; None takes all.
    """

    name: str
    particles: int | None
    settings: Overlay


SMALL = Size("small", 2000, {"curriculum": {"visits": 30_000}, "amortized": {"visits": 30_000}})
FULL = Size("full", None, {})
# the paper's amortized runs are of some 10 million visits
GPU = Size("gpu", None, {"device": "cuda", "amortized": {"visits": 500_000}})
