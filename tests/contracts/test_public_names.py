"""The names of the package, which come into being when they are asked for."""

import inspect
import re
from pathlib import Path

import pytest

import cryofifa


@pytest.mark.parametrize("name", cryofifa.__all__)
def test_every_public_name_is_what_its_own_module_defines(name: str):
    value = getattr(cryofifa, name)
    assert callable(value)
    assert not inspect.ismodule(value)
    assert value.__module__.startswith("cryofifa.")
    assert getattr(cryofifa, name) is value
    assert name in dir(cryofifa)


def test_type_checkers_see_the_same_names():
    """They read the imports, which never run, and `__all__`."""
    source = Path(inspect.getfile(cryofifa)).read_text(encoding="utf-8")
    seen = {
        name.strip()
        for line in re.findall(r"^    from cryofifa\.\S+ import (.+)$", source, re.MULTILINE)
        for name in line.split(",")
    }
    assert seen == set(cryofifa.__all__)
    assert (Path(inspect.getfile(cryofifa)).parent / "py.typed").is_file()


def test_an_unknown_name_is_an_attribute_error():
    with pytest.raises(AttributeError, match="module 'cryofifa' has no attribute 'reconstuct'"):
        _ = cryofifa.reconstuct  # pyright: ignore[reportAttributeAccessIssue]
    assert not hasattr(cryofifa, "__wrapped__")
    with pytest.raises(ImportError):
        from cryofifa import reconstuct  # noqa: F401  # pyright: ignore[reportAttributeAccessIssue]


def test_refinement_has_its_former_name_too():
    assert cryofifa.refine is cryofifa.refine_encoder


def test_all_names_can_be_imported_at_once():
    names: dict[str, object] = {}
    exec("from cryofifa import *", names)
    assert set(cryofifa.__all__) <= set(names)
