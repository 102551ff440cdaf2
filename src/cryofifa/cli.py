"""The command line: finds the command, starts the processes that share it, and turns mistakes into one line.

What a command takes and does lies in `cryofifa.commands`, one file each. Nothing here imports torch before a command
runs: help and mistyped options answer at once.
"""

from __future__ import annotations

import argparse
import os
import signal
import sys
import warnings
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from importlib.metadata import version
from pathlib import Path
from typing import NoReturn, Protocol

from cryofifa.commands import (
    evaluate,
    export,
    infer,
    presets,
    reconstruct,
    refine_encoder,
    sharpen,
    simulate,
    states,
    symmetry,
    volume,
)
from cryofifa.errors import InputError, Stopped
from cryofifa.system.stop_signals import StopSignals


class Command(Protocol):
    """What a file of `cryofifa.commands` holds.

    NAME is what the user types and HELP its line in `cryofifa --help`. `add_arguments` declares what follows the name.
    `run` does the work, prints what came of it, and imports whatever takes long to import itself. Two of the options
    mean something to all commands: `devices`, the number of processes that share the work, and `resumes`, set by
    commands that go on where they were when they are given once more. `options.signals` are this process's
    `StopSignals`.
    """

    @property
    def NAME(self) -> str: ...  # noqa: N802

    @property
    def HELP(self) -> str: ...  # noqa: N802

    def add_arguments(self, parser: argparse.ArgumentParser, /) -> None: ...

    def run(self, options: argparse.Namespace, /) -> None: ...


COMMANDS: tuple[Command, ...] = (
    reconstruct,
    presets,
    infer,
    refine_encoder,
    simulate,
    evaluate,
    export,
    sharpen,
    symmetry,
    volume,
    states,
)
FEWEST_ALLOWED = 16  # processes on a CPU, however few its cores are
PACKAGE = Path(__file__).parent
FORMER_NAMES = {"refine": "refine-encoder"}  # still understood, but not listed


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one `cryofifa` command and return its exit code.

    0: done. 2: a mistake in files or settings, or a disk that is full. 128 + a signal's number: stopped by it (SIGINT
    130, SIGUSR1 138, SIGTERM 143), as a shell would say of a program that it has killed.
    """
    words = list(sys.argv[1:] if arguments is None else arguments)
    words[:1] = [FORMER_NAMES.get(word, word) for word in words[:1]]
    options = _parser().parse_args(words)
    options.signals = StopSignals()
    try:
        _check_words(words)
        if getattr(options, "devices", None) is not None and _launches(options):
            from cryofifa.system.launch import launch

            return launch([sys.executable, "-m", "cryofifa", *words], options.devices)
        with _warnings_as_lines():
            options.run(options)
    except InputError as error:
        print(f"cryofifa: {error}", file=sys.stderr)
        return 2
    except OSError as error:
        print(f"cryofifa: {error.filename or 'a file'}: {error.strerror or error}", file=sys.stderr)
        return 2
    except (MemoryError, RuntimeError) as error:
        if not _is_out_of_memory(error):
            raise
        print("cryofifa: there is not enough memory, or no thread more is allowed; ask for less", file=sys.stderr)
        return 2
    except Stopped:
        # of several processes one may have been told, and have told the others
        came = signal.Signals(options.signals.came or signal.SIGTERM)
        print(f"cryofifa: stopped by {came.name}; the same command goes on where it was", file=sys.stderr)
        return 128 + came
    except KeyboardInterrupt:
        resumes = getattr(options, "resumes", False) and not getattr(options, "dry_run", False)
        print(f"cryofifa: stopped{'; the same command again resumes' if resumes else ''}", file=sys.stderr)
        return 130
    return 0


class _Parser(argparse.ArgumentParser):
    """A parser whose mistakes are one line, as all others are; how a command is called stands in its --help."""

    def error(self, message: str) -> NoReturn:
        self.exit(2, f"{self.prog}: {InputError(message)}; see {self.prog} --help\n")


def _parser() -> argparse.ArgumentParser:
    """The parser of all commands; what it gives knows which command is to run."""
    parser = _Parser(
        prog="cryofifa", description="Ab-initio cryo-EM reconstruction: particles in; map, poses and report out."
    )
    parser.add_argument("--version", action="version", version=f"cryofifa {version('cryofifa')}")
    commands = parser.add_subparsers(required=True, metavar="COMMAND")
    for command in COMMANDS:
        command_parser = commands.add_parser(command.NAME, help=command.HELP)
        command_parser.set_defaults(run=command.run)
        command.add_arguments(command_parser)
    return parser


@contextmanager
def _warnings_as_lines() -> Iterator[None]:
    """Within the block a warning of ours is one line; those of numpy and torch, for developers, are not shown."""

    def show(message: Warning | str, category: type[Warning], filename: str, *_: object) -> None:
        if category is UserWarning and Path(filename).is_relative_to(PACKAGE):
            print(f"warning: {InputError(str(message))}", file=sys.stderr)

    with warnings.catch_warnings():
        warnings.showwarning = show
        yield


def _is_out_of_memory(error: Exception) -> bool:
    from cryofifa.system.memory import is_out_of_memory

    return is_out_of_memory(error)


def _check_words(words: Sequence[str]) -> None:
    """Refuse an empty word: it stands for today's folder, but comes from a shell's variable that is not set."""
    for before, word in zip(["", *words], words, strict=False):
        if word == "" or (word.startswith("-") and word.endswith("=")):
            raise InputError(f"an empty argument after '{before}' or in '{word}'; is a variable of the shell not set?")


def _launches(options: argparse.Namespace) -> bool:
    """Whether this process has to start the others, as which this very command is then run."""
    if options.devices < 1:
        raise InputError(f"--devices {options.devices}: give a number from 1")
    import torch

    from cryofifa.system.meeting import place_among_processes

    place = place_among_processes()
    if place is not None:
        _, started = place
        if options.devices != started:
            raise InputError(f"--devices {options.devices}: torchrun has started {started} processes; leave it out")
        return False
    on_gpu = torch.cuda.is_available() and getattr(options, "device", None) != "cpu"
    if on_gpu and options.devices > torch.cuda.device_count():
        raise InputError(
            f"--devices {options.devices}: torch sees {torch.cuda.device_count()} GPU(s); give no more, or --device cpu"
        )
    most = max(FEWEST_ALLOWED, os.cpu_count() or 1)
    if not on_gpu and options.devices > most:
        raise InputError(f"--devices {options.devices}: this machine has {os.cpu_count()} cores; give {most} at most")
    return options.devices > 1 and not getattr(options, "dry_run", False)
