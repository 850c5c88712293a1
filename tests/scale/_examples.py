"""The examples, started by the commands of their page."""

from __future__ import annotations

import os
import re
import shlex
import signal
import socket
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from subprocess import Popen, TimeoutExpired

from _serving import environment, PATIENCE, served, Server

from ._services import until

EXAMPLES = Path(__file__).parents[2] / "docs/examples/scale"


def commands() -> list[str]:
    """The commands in the examples' page, each on one line."""
    page = (EXAMPLES / "README.md").read_text(encoding="utf-8")
    blocks = re.findall(r"^```console\n(.*?)^```", page, re.MULTILINE | re.DOTALL)
    return [line for block in blocks for line in block.replace("\\\n", " ").splitlines()]


def command(*parts: str) -> list[str]:
    """The one command that has all *parts* in it, on a free port."""
    (found,) = (line for line in commands() if all(part in line for part in parts))
    return shlex.split(re.sub(r"\b8000\b", "{port}", found))


@contextmanager
def example(python: str, log: Path, line: list[str], **variables: str) -> Iterator[Server]:
    """Serve an example, all of it from the folder of the examples."""
    env = environment(**variables) | {"PYTHONWARNINGS": "default"}
    with served(line, EXAMPLES, env, log, python) as server:
        yield server


@contextmanager
def instance(python: str, path: Path, log: Path, **variables: str) -> Iterator[Popen[bytes]]:
    """One of the two that stand behind nginx, on a socket of its own."""
    line = [part.replace("/run/yourapp/1.sock", str(path)) for part in command("--uds")]
    with on_socket(python, line, path, log, **variables) as process:
        yield process


@contextmanager
def on_socket(
    python: str, line: list[str], path: Path, log: Path, **variables: str
) -> Iterator[Popen[bytes]]:
    """Run *line* until it is stopped; it has to listen on the socket at *path*."""
    env = environment(**variables) | {"PYTHONWARNINGS": "default"}
    with log.open("ab") as file:
        process = Popen([python, "-m", *line], cwd=EXAMPLES, env=env, stdout=file, stderr=file)
    try:
        until(lambda: listens(path), f"{line}: {log}")
        yield process
    finally:
        process.terminate()
        try:
            process.wait(PATIENCE)
        except TimeoutExpired:
            process.kill()
            process.wait()


def listens(path: Path) -> bool:
    with socket.socket(socket.AF_UNIX) as probe:
        return probe.connect_ex(str(path)) == 0


def workers_of(server: Server) -> list[int]:
    return children_of(server.process.pid)


def children_of(parent_pid: int) -> list[int]:
    """The processes that it has started to serve, without the one that cleans up after."""
    found = []
    for path in Path("/proc").glob("[0-9]*/stat"):
        with suppress(OSError):
            parent = int(path.read_text().rpartition(")")[2].split()[1])
            cleans_up = b"resource_tracker" in (path.parent / "cmdline").read_bytes()
            if parent == parent_pid and not cleans_up:
                found.append(int(path.parent.name))
    return sorted(found)


def kill(pid: int) -> None:
    os.kill(pid, signal.SIGKILL)
