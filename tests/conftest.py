"""Where the particle sets lie, which tests need them, and the check of all shape types while testing."""

import os
from pathlib import Path

import jaxtyping
import pytest
import torch

from cryofifa_testkit import shape_checks

# Before anything imports the package: every function and dataclass checks its types and shapes when called.
jaxtyping.install_import_hook("cryofifa", f"{shape_checks.__name__}.check_types")

REPOSITORY = Path(__file__).resolve().parent.parent
DATA_FOLDER = Path(os.environ.get("CRYOFIFA_DATA", REPOSITORY.parent / "shared" / "data"))


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Deselect, in one plain line each, what this machine cannot run: never a silent skip."""
    absent = {}
    if not DATA_FOLDER.is_dir():
        absent["data"] = f"data folder {DATA_FOLDER} is absent (set CRYOFIFA_DATA)"
    if not torch.cuda.is_available():
        absent["gpu"] = "no CUDA device"
    for marker, reason in absent.items():
        left_out = [item for item in items if item.get_closest_marker(marker)]
        if left_out:
            items[:] = [item for item in items if not item.get_closest_marker(marker)]
            config.hook.pytest_deselected(items=left_out)
            print(f"\n{len(left_out)} tests marked '{marker}' deselected: {reason}")


def pytest_sessionfinish(session: pytest.Session) -> None:
    """Any skip fails the run: a test that does not run must be deselected by name of a reason."""
    reporter = session.config.pluginmanager.get_plugin("terminalreporter")
    if reporter is not None and reporter.stats.get("skipped"):
        session.exitstatus = 1


@pytest.fixture(scope="session")
def data_folder() -> Path:
    return DATA_FOLDER
