"""Run uv, which fetches everything and knows the user's index and proxy; and the cache folder."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from compat_matrix._rows import load_settings

if sys.platform != "win32":
    import fcntl


class EnvironmentProblem(RuntimeError):
    """A row cannot be prepared; the message says what to do."""


def cache_dir() -> Path:
    """Return the cache folder, which may be deleted; COMPAT_MATRIX_CACHE sets another one."""
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
    """Lock out other compat_matrix processes while this one makes *path*."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with open(f"{path}.lock", "w") as file:
        if sys.platform != "win32":
            fcntl.flock(file, fcntl.LOCK_EX)
        yield


# The `uv` package asks `sysconfig`, which answers None to a thread while another asks first.
_looking = threading.Lock()


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
    with _looking:
        return [uv.find_uv_bin()]


def run_uv(arguments: Sequence[str], what: str, stdin: str = "") -> str:
    """Run uv and return what it printed; *what* says in an error what it was for."""
    done = subprocess.run(
        [*uv_command(), *arguments],
        input=stdin,
        env={"UV_EXCLUDE_NEWER": load_settings().as_of} | os.environ,
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
