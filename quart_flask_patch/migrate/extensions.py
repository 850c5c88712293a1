"""Compare extensions with the results of the compatibility matrix, which the layer ships."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from importlib.resources import files
from pathlib import Path
from typing import TypedDict

from packaging.requirements import InvalidRequirement, Requirement
from packaging.utils import canonicalize_name

from .environment import Package, Packages
from .findings import Finding, Level


class Result(TypedDict):
    """What the matrix says of one row; *worse* names the tests that pass on Flask only.

    A *scenario* is an application of this project's that uses the extension; otherwise the tests
    are those of the extension's authors.
    """

    name: str
    project: str
    version: str
    scenario: bool
    called: list[str]
    green: bool
    alike: int
    left_out: int
    worse: list[str]
    remark: str
    date: str


@dataclass(frozen=True, slots=True)
class Extension:
    """An extension to look up, as it is installed or as a requirements file asks for it."""

    name: str
    version: str | None
    place: str


def matrix() -> dict[str, list[Result]]:
    """Return the committed results by the projects' normalized names."""
    text = (files(__package__) / "matrix.json").read_text("utf-8")
    found: dict[str, list[Result]] = {}
    for result in json.loads(text):
        found.setdefault(canonicalize_name(result["project"]), []).append(result)
    return found


#: Packages that the layer requires, or that belong to it.
_NO_EXTENSIONS = frozenset({"flask", "quart", "quart-flask-patch"})
_FRAMEWORKS = ("flask", "quart")


def is_extension(package: Package) -> bool:
    return canonicalize_name(package.name) not in _NO_EXTENSIONS and any(
        canonicalize_name(requirement.name) in _FRAMEWORKS for requirement in package.requirements()
    )


def installed_extensions(packages: Packages) -> list[Extension]:
    known = matrix()
    return [
        Extension(package.name, package.version, "installed")
        for name, package in sorted(packages.items())
        if not package.is_here
        and (is_extension(package) or (name in known and name not in _NO_EXTENSIONS))
    ]


def required_extensions(file: Path, packages: Packages) -> list[Extension]:
    """Return the extensions that a requirements file names, including the files it includes."""
    known = matrix()
    found = []
    for place, requirement in requirements_in(file):
        name = canonicalize_name(requirement.name)
        package = packages.get(name)
        if name in _NO_EXTENSIONS or not (
            name in known
            or name.startswith(("flask-", "quart-"))
            or (package is not None and is_extension(package))
        ):
            continue
        pinned = [spec.version for spec in requirement.specifier if spec.operator in {"==", "==="}]
        found.append(Extension(requirement.name, pinned[0] if pinned else None, place))
    return found


def requirements_in(file: Path) -> Iterator[tuple[str, Requirement]]:
    text = file.read_text("utf-8").replace("\\\n", " \n")
    for number, line in enumerate(text.splitlines(), 1):
        bare = line.split(" #")[0].split(" --")[0].strip()
        if bare.startswith(("-r ", "--requirement ")):
            yield from requirements_in(file.parent / bare.split(None, 1)[1])
        elif bare and not bare.startswith(("#", "-")):
            try:
                yield f"{file}:{number}", Requirement(bare)
            except InvalidRequirement:
                continue  # A URL or a folder names no release.


def check_extensions(extensions: Iterable[Extension]) -> list[Finding]:
    known = matrix()
    return [
        _finding(extension, known.get(canonicalize_name(extension.name), []))
        for extension in extensions
    ]


def _finding(extension: Extension, results: list[Result]) -> Finding:
    place = f"{extension.name} {extension.version or ''}".rstrip()
    place = place if extension.place == "installed" else f"{extension.place} {place}"
    if not results:
        return _said(
            "warning",
            "extension-unknown",
            place,
            "is not in the matrix",
            "run its own tests with `python -m pytest -p quart_flask_patch.pytest_plugin`, or"
            f" `python -m compat_matrix add {extension.name}` in a clone of this project",
        )
    if red := [result for result in results if not result["green"]]:
        tests = [test for result in red for test in result["worse"]]
        return _said(
            "error",
            "extension-red",
            place,
            f"{len(tests)} of its tests pass on Flask only: {', '.join(tests[:10])}",
            "see whether you use what they are about",
        )
    return _green(extension, results, place)


def _green(extension: Extension, results: list[Result], place: str) -> Finding:
    own = [result for result in results if not result["scenario"]] or results
    alike = sum(result["alike"] for result in own)
    left_out = sum(result["left_out"] for result in own)
    whose = "tests of an application that uses it" if own[0]["scenario"] else "of its own tests"
    what = f"{alike} {whose} pass as on Flask"
    what += f", {left_out} were left out" if left_out else ""
    tested = sorted({result["version"] for result in own})
    if extension.version is not None and extension.version not in tested:
        what += f", with version {', '.join(tested)}"
        way = "nothing, as a rule; the version that was tested is the safe one"
        return _said("note", "extension-other-version", place, what, way)
    remarks = "".join(f". {result['remark'].rstrip('.')}" for result in own if result["remark"])
    return _said("note", "extension-green", place, what + remarks, "")


def _said(level: Level, code: str, place: str, what: str, way_out: str) -> Finding:
    return Finding(level, "extensions", code, place, what, way_out)
