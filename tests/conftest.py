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
    """Deselect what this machine cannot run."""
    for marker in _reasons():
        left_out = [item for item in items if item.get_closest_marker(marker)]
        if left_out:
            items[:] = [item for item in items if not item.get_closest_marker(marker)]
            config.hook.pytest_deselected(items=left_out)


def _reasons() -> dict[str, str]:
    """Why this machine cannot run the tests with a marker, by marker."""
    reasons = {}
    if not DATA_FOLDER.is_dir():
        reasons["data"] = f"data folder {DATA_FOLDER} is absent (set CRYOFIFA_DATA)"
    if not torch.cuda.is_available():
        reasons["gpu"] = "no CUDA device"
    if platform.libc_ver()[0] != "glibc":
        reasons["glibc"] = "the allocator is not glibc's"
    return reasons


LEFT_OUT = pytest.StashKey[Counter[tuple[str, str]]]()  # tests by marker and file, whoever has deselected them


def pytest_deselected(items: list[pytest.Item]) -> None:
    counts = items[0].config.stash.setdefault(LEFT_OUT, Counter()) if items else Counter()
    for item in items:
        for marker in ("slow", "data", "gpu", "glibc"):
            if item.get_closest_marker(marker):
                counts[marker, str(item.path.relative_to(REPOSITORY))] += 1


@pytest.hookimpl(optionalhook=True)
def pytest_testnodedown(node: Any) -> None:
    """Every process of a run by several has left out the same: the last one's word is kept."""
    node.config.stash[LEFT_OUT] = Counter({tuple(key): count for key, count in node.workeroutput[KEY]})


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter, config: pytest.Config) -> None:
    """In one plain line for each marker, what was not run and why: never a silent skip."""
    left_out = config.stash.get(LEFT_OUT, Counter())
    for marker in dict.fromkeys(marker for marker, _ in left_out):
        files = {file: count for (of, file), count in sorted(left_out.items()) if of == marker}
        reason = _reasons().get(marker, f"-m {config.option.markexpr!r}")
        where = ", ".join(f"{file} ({count})" for file, count in files.items())
        terminalreporter.write_line(f"{sum(files.values())} tests marked '{marker}' left out: {reason}: {where}")


def pytest_sessionfinish(session: pytest.Session) -> None:
    """Any skip fails the run: a test that does not run must be deselected by name of a reason."""
    reporter = session.config.pluginmanager.get_plugin("terminalreporter")
    if reporter is not None and reporter.stats.get("skipped"):
        session.exitstatus = 1


@pytest.fixture(scope="session")
def data_folder() -> Path:
    return DATA_FOLDER
