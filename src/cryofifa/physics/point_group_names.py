"""Names of point groups, and what they say by themselves; their rotations are in `point_groups`."""

from __future__ import annotations

import re

from cryofifa.errors import InputError

_ROTATIONS_OF_CUBIC = {"T": 12, "O": 24, "I1": 60, "I2": 60, "I3": 60, "I4": 60}


def parsed_group(name: str) -> tuple[str, int]:
    """The kind of a point group (C, D, T, O, I1, I2, I3 or I4) and the order of its main axis, 1 where it has none.

    Upper or lower case; I is I2.

    Raises:
        InputError: if there is no such group.
    """
    group = name.strip().upper()
    if match := re.fullmatch(r"([CD])([1-9]\d{0,2})", group):
        return match[1], int(match[2])
    group = "I2" if group == "I" else group
    if group not in _ROTATIONS_OF_CUBIC:
        raise InputError(f"symmetry '{name}' is unknown; give C1, Cn, Dn, T, O or I (I1, I2, I3, I4)")
    return group, 1


def member_count(name: str) -> int:
    """How many rotations a group has: Cn n, Dn 2n, T 12, O 24, I 60.

    Raises:
        InputError: if there is no such group.
    """
    kind, order = parsed_group(name)
    return order * {"C": 1, "D": 2, **_ROTATIONS_OF_CUBIC}[kind]


def is_cubic(name: str) -> bool:
    """Whether particles of this group are all but spheres: T, O and I."""
    return parsed_group(name)[0] in _ROTATIONS_OF_CUBIC
