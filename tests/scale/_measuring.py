"""Two things that answer the same, asked by turns."""

from __future__ import annotations

import asyncio
import os
import platform
import re
import subprocess
import time
from collections.abc import Iterable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from statistics import median

from websockets.asyncio.client import ClientConnection, connect

from _serving import Server

from ._services import program

SECONDS, ROUNDS = 3, 3
CLIENTS, MESSAGES = 500, 20
BUSY = 0.3  # of all processors, in a second in which we ask nothing
TICKS = os.sysconf("SC_CLK_TCK")


@dataclass(frozen=True)
class Load:
    per_second: float
    micros: float  # of the processor, for each


@dataclass(frozen=True)
class Asked:
    """What is asked for an answer, and the processes that have to do with it."""

    url: str
    pids: Sequence[int]

    def load(self) -> Load:
        before = processor_seconds(self.pids)
        line = [program("wrk", "wrk"), "-t1", "-c16", f"-d{SECONDS}s", self.url]
        said = subprocess.run(line, capture_output=True, text=True, check=True, timeout=60).stdout
        assert "Non-2xx" not in said, f"{self.url}: {said}"
        count = int(re.findall(r"(\d+) requests in", said)[0])
        micros = (processor_seconds(self.pids) - before) / count * 1e6
        return Load(float(re.findall(r"Requests/sec:\s+([\d.]+)", said)[0]), micros)


@dataclass(frozen=True)
class Compared:
    what: str
    with_what: str
    rate: float | None  # None where the machine had other work, so that it would say nothing
    micros: float

    @property
    def row(self) -> str:
        rate = "-" if self.rate is None else f"{self.rate:.2f}"
        return f"| {self.what} | {self.with_what} | {rate} | {self.micros:.2f} |"


def processor_seconds(pids: Iterable[int]) -> float:
    """What the processes and those that they have started have taken."""
    parents: dict[int, int] = {}
    taken: dict[int, float] = {}
    for path in Path("/proc").glob("[0-9]*/stat"):
        with suppress(OSError):
            fields = path.read_text().rpartition(")")[2].split()
            pid = int(path.parent.name)
            parents[pid] = int(fields[1])
            taken[pid] = (int(fields[11]) + int(fields[12])) / TICKS
    family = set(pids)
    while more := {pid for pid, parent in parents.items() if parent in family} - family:
        family |= more
    return sum(taken.get(pid, 0.0) for pid in family)


# --- A broadcast ---------------------------------------------------------------------------------


@dataclass(frozen=True)
class Heard:
    """A chat with clients that all hear a number of messages."""

    server: Server

    def load(self) -> Load:
        return asyncio.run(self.hear())

    async def hear(self) -> Load:
        url = f"ws://127.0.0.1:{self.server.port}/chat"
        opened: list[ClientConnection] = []
        try:
            for _ in range(0, CLIENTS, 50):
                opening = (
                    connect(url, proxy=None, compression=None, ping_interval=None)
                    for _ in range(50)
                )
                opened += await asyncio.gather(*opening)
            is_in_full = "in_full:app" in " ".join(map(str, self.server.process.args))
            if is_in_full:  # the first that it says is where one begins
                await asyncio.gather(*(each.recv() for each in opened))
            before, began = processor_seconds([self.server.process.pid]), time.perf_counter()
            for number in range(MESSAGES):
                text = f'{{"key": "{os.urandom(8).hex()}", "text": "{number}"}}'
                await opened[0].send(text)
            await asyncio.gather(*(self.take(each) for each in opened))
            seconds = time.perf_counter() - began
            taken = processor_seconds([self.server.process.pid]) - before
        finally:
            await asyncio.gather(*(each.close() for each in opened))
        count = CLIENTS * MESSAGES
        return Load(count / seconds, taken / count * 1e6)

    async def take(self, connection: ClientConnection) -> None:
        for _ in range(MESSAGES):
            await connection.recv()


# --- Comparing ------------------------------------------------------------------------------------


def work_of_others() -> float:
    """How much of all processors is used in the next second, from 0 to 1; our servers wait then."""
    used, total = _ticks()
    time.sleep(1)  # That is the second.
    used_then, total_then = _ticks()
    return (used_then - used) / max(total_then - total, 1)


def _ticks() -> tuple[int, int]:
    # Linux: user, nice, system, idle, waiting for a disk, and more that is work.
    times = [int(each) for each in Path("/proc/stat").read_text().split("\n", 1)[0].split()[1:]]
    return sum(times) - times[3] - times[4], sum(times)


def compare(what: str, with_what: str, one: Asked | Heard, other: Asked | Heard) -> Compared:
    is_busy = work_of_others() > BUSY
    for each in (one, other):  # the first requests make connections, and fill caches
        each.load()
    loads = [(one.load(), other.load()) for _ in range(ROUNDS)]
    rates = [median(pair[at].per_second for pair in loads) for at in (0, 1)]
    micros = [median(pair[at].micros for pair in loads) for at in (0, 1)]
    rate = None if is_busy else rates[0] / rates[1]
    return Compared(what, with_what, rate, micros[0] / micros[1])


# --- The page ------------------------------------------------------------------------------------


def page_with(page: str, found: Sequence[Compared]) -> str:
    """The page with what was measured in the place of what it has."""
    table = "\n".join(
        [
            f"Python {platform.python_version()}, {os.cpu_count()} processors.",
            "",
            "| what | against | requests in a second | processor time of each |",
            "|---|---|--:|--:|",
            *(each.row for each in found),
        ]
    )
    start, end = "<!-- scale: start -->", "<!-- scale: end -->"
    before, _, rest = page.partition(start)
    _, _, after = rest.partition(end)
    return f"{before}{start}\n\n{table}\n\n{end}{after}"
