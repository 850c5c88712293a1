"""Many kinds of requests, websockets and contexts: afterwards a server has what it had before."""

from __future__ import annotations

import random
import threading
from collections import Counter
from collections.abc import Callable
from concurrent.futures import as_completed, ThreadPoolExecutor

from ._exchanges import Chance, KINDS, speaks, WEIGHTS, Wrong
from ._state import Asking, at_rest, settled, State
from ._wire import ConnectionEnded, Plain

THREADS = 12
#: How many requests come before the first look, so that threads and caches exist.
WARM_UP = 4_000
#: After this many requests a client opens a new connection.
RENEWED = 500
ROUNDS = 25

#: Does this many random requests, or until it is told to stop.
Work = Callable[[int, int, random.Random, threading.Event], Counter[str]]


def measured(
    work: Work, port: int, count: int, seed: int, warm_up: int = WARM_UP
) -> tuple[Counter[str], State, State]:
    """Do *work*; return what was done, and the server's state before and after.

    Raises:
        Grown: if the server has more afterwards than it had before.
        Wrong: if an answer was not the expected one.
    """
    _in_threads(work, port, min(count, warm_up), seed + 1)
    before = at_rest(port)
    done = _in_threads(work, port, count, seed)
    return done, before, settled(port, before, count)


def _in_threads(work: Work, port: int, count: int, seed: int) -> Counter[str]:
    chance = random.Random(seed)
    done: Counter[str] = Counter()
    stop = threading.Event()
    with ThreadPoolExecutor(THREADS) as pool:
        share = -(-count // THREADS)
        chances = [random.Random(chance.random()) for _ in range(THREADS)]
        futures = [pool.submit(work, port, share, each, stop) for each in chances]
        try:
            for future in as_completed(futures):
                done += future.result()
        finally:
            stop.set()
    return done


def requests(port: int, count: int, chance: random.Random, stop: threading.Event) -> Counter[str]:
    done: Counter[str] = Counter()
    connection = Plain(port)
    while done.total() < count and not stop.is_set():
        if done.total() % RENEWED == RENEWED - 1:
            connection.close()
            connection = Plain(port)
        kind = chance.choices(KINDS, WEIGHTS)[0]
        message, expected = kind(Chance.of(chance))
        try:
            connection.send(message)
            seen = connection.read_answer()
        except ConnectionEnded:
            # A server may close a connection after any answer; send the request again.
            connection.close()
            connection = Plain(port)
            connection.send(message)
            seen = connection.read_answer()
        if not expected(seen):
            raise Wrong(f"{kind.__name__}: {seen}")
        done[kind.__name__] += 1
    connection.close()
    return done


def websocket_paths(place: str) -> list[str]:
    """Return what speaks there; only plain views have an extension that takes over."""
    paths = ["/echo", "/push", "/fail"]
    return [*paths, "/taken"] if place in {"thread", "loop"} else paths


def websockets(paths: list[str]) -> Work:
    def work(port: int, count: int, chance: random.Random, stop: threading.Event) -> Counter[str]:
        done: Counter[str] = Counter()
        while done.total() < count and not stop.is_set():
            done[speaks(port, chance.choice(paths), Chance.of(chance))] += 1
        return done

    return work


def contexts(port: int, count: int, chance: random.Random, stop: threading.Event) -> Counter[str]:
    done: Counter[str] = Counter()
    with Asking(port) as asking:
        while done.total() < count and not stop.is_set():
            done["contexts"] += int(asking.ask(f"/contexts/{ROUNDS}"))
    return done
