"""One damaged file given to its reader: refused in one line, or read as another program reads the same bytes.

A case is known by its kind, its number and the seed: `run_case` makes the same one again.
"""

import traceback
import warnings
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import numpy as np

from cryofifa.errors import InputError
from cryofifa_testkit.damaged_files.damage import Mutation, drawn

KINDS = ("star", "cs", "mrc", "config", "checkpoint")
Verdict = Literal["refused", "equal", "outside fails", "FAILURE"]
LONGEST_LINE = 2000  # characters


class OutsideFailsError(Exception):
    """We have read a file that the outside reader refuses."""


class WrongReadingError(Exception):
    """We have read something else than the outside reader, or something that cannot be computed with."""


@dataclass(frozen=True)
class Seed:
    """A whole file, how it may be damaged, and what judges the damaged one.

    path: where the damaged file is put; what belongs to it (stacks, the rest of a run) lies about it.
    judge: reads `path`; raises InputError, one of the two errors above, or what must not happen.
    """

    name: str
    content: bytes
    path: Path
    mutations: tuple[Mutation, ...]
    judge: Callable[[Path], None]


@dataclass(frozen=True)
class Outcome:
    """What came of one case; detail is the refusal, or what went wrong."""

    case: str
    verdict: Verdict
    detail: str


def damage(seeds: dict[str, list[Seed]], kind: str, number: int, seed: int) -> tuple[Seed, str, bytes]:
    """The seed file of a case, the mutations drawn (one, rarely two), and the damaged bytes."""
    rng = np.random.default_rng([seed, KINDS.index(kind), number])
    whole = drawn(rng, seeds[kind])
    content, names = whole.content, []
    wanted = 1 + int(rng.random() < 0.2)
    while len(names) < wanted:
        mutation = drawn(rng, whole.mutations)
        try:
            changed = mutation(rng, content)
        except (ValueError, KeyError, IndexError, SyntaxError, TypeError, RecursionError):
            continue  # too damaged already to be taken apart again
        if changed != whole.content:
            content = changed
            names.append(mutation.__name__)
    return whole, "+".join(names), content


def run_case(seeds: dict[str, list[Seed]], kind: str, number: int, seed: int) -> Outcome:
    """Damage one file, read it, and judge."""
    whole, mutations, content = damage(seeds, kind, number, seed)
    case = f"{kind} {number} ({whole.name}: {mutations})"
    whole.path.write_bytes(content)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            whole.judge(whole.path)
        except InputError as error:
            message = str(error)
            clear = message.isprintable() and len(message) <= LONGEST_LINE
            # plans name the option at fault, not the settings file
            clear = clear and (kind == "config" or whole.path.parent.name in message or "/run/run" in message)
            return Outcome(case, "refused" if clear else "FAILURE", message if clear else f"message {message!r}")
        except OutsideFailsError as error:
            return Outcome(case, "outside fails", " ".join(str(error).split()))
        except Exception:
            return Outcome(case, "FAILURE", traceback.format_exc())
        finally:
            whole.path.write_bytes(whole.content)
    return Outcome(case, "equal", "")
