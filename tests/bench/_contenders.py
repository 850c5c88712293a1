"""Who takes part, and the virtual environment that each of them runs in."""

from __future__ import annotations

import hashlib
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from types import MappingProxyType

ROOT = Path(__file__).parents[2]
PLACE = "QUART_SYNC_PLACE"
# Every contender gets the versions that our own environment has, or the comparison is off.
SHARED = (
    "flask",
    "werkzeug",
    "jinja2",
    "markupsafe",
    "itsdangerous",
    "blinker",
    "click",
    "asgiref",
    "uvloop",
)
_PEERS = ("starlette==1.10.0", "python-multipart==0.0.34")
_UPSTREAM = ("quart==0.22.0",)


@dataclass(frozen=True)
class Contender:
    """One column of the table; without ``requirements`` it runs in the driver's environment."""

    name: str
    title: str
    module: str
    colour: str
    interface: str = "asgi"
    requirements: tuple[str, ...] = ()
    environ: Mapping[str, str] = field(default_factory=lambda: MappingProxyType({}))
    distributions: tuple[str, ...] = ()

    @property
    def is_ours(self) -> bool:
        return not self.requirements


def _layer(place: str, colour: str) -> Contender:
    title = f"Flask app on the layer, {place}"
    environ = MappingProxyType({PLACE: place})
    return Contender(f"layer-{place}", title, "ours_flask", colour, environ=environ)


_ALL = (
    Contender("quart", "Quart (here)", "ours_async", "#0b6e4f"),
    _layer("thread", "#08a045"),
    _layer("loop", "#6bbf59"),
    Contender(
        "flask", "Flask (WSGI)", "flask_app", "#c1292e", "wsgi", _PEERS, distributions=("flask",)
    ),
    Contender(
        "starlette",
        "Starlette",
        "starlette_app",
        "#235789",
        requirements=_PEERS,
        distributions=("starlette",),
    ),
    Contender(
        "quart022",
        "Quart 0.22",
        "quart022",
        "#f1a208",
        requirements=_UPSTREAM,
        distributions=("quart",),
    ),
)
CONTENDERS = {contender.name: contender for contender in _ALL}
BASELINES = ("starlette", "flask")


def python_for(contender: Contender) -> Path:
    """The interpreter to run a contender with; its environment is made on first use."""
    if not contender.requirements:
        return Path(sys.executable)
    wanted = [*contender.requirements, *(f"{name}=={found}" for name, found in _shared())]
    key = hashlib.sha256("\n".join([sys.version, *wanted]).encode()).hexdigest()[:12]
    home = _cache() / key
    if not (home / "complete").exists():
        _install(home, wanted)
    return _interpreter(home)


def environ_for(contender: Contender) -> dict[str, str]:
    """The environment variables of a contender: ours, less what would leak a setting into it."""
    kept = {key: value for key, value in os.environ.items() if key not in {PLACE, "PYTHONPATH"}}
    return kept | dict(contender.environ)


def _shared() -> Iterator[tuple[str, str]]:
    for name in SHARED:
        with suppress(PackageNotFoundError):
            yield name, version(name)


def _cache() -> Path:
    if sys.platform == "win32":
        base = Path(os.environ.get("LOCALAPPDATA", Path.home() / "AppData/Local"))
    else:
        base = Path(os.environ.get("XDG_CACHE_HOME", Path.home() / ".cache"))
    return base / "quart-flask-patch-bench"


def _install(home: Path, requirements: list[str]) -> None:
    shutil.rmtree(home, ignore_errors=True)
    uv = _uv()
    subprocess.run([uv, "venv", "--quiet", "--python", sys.executable, str(home)], check=True)
    install = [uv, "pip", "install", "--quiet", "--python", str(_interpreter(home))]
    subprocess.run([*install, *requirements], check=True)
    (home / "complete").touch()


def _interpreter(home: Path) -> Path:
    return home / ("Scripts/python.exe" if sys.platform == "win32" else "bin/python")


def _uv() -> str:
    beside = shutil.which("uv", path=str(Path(sys.executable).parent))
    if found := beside or shutil.which("uv"):
        return found
    raise RuntimeError("expected uv on PATH to install the peers, found none: pip install uv")
