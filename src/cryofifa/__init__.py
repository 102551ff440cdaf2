"""CryoFIFA: ab-initio cryo-EM reconstruction by deep curriculum learning."""

import cryofifa.allocator

import cryofifa.threads  # isort: skip  # before torch  # noqa: F401
from cryofifa.config import Config
from cryofifa.errors import InputError, Stopped
from cryofifa.evaluate import Evaluation, evaluate
from cryofifa.export import export
from cryofifa.infer import Inferred, infer
from cryofifa.map_symmetry import SymmetryReport, find_symmetry
from cryofifa.particles.simulate import simulate
from cryofifa.reconstruct import Reconstruction, reconstruct
from cryofifa.refine import refine
from cryofifa.sharpen import Sharpened, sharpen
from cryofifa.volume import SampledVolume, volume

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
