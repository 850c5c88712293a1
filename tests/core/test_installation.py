"""The two distributions: what they declare, and that other files among theirs are noticed."""

from __future__ import annotations

import ast
import re
import sys
import tomllib
import warnings
from importlib.metadata import version
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

import quart
from quart import _installation

ROOT = Path(__file__).parent.parent.parent
CURE = "pip uninstall -y quart quart-flask-patch"


def module(name: str, *, ours: bool) -> ModuleType:
    made = ModuleType(name)
    made.__file__ = f"{name}/__init__.py"
    if ours:
        made.__dict__["__distribution__"] = _installation.DISTRIBUTIONS[name]
    return made


def add(folder: Path, path: str) -> Path:
    (folder / path).parent.mkdir(exist_ok=True)
    (folder / path).touch()
    return folder / path


def test_silence_where_nothing_is_wrong(tmp_path: Path) -> None:
    add(tmp_path, "quart/app.py")
    add(tmp_path, "quart_flask_patch/app.py")
    _installation.check(
        str(tmp_path), {name: module(name, ours=True) for name in ("quart", "quart_flask_patch")}
    )
    _installation.check(str(tmp_path), {})


@pytest.mark.parametrize(
    ("path", "stranger"),
    [("quart/cli.py", "Quart"), ("quart_flask_patch/_patch.py", "Quart-Flask-Patch")],
)
def test_warning_if_strange_files_lie_beside_ours(tmp_path: Path, path: str, stranger: str) -> None:
    stray = add(tmp_path, path)
    modules = {name: module(name, ours=True) for name in ("quart", "quart_flask_patch")}
    with pytest.warns(RuntimeWarning) as caught:
        _installation.check(str(tmp_path), modules)
    (warning,) = caught
    said = str(warning.message)
    assert f"PyPI's {stranger}" in said
    assert str(stray) in said
    assert CURE in said


@pytest.mark.parametrize("name", ["quart", "quart_flask_patch"])
def test_error_if_a_package_is_not_ours(tmp_path: Path, name: str) -> None:
    modules = {each: module(each, ours=each != name) for each in ("quart", "quart_flask_patch")}
    with pytest.raises(ImportError) as caught:
        _installation.check(str(tmp_path), modules)
    assert caught.value.name == name
    assert caught.value.path == f"{name}/__init__.py"
    assert f"Expected the package '{name}' of the project quart-flask-patch" in str(caught.value)
    assert CURE in str(caught.value)


def test_this_installation_is_sound() -> None:
    assert _installation.is_ours(quart)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        _installation.check(str(ROOT / "core"), sys.modules)


# --- What the two declare -------------------------------------------------------------------------

DISTRIBUTIONS = {"core/pyproject.toml": "core/quart", "pyproject.toml": "quart_flask_patch"}
# Asked for by name where it is installed, or where its own runner runs us.
OPTIONAL = {
    "anyio",
    "dotenv",
    "httpcore",
    "libcst",
    "packaging",
    "psutil",
    "pytest",
    "rich",
    "sqlalchemy",
    "trio",
    "yaml",
}
SERVERS = {"daphne", "granian", "gunicorn", "hypercorn", "uvicorn", "waitress"}


def project(path: str) -> dict[str, Any]:
    table: dict[str, Any] = tomllib.loads((ROOT / path).read_text(encoding="utf-8"))["project"]
    return table


def imported_by(folder: Path) -> set[str]:
    """The top-level names that the modules of *folder* import, type checking aside."""
    names: set[str] = set()
    for path in folder.rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Import):
                names |= {alias.name.partition(".")[0] for alias in node.names}
            elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
                names.add(node.module.partition(".")[0])
    return names


@pytest.mark.parametrize("path", DISTRIBUTIONS)
def test_each_declares_what_it_imports(path: str) -> None:
    declared = {re.split(r"[^\w-]", line)[0] for line in project(path)["dependencies"]}
    folder = ROOT / DISTRIBUTIONS[path]
    wanted = imported_by(folder) - sys.stdlib_module_names - OPTIONAL - {folder.name}
    if folder.name == "quart":
        wanted -= {"quart_flask_patch"}  # whose `quart.flask_patch` is only the way to it
    else:
        wanted -= SERVERS  # whichever is there may be used to compare an application on it
    assert declared == wanted


def test_the_layer_requires_this_core_and_no_index_can_offer_it() -> None:
    core, layer = (project(path) for path in DISTRIBUTIONS)
    assert f"quart=={core['version']}" in layer["dependencies"]
    assert "+" in core["version"]  # a local version, which an index does not take


def test_both_have_the_same_licence() -> None:
    text = (ROOT / "docs/license.md").read_text(encoding="utf-8")
    assert (ROOT / "core/license.md").read_text(encoding="utf-8") == text


def test_both_are_found_by_name() -> None:
    for path in DISTRIBUTIONS:
        assert version(project(path)["name"]) == project(path)["version"]
