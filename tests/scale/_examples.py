"""The examples, started by the commands of their page."""

from __future__ import annotations

import os
import re
import shlex
import signal
import socket
import subprocess
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from functools import partial
from pathlib import Path
from subprocess import Popen, TimeoutExpired

from _serving import end, environment, free_port, is_listening, PATIENCE, Server

from ._machines import Machine
from ._services import until

EXAMPLES = Path(__file__).parents[2] / "docs/examples/scale"
# Seconds for two processes to start on a machine that does other things too.
START = 120.0


def commands() -> list[str]:
    """The commands in the examples' page, each on one line."""
    page = (EXAMPLES / "README.md").read_text(encoding="utf-8")
    blocks = re.findall(r"^```console\n(.*?)^```", page, re.MULTILINE | re.DOTALL)
    return [line for block in blocks for line in block.replace("\\\n", " ").splitlines()]


def command(*parts: str) -> list[str]:
    """The one command that has all *parts* in it, on a free port."""
    (found,) = (line for line in commands() if all(part in line for part in parts))
    return shlex.split(re.sub(r"\b8000\b", "{port}", found))


#: How each server's command names the folder of the application that it starts twice.
FOLDERS = {
    "uvicorn": "--app-dir workers",
    "gunicorn": "--chdir workers",
    "granian": "--working-dir workers",
    "hypercorn": "workers/app:app",
}


def workers(name: str) -> list[str]:
    """The command by which a server starts two processes."""
    return command(f"{name} ", FOLDERS[name], "8000")


@contextmanager
def example(python: str, log: Path, line: list[str], **variables: str) -> Iterator[Server]:
    """Serve an example on a free port."""
    port = free_port()
    line = [part.format(port=port) for part in line]
    with running(python, line, lambda: is_listening(port), log, **variables) as process:
        yield Server(process, port, log)


@contextmanager
def example_on(
    machine: Machine, python: str, log: Path, line: list[str], **variables: str
) -> Iterator[Server]:
    """Serve an example on another machine, by uvicorn."""
    port, host = free_port(), machine.address
    line = [*(part.format(port=port) for part in line), "--host", host]
    ready = partial(is_listening, port, host)
    with running(python, line, ready, log, prefix=machine.prefix, **variables) as process:
        yield Server(process, port, log, host=host)


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
    with running(python, line, lambda: listens(path), log, **variables) as process:
        yield process


@contextmanager
def running(
    python: str,
    line: list[str],
    is_there: Callable[[], bool],
    log: Path,
    prefix: Sequence[str] = (),
    **variables: str,
) -> Iterator[Popen[bytes]]:
    """Run *line* in the folder of the examples, and end all that it has started."""
    env = environment(**variables) | {"PYTHONWARNINGS": "default"}
    with log.open("ab") as file:
        process = Popen(
            [*prefix, *as_run(python, line)],
            cwd=EXAMPLES,
            env=env,
            stdout=file,
            stderr=file,
            start_new_session=True,
        )
    try:
        until(lambda: is_there() or process.poll() is not None, f"{line}: {log}", START)
        assert process.poll() is None, log.read_text()
        yield process
        process.terminate()
        with suppress(TimeoutExpired):
            process.wait(PATIENCE)
    finally:
        end(process)


def as_run(python: str, line: list[str]) -> list[str]:
    """The command with our Python, whose folder of programs is not on the path."""
    return [python, *line[1:]] if line[0] == "python" else [python, "-m", *line]


def make_tables(python: str, **variables: str) -> None:
    env = environment(**variables) | {"PYTHONWARNINGS": "default"}
    line = as_run(python, command("init-db"))
    subprocess.run(line, cwd=EXAMPLES, env=env, check=True, capture_output=True)


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
