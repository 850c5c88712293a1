"""The two servers of a scenario: Flask on gunicorn, and the layer on hypercorn."""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

PATIENCE = 20.0  # seconds for a server to end when it is asked to

GUNICORN = ["gunicorn", "--no-control-socket", "--worker-class", "gthread", "--threads", "8"]
HYPERCORN = ["hypercorn", "--workers", "0"]


def command(kind: str, application: str, number: int) -> list[str]:
    bind = ["--bind", f"fd://{number}"]
    if kind == "flask":
        return [sys.executable, "-m", *GUNICORN, *bind, application]
    loop = os.environ.get("COMPAT_MATRIX_LOOP", "asyncio")
    return [sys.executable, "-m", *HYPERCORN, "--worker-class", loop, *bind, application]


def environment(kind: str) -> dict[str, str]:
    """The variables of a server's process; on Flask there is nothing of the layer in it."""
    env = dict(os.environ)
    if kind == "flask":
        packages = json.loads(env["COMPAT_MATRIX_PACKAGES"])
        env["COMPAT_MATRIX_PACKAGES"] = json.dumps({"compat_matrix": packages["compat_matrix"]})
        env.pop("COMPAT_MATRIX_CHILD", None)
        env.pop("QUART_SYNC_PLACE", None)
    return env


@contextmanager
def served(kind: str, scenario: str, folder: Path, variables: Mapping[str, str]) -> Iterator[int]:
    """Serve the scenario's application in a process of its own, and yield its port.

    The process inherits a socket that listens already: a client that is early waits its turn.
    """
    application = f"compat_matrix.scenarios.{scenario}:create_app()"
    folder.mkdir()
    with (
        socket.create_server(("127.0.0.1", 0), backlog=100) as listener,
        (folder / "log").open("wb") as log,
    ):
        port = int(listener.getsockname()[1])
        process = subprocess.Popen(
            command(kind, application, listener.fileno()),
            pass_fds=[listener.fileno()],
            cwd=folder,
            env=environment(kind) | dict(variables),
            stdout=log,
            stderr=log,
        )
    try:
        yield port
    finally:
        process.terminate()
        try:
            process.wait(PATIENCE)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
            raise RuntimeError(
                f"the server of {application} on {kind} did not end within {PATIENCE:g} s of"
                f" SIGTERM; its log: {(folder / 'log').read_text(errors='replace')[-2000:]}"
            ) from None
