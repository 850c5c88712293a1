"""Look at the installed packages, and report those that conflict with the layer."""

from __future__ import annotations

import json
import platform
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from importlib.metadata import Distribution, distributions
from pathlib import Path
from urllib.parse import urlsplit
from urllib.request import url2pathname

from packaging.requirements import InvalidRequirement, Requirement
from packaging.utils import canonicalize_name

from .findings import Finding, Level


@dataclass(frozen=True, slots=True)
class Package:
    """An installed distribution."""

    name: str
    version: str
    requires: tuple[str, ...] = ()
    #: Whether it is the code base in the current folder.
    is_here: bool = False

    def requirements(self) -> Iterator[Requirement]:
        """Yield its requirements in this environment, without extras."""
        for text in self.requires:
            try:
                requirement = Requirement(text)
            except InvalidRequirement:
                continue
            if requirement.marker is None or requirement.marker.evaluate({"extra": ""}):
                yield requirement


Packages = Mapping[str, Package]


def installed() -> dict[str, Package]:
    """Return the installed packages by normalized name; of two with one name, the imported one."""
    found: dict[str, Package] = {}
    for each in distributions():
        name = each.metadata["Name"]
        if name:
            package = Package(name, each.version, tuple(each.requires or ()), _is_here(each))
            found.setdefault(canonicalize_name(name), package)
    return found


def _is_here(package: Distribution) -> bool:
    """Whether *package* was built in the current folder, or is an editable installation of it."""
    here = Path.cwd()
    if Path(str(package.locate_file(""))).resolve() == here:
        return True
    told = json.loads(package.read_text("direct_url.json") or "{}")
    place = urlsplit(told.get("url", "")).path if "dir_info" in told else ""
    return bool(place) and here.is_relative_to(Path(url2pathname(place)).resolve())


def _finding(level: Level, code: str, place: str, what: str, way_out: str = "") -> Finding:
    return Finding(level, "environment", code, place, what, way_out)


def check_environment(packages: Packages) -> list[Finding]:
    checks = (_versions, _quart, _conflicts, _greenlets, _agents, _servers)
    return [finding for check in checks for finding in check(packages)]


_SHOWN = ("quart-flask-patch", "quart", "flask", "werkzeug", "jinja2")


def _versions(packages: Packages) -> Iterator[Finding]:
    shown = [f"{name} {packages[name].version}" for name in _SHOWN if name in packages]
    what = f"Python {platform.python_version()}, {', '.join(shown)}"
    yield _finding("note", "versions", "environment", what)


def _quart(packages: Packages) -> Iterator[Finding]:
    quart = packages.get("quart")
    if quart is None or "+flaskpatch." not in quart.version:
        got = f"quart {quart.version}" if quart else "none"
        yield _finding(
            "error",
            "pypi-quart",
            "quart",
            f"the core of this project is expected under the name quart, got {got}",
            "uninstall quart and quart-flask-patch, then install both of this project again",
        )


_OURS = ("flask", "werkzeug", "quart", "jinja2", "click", "blinker")


def _conflicts(packages: Packages) -> Iterator[Finding]:
    """Report packages that require another version of something that the layer requires."""
    for package in packages.values():
        for requirement in package.requirements():
            name = canonicalize_name(requirement.name)
            if name not in _OURS or name not in packages:
                continue
            version = packages[name].version
            if not requirement.specifier.contains(version, prereleases=True):
                yield _finding(
                    "warning",
                    "version-conflict",
                    f"{package.name} {package.version}",
                    f"requires {requirement}, and {name} {version} is installed",
                    f"another release of {package.name}, and `pip check` for all of them",
                )


def _greenlets(packages: Packages) -> Iterator[Finding]:
    for name in ("gevent", "eventlet"):
        if name in packages:
            yield _finding(
                "note",
                "greenlets",
                f"{name} {packages[name].version}",
                f"{name} is installed: its workers serve the application as WSGI, where an"
                " async view shares nothing with the others",
                "an ASGI server; leave monkey patching out there",
            )


AGENTS = {
    "ddtrace": "ddtrace",
    "elastic-apm": "elastic-apm",
    "newrelic": "newrelic",
    "opentelemetry-instrumentation-flask": "OpenTelemetry's instrumentation of Flask",
    "scout-apm": "scout-apm",
    "appdynamics": "AppDynamics",
    "instana": "instana",
    "sentry-sdk": "Sentry",
}


def _agents(packages: Packages) -> Iterator[Finding]:
    for name, shown in AGENTS.items():
        if name in packages:
            yield _finding(
                "note",
                "agent",
                f"{name} {packages[name].version}",
                f"{shown} replaces methods of Flask's class, before or after the layer comes",
                "nothing, unless a RuntimeWarning at start names it; then import quart.flask_patch"
                " first",
            )


_ASGI = ("hypercorn", "uvicorn", "granian", "daphne")
_WSGI = ("gunicorn", "waitress", "uwsgi", "mod-wsgi", "cheroot", "bjoern")


def _named(packages: Packages, names: Iterable[str]) -> str:
    return ", ".join(f"{name} {packages[name].version}" for name in names if name in packages)


def _servers(packages: Packages) -> Iterator[Finding]:
    asgi, wsgi = _named(packages, _ASGI), _named(packages, _WSGI)
    if not asgi:
        way = "install hypercorn, uvicorn or granian"
        yield _finding("error", "no-server", "servers", "no ASGI server is installed", way)
    if wsgi:
        what = f"{wsgi} can go on serving the application as WSGI"
        way = f"{asgi or 'an ASGI server'} for async views and websockets"
        yield _finding("note", "wsgi-servers", "servers", what, way)
