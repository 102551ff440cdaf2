"""CryoFIFA: ab-initio cryo-EM reconstruction by deep curriculum learning.

A public name is imported when it is first asked for, so that `import cryofifa` takes no time and the command line
answers at once. Only what has to be in force before torch is imported is imported here.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

import cryofifa.system.allocator
import cryofifa.system.threads  # noqa: F401

if TYPE_CHECKING:
    from cryofifa.after_run.evaluate import Evaluation, evaluate
    from cryofifa.after_run.export import export
    from cryofifa.after_run.infer import Inferred, infer
    from cryofifa.after_run.map_symmetry import SymmetryReport, find_symmetry
    from cryofifa.after_run.refine_encoder import refine, refine_encoder
    from cryofifa.after_run.sharpen import Sharpened, sharpen
    from cryofifa.after_run.states import states
    from cryofifa.after_run.volume import SampledVolume, volume
    from cryofifa.errors import InputError, Stopped
    from cryofifa.main_path import reconstruct
    from cryofifa.particles.simulated.simulate import simulate
    from cryofifa.results.states_summary import FoundStates
    from cryofifa.results.summary import Reconstruction
    from cryofifa.settings.config import Config

__all__ = [
    "Config",
    "Evaluation",
    "FoundStates",
    "Inferred",
    "InputError",
    "Reconstruction",
    "SampledVolume",
    "Sharpened",
    "Stopped",
    "SymmetryReport",
    "evaluate",
    "export",
    "find_symmetry",
    "infer",
    "reconstruct",
    "refine",
    "refine_encoder",
    "sharpen",
    "simulate",
    "states",
    "volume",
]

_MODULE_OF = {
    "Config": "cryofifa.settings.config",
    "Evaluation": "cryofifa.after_run.evaluate",
    "FoundStates": "cryofifa.results.states_summary",
    "Inferred": "cryofifa.after_run.infer",
    "InputError": "cryofifa.errors",
    "Reconstruction": "cryofifa.results.summary",
    "SampledVolume": "cryofifa.after_run.volume",
    "Sharpened": "cryofifa.after_run.sharpen",
    "Stopped": "cryofifa.errors",
    "SymmetryReport": "cryofifa.after_run.map_symmetry",
    "evaluate": "cryofifa.after_run.evaluate",
    "export": "cryofifa.after_run.export",
    "find_symmetry": "cryofifa.after_run.map_symmetry",
    "infer": "cryofifa.after_run.infer",
    "reconstruct": "cryofifa.main_path",
    "refine": "cryofifa.after_run.refine_encoder",  # the former name of refine_encoder
    "refine_encoder": "cryofifa.after_run.refine_encoder",
    "sharpen": "cryofifa.after_run.sharpen",
    "simulate": "cryofifa.particles.simulated.simulate",
    "states": "cryofifa.after_run.states",
    "volume": "cryofifa.after_run.volume",
}


def __getattr__(name: str) -> Any:
    """The public name, imported now."""
    if name not in _MODULE_OF:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    value = getattr(import_module(_MODULE_OF[name]), name)
    globals()[name] = value  # found without this function from now on
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
