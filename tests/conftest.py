"""Where the particle sets lie, what this machine leaves out, and the check of all shape types while testing."""

import os
import platform
from collections import Counter
from pathlib import Path
from typing import Any

import jaxtyping
import pytest
import torch

from cryofifa_testkit import shape_checks

# Before anything imports the package: every function and dataclass checks its types and shapes when called.
jaxtyping.install_import_hook("cryofifa", f"{shape_checks.__name__}.check_types")

REPOSITORY = Path(__file__).resolve().parent.parent
DATA_FOLDER = Path(os.environ.get("CRYOFIFA_DATA", REPOSITORY.parent / "shared" / "data"))
MAY_BE_LEFT_OUT = ("slow", "data", "gpu", "glibc")
LEFT_OUT = pytest.StashKey[Counter[tuple[str, str]]]()  # tests by marker and file


def cannot_run() -> dict[str, str]:
    """Markers of the tests that this machine cannot run, each with why."""
    reasons = {}
    if not DATA_FOLDER.is_dir():
        reasons["data"] = f"data folder {DATA_FOLDER} is absent (set CRYOFIFA_DATA)"
    if not torch.cuda.is_available():
        reasons["gpu"] = "no CUDA device"
    if platform.libc_ver()[0] != "glibc":
        reasons["glibc"] = "another allocator than glibc's"
    return reasons


def pytest_configure(config: pytest.Config) -> None:
    config.stash[LEFT_OUT] = Counter()


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    for marker in cannot_run():
        left_out = [item for item in items if item.get_closest_marker(marker)]
        if left_out:
            items[:] = [item for item in items if not item.get_closest_marker(marker)]
            config.hook.pytest_deselected(items=left_out)


def pytest_deselected(items: list[pytest.Item]) -> None:
    """Whoever has deselected them: this file, or `-m` on the command line."""
    for item in items:
        markers = [marker for marker in MAY_BE_LEFT_OUT if item.get_closest_marker(marker)]
        item.config.stash[LEFT_OUT].update((marker, item.location[0]) for marker in markers[:1])


def pytest_sessionfinish(session: pytest.Session) -> None:
    """Any skip fails the run: a test that does not run must be deselected by name of a reason."""
    config = session.config
    reporter = config.pluginmanager.get_plugin("terminalreporter")
    if reporter is not None and reporter.stats.get("skipped"):
        session.exitstatus = 1
    if hasattr(config, "workeroutput"):  # one of several processes: the first one prints
        config.workeroutput["left out"] = list(config.stash[LEFT_OUT].items())


@pytest.hookimpl(optionalhook=True)
def pytest_testnodedown(node: Any) -> None:
    """Each of several processes has collected, and left out, the same tests."""
    counts = getattr(node, "workeroutput", {}).get("left out", [])
    node.config.stash[LEFT_OUT] |= Counter({tuple(marker_and_file): count for marker_and_file, count in counts})


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter, config: pytest.Config) -> None:
    """What has not run, and why, in one line for each marker: never a silent skip."""
    reasons = cannot_run()
    for marker in MAY_BE_LEFT_OUT:
        files = {file: count for (of, file), count in sorted(config.stash[LEFT_OUT].items()) if of == marker}
        if files:
            reason = reasons.get(marker) or f"-m {config.option.markexpr!r}"
            where = ", ".join(f"{file} {count}" for file, count in files.items())
            terminalreporter.write_line(f"{sum(files.values())} tests marked '{marker}' left out, {reason}: {where}")


@pytest.fixture(scope="session")
def data_folder() -> Path:
    return DATA_FOLDER


@pytest.fixture
def stack(tmp_path: Path) -> Path:
    """The stack that the small particle files of `cryofifa_testkit.particle_files` name, in the test's folder."""
    from cryofifa_testkit.particle_files import write_stack  # only now: it imports the package

    return write_stack(tmp_path / "stack.mrcs")
