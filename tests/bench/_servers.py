"""Real servers, each a process of its own in a contender's environment."""

from __future__ import annotations

import http.client
import os
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, ExitStack, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO

from ._contenders import Contender
from ._driver import Failure
from ._environments import ROOT
from ._processors import apart, started_on
from ._settings import Skipped

THREADS = 64
PATIENCE = 60.0
# What the name of a server ends with where it has one processor.
PINNED = ", on one CPU"
_TICK = os.sysconf("SC_CLK_TCK") if hasattr(os, "sysconf") else 100
_ON_LOOPBACK = ("--host", "127.0.0.1", "--port", "{port}")
_GRANIAN = ("--log-level", "warning", *_ON_LOOPBACK)
_GUNICORN = ("--worker-class", "gthread", "--threads", "{threads}", "--log-level", "warning")

# One worker each, on uvloop, without an access log; the rest as it comes, except that nobody
# is to drop a websocket that is idle on purpose.
SERVERS: Mapping[str, Sequence[str]] = {
    "uvicorn": (
        *("uvicorn", "--loop", "uvloop", "--http", "httptools", "--ws", "websockets"),
        *("--ws-ping-interval", "600", "--no-access-log", "--log-level", "warning", *_ON_LOOPBACK),
    ),
    "granian": ("granian", "--interface", "asgi", "--loop", "uvloop", *_GRANIAN),
    "granian (WSGI)": (
        *("granian", "--interface", "wsgi", "--blocking-threads", "{threads}", *_GRANIAN),
    ),
    "hypercorn": (
        *("hypercorn", "--worker-class", "uvloop", "--log-level", "warning"),
        *("--bind", "127.0.0.1:{port}"),
    ),
    "gunicorn": ("gunicorn", "--bind", "127.0.0.1:{port}", *_GUNICORN),
}


@dataclass(frozen=True)
class Service:
    """A contender on a server."""

    contender: Contender
    server: str
    tasks: str = "served"
    threads: int = THREADS
    environ: Mapping[str, str] = field(default_factory=dict, hash=False, compare=False)
    #: Whether its processes share one processor, which nobody who asks it uses.
    is_pinned: bool = False

    @property
    def where(self) -> str:
        """The server, and how it runs."""
        return self.server + PINNED if self.is_pinned else self.server

    @property
    def name(self) -> str:
        return f"{self.contender.name} {self.where}"

    @property
    def title(self) -> str:
        return f"{self.contender.title} on {self.where}"

    def command(self, port: int) -> list[str]:
        python = str(self.contender.environment.python())
        words = [word.format(port=port, threads=self.threads) for word in SERVERS[self.server]]
        return [python, "-m", *words, f"{__package__}._served:app"]

    def variables(self) -> dict[str, str]:
        is_patched = "1" if self.contender.is_patched else ""
        told = {"BENCH_TASKS": self.tasks, "BENCH_APP": self.contender.app}
        told |= {"BENCH_PATCHED": is_patched, "BENCH_THREADS": str(self.threads)}
        return {**self.contender.environ(), **told, **self.environ}


class Running:
    """A service that answers on ``port``; what it has used is read from ``/proc``."""

    def __init__(self, service: Service, port: int, log: IO[bytes]) -> None:
        self.service, self.port, self._log = service, port, log
        own, others = apart() if service.is_pinned else (None, None)
        #: The processors for the client, None if they may have any.
        self.others = others
        with started_on(own):
            self._process = subprocess.Popen(
                service.command(port),
                cwd=ROOT,
                env=service.variables(),
                stdout=log,
                stderr=log,
                # Its processes are told by their session, however the server nests them.
                start_new_session=True,
            )

    def wait_until_ready(self) -> None:
        limit = time.monotonic() + PATIENCE
        while time.monotonic() < limit and self._process.poll() is None:
            with suppress(OSError):
                socket.create_connection(("127.0.0.1", self.port), timeout=1).close()
                return
            time.sleep(0.02)
        raise Failure(f"{self.service.title} did not start: {self.output()}")

    def output(self) -> str:
        """The end of what it wrote."""
        return Path(self._log.name).read_text(encoding="utf-8", errors="replace")[-2000:]

    def get(self, path: str, method: str = "GET", body: bytes | None = None) -> bytes:
        """The body of an answer, which has to be a good one."""
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=PATIENCE)
        try:
            headers = {"Content-Type": "application/json"} if body else {}
            connection.request(method, path, body, headers)
            response = connection.getresponse()
            content = response.read()
        finally:
            connection.close()
        if response.status not in {200, 201}:
            raise Failure(f"{self.service.title}: {method} {path} gave {response.status}")
        return content

    def cpu(self) -> float:
        """Seconds of processor time so far, of all its processes."""
        fields = [_stat(pid) for pid in self._pids()]
        return sum(int(each[11]) + int(each[12]) for each in fields if each) / _TICK

    def memory(self) -> float:
        """MiB in use now, pages shared among its processes counted once."""
        return self._sum("smaps_rollup", "Pss:")

    def peak(self) -> float:
        """The most MiB that were resident at a time since ``forget_peak``."""
        return self._sum("status", "VmHWM:")

    def forget_peak(self) -> None:
        """Let the peak be what is resident now."""
        for pid in self._pids():
            Path(f"/proc/{pid}/clear_refs").write_text("5", encoding="ascii")

    def stop(self) -> None:
        """End all its processes, politely first."""
        self._signal(signal.SIGTERM)
        try:
            self._process.wait(10)
        except subprocess.TimeoutExpired:
            pass
        finally:
            self._signal(signal.SIGKILL)
            self._process.wait()

    def _signal(self, number: int) -> None:
        with suppress(ProcessLookupError):
            os.killpg(self._process.pid, number)

    def _pids(self) -> list[int]:
        found = (int(path.name) for path in Path("/proc").iterdir() if path.name.isdigit())
        session = str(self._process.pid)
        return [pid for pid in found if (stat := _stat(pid)) and stat[3] == session]

    def _sum(self, file: str, key: str) -> float:
        texts = [Path(f"/proc/{pid}/{file}").read_text(encoding="ascii") for pid in self._pids()]
        lines = [line for text in texts for line in text.splitlines() if line.startswith(key)]
        return sum(int(line.split()[1]) for line in lines) / 1024


def _stat(pid: int) -> list[str]:
    """The fields of ``/proc/PID/stat`` from the state on, or nothing if it has ended."""
    try:
        text = Path(f"/proc/{pid}/stat").read_text(encoding="utf-8", errors="replace")
    except OSError:
        return []
    return text.rpartition(")")[2].split()


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def require_linux() -> None:
    """Raise ``Skipped`` where there is no ``/proc`` to read."""
    if sys.platform != "linux":
        raise Skipped(f"needs Linux, this is {sys.platform}")


@contextmanager
def running(services: Sequence[Service]) -> Iterator[list[Running]]:
    """All of them started, and all ended whatever happens."""
    require_linux()
    with ExitStack() as stack:
        started = []
        for service in services:
            log = stack.enter_context(tempfile.NamedTemporaryFile(prefix="bench-"))
            started.append(Running(service, free_port(), log))
            stack.callback(started[-1].stop)
        for each in started:
            each.wait_until_ready()
        yield started
