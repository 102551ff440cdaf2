"""`cryofifa presets`: the paper's recipes as a table."""

from __future__ import annotations

import argparse

NAME = "presets"
HELP = "list the paper's recipes"


def add_arguments(_: argparse.ArgumentParser) -> None:
    """Declare nothing: the command takes no options."""


def run(_: argparse.Namespace) -> None:
    """Print the table, one recipe a line."""
    from cryofifa.settings.presets import presets_as_text

    print(presets_as_text())
