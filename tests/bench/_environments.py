"""The virtual environments that contenders run in, made by ``uv`` the first time and kept."""

from __future__ import annotations

import hashlib
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from importlib.metadata import distributions, PackageNotFoundError, version
from pathlib import Path

ROOT = Path(__file__).parents[2]
_PROJECT = (ROOT / "pyproject.toml", ROOT / "core" / "pyproject.toml")
# Every contender gets the versions that the driver's environment has, or the comparison is off.
SHARED = (
    *("flask", "werkzeug", "jinja2", "markupsafe", "itsdangerous", "blinker", "click"),
    *("asgiref", "greenlet", "aiofiles", "uvloop"),
    *("granian", "gunicorn", "hypercorn", "uvicorn", "websockets", "h11", "wsproto"),
    *("flask-login", "flask-sqlalchemy", "flask-wtf", "sqlalchemy", "wtforms", "email-validator"),
)
# What the driver itself has no use for: uvicorn's fast parser and the drivers for PostgreSQL.
_TOOLS = ("httptools==0.9.0", "asyncpg==0.32.0", "psycopg[binary,pool]==3.3.9")


@dataclass(frozen=True)
class Environment:
    """What is installed besides the tools and the shared versions."""

    requirements: tuple[str, ...]

    def python(self) -> Path:
        """The environment's interpreter; everything is installed on first use."""
        home = self._home()
        if not (home / "complete").exists():
            _install(home, self._wanted())
        return _interpreter(home)

    def versions(self) -> dict[str, str]:
        """What is installed, by lower-case name; nothing before the first use."""
        paths = [str(path) for path in self._home().rglob("site-packages")]
        return {found.name.lower(): found.version for found in distributions(path=paths)}

    def _home(self) -> Path:
        project = [path.read_text(encoding="utf-8") for path in _PROJECT]
        seed = "\n".join([sys.version, *project, *self._wanted()])
        return _cache() / hashlib.sha256(seed.encode()).hexdigest()[:12]

    def _wanted(self) -> list[str]:
        shared = (f"{name}=={found}" for name, found in _shared())
        return [*self.requirements, *_TOOLS, *shared]


# What the demo application needs, on the layer and on Flask.
_DEMO = ("flask-login", "flask-sqlalchemy", "flask-wtf", "email-validator")
OURS = Environment((f"--editable={ROOT / 'core'}", f"--editable={ROOT}", *_DEMO))
PEERS = Environment(("starlette==1.10.0", "python-multipart==0.0.34", *_DEMO))
UPSTREAM = Environment(("quart==0.22.0",))


def versions(*names: str) -> str:
    """The versions of some distributions, for a line of the report; "quart" is PyPI's."""
    found = {**PEERS.versions(), **OURS.versions(), **UPSTREAM.versions()}
    return ", ".join(f"{name} {found[name]}" for name in names if name in found)


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
