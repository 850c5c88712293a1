"""The examples, started by the commands of their page."""

from __future__ import annotations

import os
import re
import shlex
import signal
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from _serving import environment, served, Server

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


def workers_of(server: Server) -> list[int]:
    """The processes that *server* has started to serve, without the one that cleans up after."""
    found = []
    for path in Path("/proc").glob("[0-9]*/stat"):
        with suppress(OSError):
            parent = int(path.read_text().rpartition(")")[2].split()[1])
            cleans_up = b"resource_tracker" in (path.parent / "cmdline").read_bytes()
            if parent == server.process.pid and not cleans_up:
                found.append(int(path.parent.name))
    return sorted(found)


def kill(pid: int) -> None:
    os.kill(pid, signal.SIGKILL)
