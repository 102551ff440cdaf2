"""CryoFIFA: ab-initio cryo-EM reconstruction by deep curriculum learning."""

import cryofifa.system.allocator

import cryofifa.system.threads  # isort: skip  # before torch  # noqa: F401
from cryofifa.after_run.evaluate import Evaluation, evaluate
from cryofifa.after_run.export import export
from cryofifa.after_run.infer import Inferred, infer
from cryofifa.after_run.map_symmetry import SymmetryReport, find_symmetry
from cryofifa.after_run.refine_encoder import refine
from cryofifa.after_run.sharpen import Sharpened, sharpen
from cryofifa.after_run.volume import SampledVolume, volume
from cryofifa.errors import InputError, Stopped
from cryofifa.main_path import Reconstruction, reconstruct
from cryofifa.particles.simulated.simulate import simulate
from cryofifa.settings.config import Config

__all__ = [
    "Config",
    "Evaluation",
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
    "sharpen",
    "simulate",
    "volume",
]
