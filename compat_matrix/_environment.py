"""Make a row's virtual environment with uv, and cache it."""

from __future__ import annotations

import platform
import sys
from pathlib import Path

from compat_matrix._rows import digest, load_settings, project_dependencies, Row, Settings
from compat_matrix._uv import locked, run_uv


def python_of(environment: Path) -> Path:
    if sys.platform == "win32":
        return environment / "Scripts" / "python.exe"
    return environment / "bin" / "python"


def packages_of(environment: Path) -> Path:
    """Return the folder that its packages are installed in."""
    if sys.platform == "win32":
        return environment / "Lib" / "site-packages"
    return environment / "lib" / "python{}.{}".format(*sys.version_info) / "site-packages"


def requirements(row: Row, settings: Settings) -> list[str]:
    shared = [*settings.requires, *(settings.scenario_requires if row.scenario else ())]
    return [row.requirement, *row.requires, *shared, *project_dependencies()]


def environment_digest(row: Row, settings: Settings) -> str:
    python = [platform.python_implementation(), platform.python_version(), platform.platform()]
    asked = [requirements(row, settings), row.overrides, settings.as_of, settings.excludes]
    return digest([asked, python])


def environment_folder(row: Row, cache: Path) -> Path:
    return cache / "environments" / f"{row.name}-{environment_digest(row, load_settings())}"


def environment(row: Row, cache: Path) -> Path:
    """Return the row's virtual environment; make it if there is none.

    Raises:
        EnvironmentProblem: if uv cannot resolve, build or install what the row asks for.
    """
    folder = environment_folder(row, cache)
    ready = folder / "ready"
    if not ready.exists():
        with locked(folder):
            if not ready.exists():
                make_environment(row, folder, load_settings())
                ready.touch()
    return folder


def make_environment(row: Row, folder: Path, settings: Settings) -> None:
    what = f"making the environment of {row.name}"
    base = sys.executable
    run_uv(["venv", "--quiet", "--clear", "--python", base, str(folder)], what)
    excludes = folder / "excludes.txt"
    excludes.write_text("\n".join(settings.excludes))
    overrides = folder / "overrides.txt"
    overrides.write_text("\n".join(row.overrides))
    command = ["pip", "install", "--quiet", "--python", str(python_of(folder))]
    command += ["--excludes", str(excludes), "--overrides", str(overrides)]
    run_uv([*command, *requirements(row, settings)], what)
