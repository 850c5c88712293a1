"""Private names of other packages: docs/private_names.md is held against our code and theirs.

A release of their owners may change any of them. An upper bound in `pyproject.toml` keeps later
releases away from users.

What is found is a private attribute, name or argument of `getattr` that nothing of ours defines,
and what a class of ours defines in place of one of theirs. Other names that both have, such as
`_list`, are looked for because the page has them.
"""

from __future__ import annotations

import ast
import re
import subprocess
import sys
from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import pytest

from quart._flask import HAS_ONE_CONTEXT
from test_project import read_sources, ROOT, Source

SOURCES = read_sources("core/quart", "quart_flask_patch")
OURS = ("quart", "quart_flask_patch")


class Use(NamedTuple):
    owner: str
    #: The module in which the owner has it, if that is written in Python.
    module: str
    purpose: str
    without: str
    files: frozenset[str]


ROW = re.compile(r"^\| `(\w+)` \|(.*)\|(.*)\|(.*)\|(.*)\|$", re.MULTILINE)


def read_page() -> dict[str, Use]:
    """Return the names on the page with what it says of them."""
    page = (ROOT / "docs/private_names.md").read_text(encoding="utf-8")
    found = {}
    for section in page.split("\n## ")[1:]:
        owner = section.partition("\n")[0].lower()
        for name, module, *said, files in ROW.findall(section):
            of = frozenset(re.findall(r"[\w/]+\.py", files))
            purpose, without = map(str.strip, said)
            found[name] = Use(owner, module.strip(" `"), purpose, without, of)
    return found


ALL = read_page()
#: Names of which we have one of our own too, elsewhere.
ALSO_OURS = {"_cv_app", "_cv_request", "_parse_content_type", "_request"}


#: What is given a name as a string.
ASKING = ("getattr", "hasattr", "setattr", "delattr", "Stock")


def is_private(name: str) -> bool:
    return re.fullmatch(r"_[A-Za-z]\w*", name) is not None


def named(source: Source) -> Iterator[str]:
    """Yield the private names that *source* asks something of another for."""
    for node in ast.walk(source.tree):
        if isinstance(node, ast.Attribute):
            yield node.attr
        elif isinstance(node, ast.ImportFrom) and not node.level:
            module = node.module or ""
            if module.partition(".")[0] not in OURS:
                yield from (*module.split("."), *(alias.name for alias in node.names))
        elif isinstance(node, ast.Call) and ast.unparse(node.func) in ASKING:
            yield from (
                value.value
                for argument in node.args
                for value in ast.walk(argument)
                if isinstance(value, ast.Constant) and isinstance(value.value, str)
            )


def defined(source: Source) -> Iterator[str]:
    """Yield the names that *source* defines: functions, classes, variables and own attributes."""
    for node in ast.walk(source.tree):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
            yield node.name
        elif isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store):
            yield node.id
        elif isinstance(node, ast.alias) and node.asname:
            yield node.asname
        elif isinstance(node, ast.Attribute) and isinstance(node.ctx, ast.Store):
            # Whatever it is an attribute of: it is set here.
            yield node.attr
        elif isinstance(node, ast.Assign) and ast.unparse(node.targets[0]) == "__slots__":
            yield from re.findall(r"\w+", ast.unparse(node.value))


OWN = {name for source in SOURCES for name in defined(source)}


def test_the_page_says_of_each_what_it_is_for() -> None:
    assert len(ALL) > 40
    assert [name for name, use in ALL.items() if not (use.purpose and use.without)] == []


def test_private_names_of_others_are_on_the_page() -> None:
    used = {
        f"{source.name}: {name}"
        for source in SOURCES
        for name in named(source)
        if is_private(name) and name not in OWN and name not in ALL
    }
    assert sorted(used) == [], "Name the owner, the purpose, and what happens without it."


#: Prints the private names that our classes and a class of somebody else above them both define.
OVERRIDDEN = """
import importlib, pkgutil, re
import quart, quart_flask_patch

OURS = ("quart", "quart_flask_patch")

def is_ours(cls):
    return str(cls.__module__).partition(".")[0] in OURS

def names(cls):
    return {name for name in vars(cls) if re.fullmatch(r"_[A-Za-z]\\w*[A-Za-z]", name)}

for package in (quart, quart_flask_patch):
    for module in pkgutil.walk_packages(package.__path__, package.__name__ + "."):
        if not module.name.endswith("__main__"):
            try:
                importlib.import_module(module.name)
            except ImportError:  # An extra that is not installed.
                pass

to_do, seen = [object], set()
while to_do:
    for cls in type.__subclasses__(to_do.pop()):
        if cls not in seen:
            seen.add(cls)
            to_do.append(cls)
for cls in filter(is_ours, seen):
    for theirs in cls.__mro__:
        if theirs.__module__.partition(".")[0] not in (*OURS, "abc", "builtins", "typing"):
            ours = set().union(*(names(k) for k in cls.__mro__ if is_ours(k)))
            print(*sorted(ours & names(theirs)))
"""


def test_what_a_class_of_ours_overrides_is_on_the_page() -> None:
    done = subprocess.run(
        [sys.executable, "-c", OVERRIDDEN], capture_output=True, text=True, check=True, timeout=60
    )
    found = set(done.stdout.split())
    assert {"_check_setup_finished", "_get_key"} <= found
    assert sorted(found - ALL.keys()) == []


def test_each_is_used_where_the_page_says_and_nowhere_else() -> None:
    found = defaultdict(set)
    for source in SOURCES:
        for name in re.findall(r"\b_[A-Za-z]\w*", source.text):
            if name in ALL:
                found[name].add(source.name)
    wrong = {
        name: sorted(found[name] ^ use.files)
        for name, use in ALL.items()
        if not use.files <= found[name] or (found[name] != use.files and name not in ALSO_OURS)
    }
    assert wrong == {}


@pytest.mark.parametrize("name", [name for name, use in ALL.items() if use.module])
def test_the_owner_has_it(name: str) -> None:
    use = ALL[name]
    if use.owner == "flask" and ("3.1" if HAS_ONE_CONTEXT else "3.2") in use.purpose:
        pytest.skip("a name of the other release of Flask")
    module = pytest.importorskip(use.module)
    assert name in Path(module.__file__ or "").read_text(encoding="utf-8") or name in use.module


BOUNDED = {use.owner for use in ALL.values()} - {"python", "sqlalchemy", "wrapt"}


@pytest.mark.parametrize("owner", sorted(BOUNDED))
def test_an_upper_bound_keeps_the_next_release_away(owner: str) -> None:
    name = {"jinja": "jinja2"}.get(owner, owner)
    files = [file for use in ALL.values() if use.owner == owner for file in use.files]
    for user in {file.partition("/")[0] for file in files}:
        project = ROOT / ("core" if user == "core" else ".") / "pyproject.toml"
        text = project.read_text(encoding="utf-8")
        assert re.search(rf'"{name}>=[\d.]+,<[\d.]+"', text), f"{project.name} of {user}: {name}"
