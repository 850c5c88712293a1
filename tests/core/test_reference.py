"""The reference in docs/api.md: whatever `import quart` gives is in it."""

from __future__ import annotations

import inspect
import re
from importlib import import_module
from pathlib import Path

import pytest

import quart

PAGE = (Path(__file__).parents[2] / "docs" / "api.md").read_text(encoding="utf-8")
WORDS = set(re.findall(r"\w+", PAGE))
#: Autodoc lists what such a module defines, as far as it has a docstring.
MODULES = re.findall(r"\.\. automodule:: ([\w.]+)", PAGE)
NAMES = [
    name
    for name, value in vars(quart).items()
    if not name.startswith("_")
    and not inspect.ismodule(value)
    and getattr(value, "__module__", None) not in {"typing", "importlib"}
    and name != "TYPE_CHECKING"
]


@pytest.mark.parametrize("name", NAMES)
def test_every_public_name_is_in_the_reference(name: str) -> None:
    value = getattr(quart, name)
    listed = getattr(value, "__module__", None) in MODULES and bool(inspect.getdoc(value))
    assert listed or name in WORDS


@pytest.mark.parametrize("module", MODULES)
def test_what_a_listed_module_defines_has_a_docstring(module: str) -> None:
    bare = [
        name
        for name, value in vars(import_module(module)).items()
        if not name.startswith("_")
        and (inspect.isfunction(value) or inspect.isclass(value))
        and value.__module__ == module
        and not value.__doc__
    ]
    assert bare == []
