"""Services that scenarios need, started from the operating system's packages.

A service runs on a free port, with its files in a temporary folder, for as long as it is needed.
"""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path

PATIENCE = 30.0  # seconds for a service to start
#: The variable in which a scenario's application finds its service's address.
VARIABLE = "SCENARIO_SERVICE"


class ServiceMissing(RuntimeError):
    """A service is not installed; the message says what to install."""


def _program(name: str, package: str) -> str:
    # Debian keeps PostgreSQL's programs out of PATH.
    folders = [str(path) for path in sorted(Path("/usr/lib/postgresql").glob("*/bin"))]
    found = shutil.which(name, path=os.pathsep.join([os.environ.get("PATH", ""), *folders]))
    if sys.platform == "win32" or found is None:
        raise ServiceMissing(f"{name} is not there; on Debian: apt-get install {package}")
    return found


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def _user() -> str | None:
    """Whom to run PostgreSQL as: it refuses to run as root."""
    return "postgres" if os.geteuid() == 0 else None


@contextmanager
def _running(
    command: Sequence[str], folder: str, port: int, user: str | None = None
) -> Iterator[None]:
    log = Path(folder, "log")
    with log.open("wb") as file:
        process = subprocess.Popen(command, cwd=folder, user=user, stdout=file, stderr=file)
    try:
        limit = time.monotonic() + PATIENCE
        while not _is_listening(port):
            if process.poll() is not None or time.monotonic() > limit:
                raise RuntimeError(f"{command[0]} did not start: {log.read_text()[-2000:]}")
            time.sleep(0.05)
        yield
    finally:
        process.terminate()
        try:
            process.wait(PATIENCE)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def _is_listening(port: int) -> bool:
    try:
        socket.create_connection(("127.0.0.1", port), timeout=1).close()
    except OSError:
        return False
    return True


@contextmanager
def redis() -> Iterator[str]:
    program, port = _program("redis-server", "redis-server"), _free_port()
    command = [program, "--bind", "127.0.0.1", "--port", str(port), "--save", ""]
    with tempfile.TemporaryDirectory() as folder, _running(command, folder, port):
        yield f"redis://127.0.0.1:{port}/0"


@contextmanager
def postgresql() -> Iterator[str]:
    initdb = _program("initdb", "postgresql")
    server, port, user = _program("postgres", "postgresql"), _free_port(), _user()
    with tempfile.TemporaryDirectory() as folder:
        if user is not None:
            shutil.chown(folder, user)
        data = f"{folder}/data"
        subprocess.run(
            [initdb, "--auth=trust", "--username=scenario", "--no-sync", data],
            cwd=folder,
            user=user,
            check=True,
            capture_output=True,
        )
        settings = ["-c", "listen_addresses=127.0.0.1", "-c", f"unix_socket_directories={folder}"]
        command = [server, "-D", data, "-p", str(port), "-F", *settings]
        with _running(command, folder, port, user):
            yield f"postgresql+psycopg2://scenario@127.0.0.1:{port}/postgres"


SERVICES: dict[str, Callable[[], AbstractContextManager[str]]] = {
    "redis": redis,
    "postgresql": postgresql,
}


@contextmanager
def started(name: str | None) -> Iterator[dict[str, str]]:
    """Start the service called *name*, if any, and yield the variables that name it.

    Raises:
        ServiceMissing: if it is not installed.
    """
    if name is None:
        yield {}
        return
    with SERVICES[name]() as address:
        yield {VARIABLE: address}
