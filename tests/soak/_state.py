"""The state of a process: memory, threads, open files and objects; and whether it has grown."""

from __future__ import annotations

import gc
import json
import os
import threading
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from ._wire import ConnectionEnded, head, Plain

MIB = 1 << 20
#: How many more bytes a process may use afterwards, as a heap has holes.
MORE_MEMORY = 24 * MIB
#: One object of a type may be left for this many requests, besides a few.
ONE_IN, BESIDES = 200, 150
#: Seconds in which ended requests must be freed.
SETTLES, PAUSE = 60.0, 1.5


def state_of_this_process() -> dict[str, Any]:
    for _ in range(3):
        gc.collect()
    objects = Counter(_name(type(each)) for each in gc.get_objects())
    with open("/proc/self/statm", encoding="ascii") as file:
        pages = int(file.read().split()[1])
    return {
        "memory": pages * os.sysconf("SC_PAGESIZE"),
        "threads": threading.active_count(),
        "files": len(os.listdir("/proc/self/fd")),
        "objects": dict(objects),
    }


def _name(kind: type) -> str:
    return f"{kind.__module__}.{kind.__qualname__}"


class Grown(AssertionError):
    """A process holds more than before."""


@dataclass(frozen=True)
class State:
    """The state of a server's process at one time."""

    memory: int
    threads: int
    files: int
    objects: dict[str, int]
    counts: dict[str, int]

    @property
    def all_objects(self) -> int:
        return sum(self.objects.values())


class Asking:
    """A connection for asking the server; another one would count as an open file."""

    def __init__(self, port: int) -> None:
        self._port = port
        self._connection = Plain(port)

    def __enter__(self) -> Asking:
        return self

    def __exit__(self, *args: object) -> None:
        self._connection.close()

    def ask(self, path: str) -> Any:
        try:
            return self._ask(path)
        except ConnectionEnded:  # A server does not keep one for ever.
            self._connection.close()
            self._connection = Plain(self._port)
            return self._ask(path)

    def _ask(self, path: str) -> Any:
        self._connection.send(head("GET", path, {}))
        return json.loads(self._connection.read_answer()[2])

    def state(self) -> State:
        return State(**self.ask("/state"))


def growth(before: State, after: State, done: int) -> list[str]:
    """Return what *after* has more of than *before*, beyond random variation."""
    grown = [
        f"{name}: {old} -> {new}"
        for name, old, new, more in (
            ("memory", before.memory, after.memory, MORE_MEMORY),
            ("threads", before.threads, after.threads, 0),
            ("files", before.files, after.files, 0),
        )
        if new > old + more
    ]
    allowed = BESIDES + done // ONE_IN
    for name, new in after.objects.items():
        old = before.objects.get(name, 0)
        if new > old + allowed:
            grown.append(f"objects of {name}: {old} -> {new}")
    counts = after.counts
    # The request for the state itself has begun.
    if counts["begun"] != counts["ended"] + 1:
        grown.append(f"{counts['begun'] - 1} begun, {counts['ended']} ended")
    if counts["streams begun"] != counts["streams closed"]:
        grown.append(f"{counts['streams begun']} streams, {counts['streams closed']} closed")
    return grown


def at_rest(port: int) -> State:
    """Wait until nothing is under way or being closed, and return the state."""
    earlier: list[State] = []

    def grown(state: State) -> list[str]:
        grown = growth(earlier[-1] if earlier else state, state, 0)
        closes = bool(earlier) and state.files < earlier[-1].files
        earlier.append(state)
        return grown if len(earlier) > 1 and not closes else ["looked at once more"]

    return _once_not(grown, port)


def settled(port: int, before: State, done: int) -> State:
    """Wait until the state is as *before*, and return it.

    Raises:
        Grown: if it does not get there.
    """
    return _once_not(lambda after: growth(before, after, done), port)


def _once_not(grown: Callable[[State], list[str]], port: int) -> State:
    limit = time.monotonic() + SETTLES
    with Asking(port) as asking:
        while True:
            time.sleep(PAUSE)
            state = asking.state()
            found = grown(state)
            if not found:
                return state
            if time.monotonic() > limit:
                raise Grown("; ".join(found))
