"""Every number of the settings has a range, and both ends of it can be used."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Iterator
from typing import Annotated, Any

import pytest

from cryofifa.errors import InputError
from cryofifa.settings.config import Config
from cryofifa.settings.ranges import Range, out_of_range, ranges_of


@dataclasses.dataclass(frozen=True)
class InnerSettings:
    share: Annotated[float | None, Range(0, 1)] = None


@dataclasses.dataclass(frozen=True)
class OuterSettings:
    count: Annotated[int, Range(1, 5)] = 3
    named: str = "a"
    yes: bool = True
    inner: InnerSettings = dataclasses.field(default_factory=InnerSettings)


@dataclasses.dataclass(frozen=True)
class ForgottenSettings:
    count: int = 3


@dataclasses.dataclass(frozen=True)
class ForgottenOptionalSettings:
    share: float | None = None


@dataclasses.dataclass(frozen=True)
class ForgottenAnnotatedSettings:
    share: Annotated[float, "of the run"] = 0.5


def numbers_of(settings: Any, tables: tuple[str, ...] = ()) -> Iterator[tuple[tuple[str, ...], Range]]:
    for field in dataclasses.fields(settings):
        path, value = (*tables, field.name), getattr(settings, field.name)
        if dataclasses.is_dataclass(value):
            yield from numbers_of(value, path)
        elif field.name in ranges_of(type(settings)):
            yield path, ranges_of(type(settings))[field.name]


def tree(path: tuple[str, ...], value: float) -> dict[str, Any]:
    return {path[0]: tree(path[1:], value) if len(path) > 1 else value}


NUMBERS = dict(numbers_of(Config()))


def test_what_is_out_of_range_is_named_with_its_table() -> None:
    assert list(out_of_range(OuterSettings())) == []
    wrong = OuterSettings(count=6, inner=InnerSettings(share=math.nan))
    assert list(out_of_range(wrong)) == [
        "count is 6, it must be from 1 to 5",
        "[inner] share is nan, it must be from 0 to 1",
    ]


@pytest.mark.parametrize("forgotten", [ForgottenSettings, ForgottenOptionalSettings, ForgottenAnnotatedSettings])
def test_a_number_without_a_range_is_a_mistake_of_ours(forgotten: type) -> None:
    with pytest.raises(TypeError, match=rf"{forgotten.__name__}\.(count|share) is a number without a Range"):
        list(out_of_range(forgotten()))


@pytest.mark.parametrize("path", NUMBERS, ids=".".join)
def test_nothing_beyond_a_range_is_taken(path: tuple[str, ...]) -> None:
    allowed = NUMBERS[path]
    for beyond in (int(allowed.least) - 1, int(allowed.largest) + 1):
        with pytest.raises(InputError, match=path[-1]):
            Config().changed(**tree(path, beyond))


@pytest.mark.parametrize("path", NUMBERS, ids=".".join)
def test_the_ends_of_a_range_are_in_it(path: tuple[str, ...]) -> None:
    allowed = NUMBERS[path]
    assert allowed.least in allowed
    assert allowed.largest in allowed
    assert math.nan not in allowed


def test_these_are_all_numbers_of_the_settings() -> None:
    assert ("decoder", "voxels", "learning_rate") in NUMBERS
    assert {("seed",), ("box",), ("cache_gib",)} <= NUMBERS.keys()
