"""Guess from an unpacked sdist where its tests are, and what they need."""

from __future__ import annotations

import configparser
import re
import tomllib
from collections import Counter
from collections.abc import Iterable, Iterator
from email import message_from_string
from pathlib import Path
from typing import Any

from packaging.requirements import InvalidRequirement, Requirement
from packaging.utils import canonicalize_name

# Names of lists of requirements for tests; the second pattern applies if the first finds none.
FOR_TESTS = (r"(unit)?-?tests?|testing|pytest|tests?[-_]\w+", r"dev(elop(ment)?)?")

# Development tools that a suite does not import, and what every row has.
NOT_FOR_TESTS = re.compile(
    r"pytest|pip|uv|flask|werkzeug|setuptools|wheel|build|twine|tox.*|nox|coverage.*|codecov"
    r"|pytest-cov|pre-commit|flake8.*|pep8.*|pycodestyle|pylint.*|black|isort|ruff|mypy|pyright"
    r"|bandit|safety|codespell|sphinx.*|furo|mkdocs.*|bump.*|zest.*|towncrier|types-.*|.*-stubs"
)

# Options that need no plugin, and do not change what a suite does.
HARMLESS_OPTION = re.compile(r"-[rvqs]\w*|--(strict.*|verbose|tb=.*|import-mode=.*|showlocals)|\w+")

Found = Iterator[tuple[str, str]]  # pairs of a requirement and where it was


def read_toml(path: Path) -> dict[str, Any]:
    return tomllib.loads(path.read_text("utf-8")) if path.is_file() else {}


def read_ini(path: Path) -> configparser.ConfigParser:
    parser = configparser.ConfigParser(interpolation=None, strict=False)
    if path.is_file():
        parser.read_string(path.read_text("utf-8", errors="replace"))
    return parser


# --- Where the tests are -------------------------------------------------------------------------


def tests_folder(top: Path) -> str:
    """Return the folder with most test files, relative to *top*; empty if there are none."""
    found = Counter(
        folder_of(path.relative_to(top))
        for pattern in ("test_*.py", "*_test.py", "tests.py")
        for path in top.rglob(pattern)
    )
    return found.most_common(1)[0][0] if found else ""


def folder_of(test: Path) -> str:
    """Return the outermost folder called tests that *test* is in, else its own folder.

    For a file called tests.py it is the file itself, as pytest runs that only if it is named.
    """
    if test.name == "tests.py":
        return str(test)
    for number, name in enumerate(test.parts[:-1], 1):
        if re.fullmatch(r"_?tests?", name):
            return str(Path(*test.parts[:number]))
    return str(test.parent) if len(test.parts) > 1 else str(test)


def pytest_options(top: Path) -> str:
    """Return what the suite's own settings add to the command line."""
    found = read_toml(top / "pyproject.toml").get("tool", {}).get("pytest", {})
    options = found.get("ini_options", found).get("addopts", "")
    for name, section in [
        ("pytest.ini", "pytest"),
        ("tox.ini", "pytest"),
        ("setup.cfg", "tool:pytest"),
    ]:
        options = options or read_ini(top / name).get(section, "addopts", fallback="")
    return " ".join(options) if isinstance(options, list) else str(options)


def arguments(top: Path, tests: str) -> tuple[str, ...]:
    """Return pytest's arguments, unsetting options of the suite that need more plugins."""
    options = pytest_options(top).split()
    harmless = all(HARMLESS_OPTION.fullmatch(option) for option in options)
    return (tests,) if harmless else (tests, "-o", "addopts=")


# --- What they need ------------------------------------------------------------------------------


def from_metadata(top: Path, wanted: str) -> Found:
    path = top / "PKG-INFO"
    text = path.read_text("utf-8", errors="replace") if path.is_file() else ""
    for line in message_from_string(text).get_all("Requires-Dist", []):
        requirement, _, marker = line.partition(";")
        extra = re.search(r"""extra\s*==\s*['"]([\w.-]+)['"]""", marker)
        if extra and re.fullmatch(wanted, extra[1], re.IGNORECASE):
            yield requirement, f"the extra {extra[1]!r}"


def from_groups(top: Path, wanted: str) -> Found:
    groups = read_toml(top / "pyproject.toml").get("dependency-groups", {})
    names = [name for name in groups if re.fullmatch(wanted, name, re.IGNORECASE)]
    for name in names:
        for entry in groups[name]:
            if isinstance(entry, str):
                yield entry, f"the dependency group {name!r}"
            elif entry.get("include-group") in groups:
                names += [entry["include-group"]] * (entry["include-group"] not in names)


def from_tox(top: Path, wanted: str) -> Found:
    tox = read_ini(top / "tox.ini")
    for section in ("testenv", "testenv:py", "testenv:tests"):
        for line in tox.get(section, "deps", fallback="").splitlines():
            named = re.fullmatch(r"-r\s*(?:\{toxinidir\}/)?(\S+)", line.strip())
            if named:
                yield from from_file(top, top / named[1])
            elif not re.match(r"[\w,{}.-]+:\s", line.strip()):  # It applies to all environments.
                yield line, "tox.ini"


def from_files(top: Path, wanted: str) -> Found:
    """Yield the lists of requirements, such as ``requirements-test.txt`` and ``tests.in``."""
    for path in sorted(
        {*top.glob("*.txt"), *top.glob("*requirements*/*"), *top.glob("tests/*.txt")}
    ):
        name = re.sub(r"[-_.]?requirements[-_.]?|\.(txt|in|pip)$", "", path.name)
        in_tests = path.parent.name in ("tests", "test") and "requirements" in path.name
        if in_tests or re.fullmatch(wanted, name, re.IGNORECASE):
            yield from from_file(top, path)


def from_file(top: Path, path: Path) -> Found:
    if path.is_file():
        for line in path.read_text("utf-8", errors="replace").splitlines():
            if not line.startswith("-"):
                yield line.partition("#")[0], str(path.relative_to(top))


def requirements(top: Path, project: str) -> dict[str, str]:
    """Return what the tests seem to need besides *project*, and where that was found."""
    for wanted in FOR_TESTS:
        sources = (from_metadata, from_groups, from_tox, from_files)
        pairs = (pair for source in sources for pair in source(top, wanted))
        if found := dict(usable(pairs, project)):
            return found
    return {}


def usable(pairs: Iterable[tuple[str, str]], project: str) -> Found:
    """Return the first requirement for each package that is no mere tool, with pins loosened."""
    seen = {canonicalize_name(project)}
    for text, where in pairs:
        try:
            requirement = Requirement(text.strip())
        except InvalidRequirement:
            continue
        name = canonicalize_name(requirement.name)
        if name in seen or requirement.url or NOT_FOR_TESTS.fullmatch(name):
            continue
        seen.add(name)
        pinned = any(item.operator in ("==", "===", "~=") for item in requirement.specifier)
        yield (name if pinned else str(requirement)), where
