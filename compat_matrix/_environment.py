"""What a row needs on disk: its sdist and its virtual environment, both cached.

Everything is fetched through uv, which knows the user's index, mirror and proxy.
"""

from __future__ import annotations

import hashlib
import os
import platform
import shutil
import subprocess
import sys
import tarfile
import tomllib
import urllib.request
import zipfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path

from compat_matrix._rows import (
    digest,
    load_settings,
    project_dependencies,
    Row,
    SCENARIO_SUITE,
    Settings,
)

if sys.platform != "win32":
    import fcntl


class EnvironmentProblem(RuntimeError):
    """A row could not be made ready to run; the message says what to do."""


def cache_dir() -> Path:
    """The folder of everything that can be made again (COMPAT_MATRIX_CACHE moves it)."""
    if chosen := os.environ.get("COMPAT_MATRIX_CACHE"):
        return Path(chosen).absolute()
    if sys.platform == "win32":
        base = os.environ.get("LOCALAPPDATA") or str(Path.home() / "AppData" / "Local")
    elif sys.platform == "darwin":
        base = str(Path.home() / "Library" / "Caches")
    else:
        base = os.environ.get("XDG_CACHE_HOME") or str(Path.home() / ".cache")
    return Path(base) / "compat-matrix"


@contextmanager
def locked(path: Path) -> Iterator[None]:
    """Keep other compat_matrix processes out while this one makes *path*."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with open(f"{path}.lock", "w") as file:
        if sys.platform != "win32":
            fcntl.flock(file, fcntl.LOCK_EX)
        yield


def uv_command() -> list[str]:
    if found := shutil.which("uv"):
        return [found]
    try:
        import uv
    except ImportError:
        raise EnvironmentProblem(
            "compat_matrix makes its environments with uv, which was not found;"
            " install it with: python -m pip install uv"
        ) from None
    return [uv.find_uv_bin()]


def run_uv(
    arguments: Sequence[str], what: str, stdin: str = "", env: Mapping[str, str] | None = None
) -> str:
    """Run uv and return what it printed; *what* says in an error what it was for."""
    done = subprocess.run(
        [*uv_command(), *arguments],
        input=stdin,
        env=dict(env) if env is not None else None,
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode:
        raise EnvironmentProblem(
            f"{what} failed (uv {' '.join(arguments[:2])}, exit code {done.returncode}):\n"
            f"{done.stderr.strip()[-3000:]}\n"
            "Check the network, the index that uv is set up for, and the row's requirements."
        )
    return done.stdout


# --- the sdist -----------------------------------------------------------------------------------


def locate_sdist(row: Row) -> str:
    """Ask the index, through uv, where the row's sdist is."""
    what = f"looking up the sdist of {row.requirement}"
    project = f"{row.project or row.name}=={row.version}"
    command = ["pip", "compile", "--quiet", "--no-deps", "--no-header", "--format", "pylock.toml"]
    lock = run_uv([*command, "--python", sys.executable, "-"], what, stdin=project)
    package = tomllib.loads(lock)["packages"][0]
    try:
        return str(package["sdist"]["url"])
    except KeyError:
        raise EnvironmentProblem(
            f"{what}: the index has no sdist of {project}, only {sorted(package)};"
            " choose a version that has one"
        ) from None


def download(url: str, target: Path) -> None:
    partial = target.with_name(f"{target.name}.{os.getpid()}")
    try:
        with urllib.request.urlopen(url, timeout=180) as response, partial.open("wb") as file:
            shutil.copyfileobj(response, file)
    except OSError as error:
        raise EnvironmentProblem(f"could not download {url}: {error}; try again") from error
    partial.replace(target)


def sdist(row: Row, cache: Path) -> Path:
    """The row's sdist, downloaded if need be and checked against the row's hash."""
    folder = cache / "sdists"
    kept = sorted(folder.glob(f"{row.sdist_sha256[:16]}-*"))
    if not kept:
        folder.mkdir(parents=True, exist_ok=True)
        url = locate_sdist(row)
        kept = [folder / f"{row.sdist_sha256[:16]}-{url.rpartition('/')[2]}"]
        download(url, kept[0])
    found = hashlib.sha256(kept[0].read_bytes()).hexdigest()
    if found != row.sdist_sha256:
        kept[0].unlink()
        raise EnvironmentProblem(
            f"the sdist of {row.requirement} has sha256 {found}, but the row expects"
            f" {row.sdist_sha256}; if the row's version changed, change its sdist_sha256 too"
        )
    return kept[0]


def unpack(archive: Path, folder: Path) -> Path:
    """Unpack an sdist and return its one top folder."""
    if archive.name.endswith(".zip"):
        with zipfile.ZipFile(archive) as file:
            file.extractall(folder)
    else:
        with tarfile.open(archive) as file:
            file.extractall(folder, filter="data")
    (top,) = folder.iterdir()
    return top


def lay_out(row: Row, folder: Path, cache: Path) -> Path:
    """Put the row's suite into *folder* and return where it is to run."""
    if row.scenario:
        shutil.copy(SCENARIO_SUITE, folder)
        return folder
    top = unpack(sdist(row, cache), folder) / row.directory
    add_standins(row, top)
    return top


def add_standins(row: Row, folder: Path) -> None:
    """Copy our stand-ins for files that the sdist leaves out; never over one that it has."""
    for source in row.standins.rglob("*"):
        if not source.is_file() or "__pycache__" in source.parts:
            continue
        target = folder / source.relative_to(row.standins)
        if target.exists():
            raise EnvironmentProblem(
                f"the stand-in {source} would replace a file of the suite; a suite runs untouched,"
                " so remove the stand-in"
            )
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(source, target)


# --- the virtual environment ---------------------------------------------------------------------


def python_of(environment: Path) -> Path:
    if sys.platform == "win32":
        return environment / "Scripts" / "python.exe"
    return environment / "bin" / "python"


def requirements(row: Row, settings: Settings) -> list[str]:
    shared = [*settings.requires, *(settings.scenario_requires if row.scenario else ())]
    return [row.requirement, *row.requires, *shared, *project_dependencies()]


def environment_digest(row: Row, settings: Settings) -> str:
    python = [platform.python_implementation(), platform.python_version(), platform.platform()]
    asked = [requirements(row, settings), row.overrides, settings.as_of, settings.excludes]
    return digest([asked, python])


def environment(row: Row, cache: Path) -> Path:
    """The row's virtual environment, made if need be.

    Raises:
        EnvironmentProblem: if uv cannot resolve, build or install what the row asks for.
    """
    settings = load_settings()
    folder = cache / "environments" / f"{row.name}-{environment_digest(row, settings)}"
    ready = folder / "ready"
    if not ready.exists():
        with locked(folder):
            if not ready.exists():
                make_environment(row, folder, settings)
                ready.touch()
    return folder


def make_environment(row: Row, folder: Path, settings: Settings) -> None:
    what = f"making the environment of {row.name}"
    env = {"UV_EXCLUDE_NEWER": settings.as_of} | os.environ
    base = sys.executable
    run_uv(["venv", "--quiet", "--clear", "--python", base, str(folder)], what, env=env)
    excludes = folder / "excludes.txt"
    excludes.write_text("\n".join(settings.excludes))
    overrides = folder / "overrides.txt"
    overrides.write_text("\n".join(row.overrides))
    command = ["pip", "install", "--quiet", "--python", str(python_of(folder))]
    command += ["--excludes", str(excludes), "--overrides", str(overrides)]
    run_uv([*command, *requirements(row, settings)], what, env=env)
