"""The command line reads settings before anything else: they must not bring torch and what stands on it."""

import subprocess
import sys
from pathlib import Path

import pytest

import cryofifa

HEAVY = ("torch", "numpy", "scipy", "jaxtyping", "pandas", "cryofifa.particles", "cryofifa.train", "cryofifa.model")
# a package of this name whose own __init__ is left out: only what the module itself imports counts
SCRIPT = """
import importlib, sys, types
package = types.ModuleType("cryofifa")
package.__path__ = [sys.argv[1]]
sys.modules["cryofifa"] = package
importlib.import_module(sys.argv[2])
print(*sys.modules)
"""
PACKAGE = Path(cryofifa.__file__).parent
MODULES = sorted(f"cryofifa.settings.{path.stem}" for path in (PACKAGE / "settings").glob("[a-z]*.py"))


@pytest.mark.parametrize("module", [*MODULES, "cryofifa.physics.point_group_names"])
def test_nothing_heavy_is_imported(module: str) -> None:
    run = subprocess.run(
        [sys.executable, "-c", SCRIPT, str(PACKAGE), module], capture_output=True, text=True, check=True
    )
    loaded = run.stdout.split()
    assert module in loaded
    assert [name for name in loaded if name.startswith(HEAVY)] == []
