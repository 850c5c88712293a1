"""What an unpacked sdist says of its own tests: where they are, and what they need."""

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

# What a list of requirements is called that is for tests; the second if there is none of the first.
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


# --- where the tests are -------------------------------------------------------------------------


def tests_folder(top: Path) -> str:
    """What holds most test files, relative to *top*; empty if there are none."""
    found = Counter(
        folder_of(path.relative_to(top))
        for pattern in ("test_*.py", "*_test.py", "tests.py")
        for path in top.rglob(pattern)
    )
    return found.most_common(1)[0][0] if found else ""


def folder_of(test: Path) -> str:
    """The outermost folder called tests that *test* is in, else its own.

    A file called tests.py stands for itself, as pytest takes it only if it is named.
    """
    if test.name == "tests.py":
        return str(test)
    for number, name in enumerate(test.parts[:-1], 1):
        if re.fullmatch(r"_?tests?", name):
            return str(Path(*test.parts[:number]))
    return str(test.parent) if len(test.parts) > 1 else str(test)


def pytest_options(top: Path) -> str:
    """What the suite's own settings add to the command line."""
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
    """pytest's arguments; options of the suite's own that would need more plugins are unset."""
    options = pytest_options(top).split()
    harmless = all(HARMLESS_OPTION.fullmatch(option) for option in options)
    return (tests,) if harmless else (tests, "-o", "addopts=")


# --- what they need ------------------------------------------------------------------------------


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
            elif not re.match(r"[\w,{}.-]+:\s", line.strip()):  # not of some environments only
                yield line, "tox.ini"


def from_files(top: Path, wanted: str) -> Found:
    """Of ``requirements-test.txt`` and ``requirements/tests.in`` alike."""
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
    """What the tests seem to need beside *project*, and where that is written."""
    for wanted in FOR_TESTS:
        sources = (from_metadata, from_groups, from_tox, from_files)
        pairs = (pair for source in sources for pair in source(top, wanted))
        if found := dict(usable(pairs, project)):
            return found
    return {}


def usable(pairs: Iterable[tuple[str, str]], project: str) -> Found:
    """The first for each package that is not a mere tool; a pin to one version is loosened."""
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
