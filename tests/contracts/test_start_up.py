"""What is imported before a command does its work: help, a version and a mistyped option need no numerical library."""

import json
import os
import subprocess
import sys

import pytest

from cryofifa.cli import COMMANDS

HEAVY = {"torch", "numpy", "scipy", "pandas", "matplotlib", "gemmi", "roma", "mrcfile", "starfile", "PIL"}
REPORT = """
import json, sys
from contextlib import redirect_stderr, redirect_stdout
from io import StringIO
{statement}
print(json.dumps(sorted(sys.modules)))
"""
CALL = """
from cryofifa import cli
with redirect_stdout(StringIO()), redirect_stderr(StringIO()):
    try:
        cli.main({arguments})
    except SystemExit:
        pass
"""


def modules_after(statement: str, **environment: str) -> set[str]:
    """Names of all modules that a fresh interpreter has imported once the statement is done."""
    done = subprocess.run(
        [sys.executable, "-c", REPORT.format(statement=statement)],
        env=os.environ | environment,
        capture_output=True,
        text=True,
        check=True,
    )
    return set(json.loads(done.stdout))


@pytest.mark.parametrize(
    "arguments",
    [["--help"], ["--version"], ["reconstruct", "--hlep"], ["refine", "--help"], ["presets"]]
    + [[command.NAME, "--help"] for command in COMMANDS],
    ids=" ".join,
)
def test_no_numerical_library_is_imported_before_a_command_runs(arguments: list[str]):
    modules = modules_after(CALL.format(arguments=arguments))
    assert "cryofifa.cli" in modules
    assert modules & HEAVY == set()


@pytest.mark.slow
def test_the_package_is_light_and_makes_its_settings_before_torch_comes():
    statement = "import cryofifa, os; assert os.environ['GOMP_SPINCOUNT'] == '10000'"
    modules = modules_after(f"import os; os.environ.pop('GOMP_SPINCOUNT', None); {statement}")
    assert {"cryofifa.system.allocator", "cryofifa.system.threads"} <= modules
    assert modules & HEAVY == set()
    assert "torch" in modules_after(f"{statement}; cryofifa.reconstruct", GOMP_SPINCOUNT="10000")


def test_names_are_offered_before_they_are_imported():
    """As a Python shell completes them."""
    modules = modules_after("import cryofifa; assert {*cryofifa.__all__} <= {*dir(cryofifa)}")
    assert modules & HEAVY == set()
