"""Run servers for tests: each in a process of its own, on a free port, stopped at the end."""

import os
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

import pytest

from quart._flask import HAS_ONE_CONTEXT

PATIENCE = 30.0
# If the garbage collector closes a connection, log that; the server must not end by it.
WARNINGS = "error,default::ResourceWarning"
if HAS_ONE_CONTEXT:
    # Flask-Limiter has a command, so it is imported by each, and imports these.
    WARNINGS += "".join(
        f",ignore:'{name}' has merged with:DeprecationWarning"
        for name in ("RequestContext", "request_ctx")
    )


def environment(place: str = "", **variables: str) -> dict[str, str]:
    """Return the environment for a server's process, without settings from a developer's shell."""
    prefixes = ("FLASK_", "QUART_", "NOTES_", "PYTHONPATH", "PYTHONWARNINGS")
    kept = {name: value for name, value in os.environ.items() if not name.startswith(prefixes)}
    if place:
        variables["QUART_SYNC_PLACE"] = place
    return {**kept, "PYTHONWARNINGS": WARNINGS, "PYTHONUNBUFFERED": "1", **variables}


@dataclass
class Server:
    process: subprocess.Popen[bytes]
    port: int
    log: Path
    database: Path | None = None
    kind: str = ""
    was_stopped: bool = False
    host: str = "127.0.0.1"

    @property
    def url(self) -> str:
        return f"http://{self.host}:{self.port}"

    def output(self) -> str:
        return self.log.read_text(errors="replace")

    def wait_until_ready(self) -> None:
        limit = time.monotonic() + PATIENCE
        while time.monotonic() < limit and self.process.poll() is None:
            if is_listening(self.port):
                return
            time.sleep(0.05)
        raise AssertionError(f"the server did not start:\n{self.output()}")

    def stop(self) -> None:
        """Ask the server to end; if it does not, kill it and fail."""
        if self.was_stopped:
            return
        self.was_stopped = True
        if self.process.poll() is not None:
            raise AssertionError(f"the server ended by itself:\n{self.output()}")
        self.process.send_signal(signal.SIGTERM)
        try:
            self.process.wait(PATIENCE)
        except subprocess.TimeoutExpired:
            end(self.process)
            raise AssertionError(f"the server did not stop:\n{self.output()}") from None


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def is_listening(port: int, host: str = "127.0.0.1") -> bool:
    try:
        socket.create_connection((host, port), timeout=1).close()
    except OSError:
        return False
    return True


@contextmanager
def served(
    command: Sequence[str],
    cwd: Path,
    env: Mapping[str, str],
    log: Path,
    python: str = sys.executable,
) -> Iterator[Server]:
    """Run `python -m command` with a free port in the place of `{port}`."""
    port = free_port()
    arguments = [part.format(port=port) for part in command]
    with log.open("wb") as file:
        process = subprocess.Popen(
            [python, "-m", *arguments],
            cwd=cwd,
            env=env,
            stdout=file,
            stderr=file,
            start_new_session=True,
        )
    server = Server(process, port, log)
    try:
        server.wait_until_ready()
        yield server
    except BaseException:
        end(process)
        raise
    server.stop()


def end(process: subprocess.Popen[bytes]) -> None:
    """Kill *process* and its worker processes, which would go on without it."""
    if hasattr(os, "killpg"):
        with suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
    process.kill()
    process.wait()


def environment_with(folder: Path, *packages: str) -> str:
    """Return a Python in *folder* that has *packages* besides ours; skip if it cannot be made.

    The mere presence of some packages, such as gevent, changes what others do.
    """
    uv = shutil.which("uv")
    if uv is None:
        pytest.skip("uv is needed for an environment of its own")
    python = folder / "venv" / ("Scripts/python.exe" if os.name == "nt" else "bin/python")
    for command in (
        [uv, "venv", "--quiet", "--python", sys.executable, str(folder / "venv")],
        [uv, "pip", "install", "--quiet", "--python", str(python), *packages],
    ):
        try:
            subprocess.run(command, capture_output=True, text=True, timeout=300, check=True)
        except subprocess.SubprocessError as error:
            why = getattr(error, "stderr", None) or str(error)
            pytest.skip(f"no environment with {', '.join(packages)}: {why[-200:]}")
    asked = [str(python), "-c", "import sysconfig; print(sysconfig.get_path('purelib'))"]
    theirs = subprocess.run(asked, capture_output=True, text=True, check=True).stdout.strip()
    ours = [path for path in sys.path if path.endswith(("-packages", "core")) or is_ours(path)]
    (Path(theirs) / "ours.pth").write_text("\n".join(ours), encoding="utf-8")
    return str(python)


def is_ours(path: str) -> bool:
    return (Path(path) / "quart_flask_patch").is_dir()
