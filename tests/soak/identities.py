"""Send requests of different users on the same connections; none must find anything of others."""

from __future__ import annotations

import json
import random
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from concurrent.futures import as_completed, ThreadPoolExecutor
from typing import Any

from ._wire import Connection, ConnectionEnded, OverHTTP1, OverHTTP2, Request

USERS = ["alice", "bob", "carol", None]
#: The number of threads that make requests, and of connections for each.
THREADS, CONNECTIONS = 4, 6
#: More than a server takes ahead of the application, so that it stops reading.
LARGE = 300_000
SMALL = 100
Step = Iterator[None]


class MixUp(AssertionError):
    """A request has found something of another one."""


class Client:
    """Makes requests, and checks what each has found."""

    def __init__(
        self,
        port: int,
        http_version: str,
        chance: random.Random,
        done: Counter[str] | None = None,
    ) -> None:
        self._connect: Callable[[], Connection] = lambda: (
            OverHTTP2(port) if http_version == "2" else OverHTTP1(port)
        )
        self._chance = chance
        self._cookies: dict[str | None, str | None] = {}
        self.connection = self._connect()
        #: How often each was done, and how often a server closed a connection in the middle.
        self.done: Counter[str] = Counter() if done is None else done

    def renew(self) -> None:
        self.connection.close()
        self.connection = self._connect()

    def request(self, path: str, user: str | None, body: bytes = b"") -> Request:
        return Request(path, user, self._cookies.get(user), body)

    def check(self, request: Request, text: str) -> None:
        answer: dict[str, Any] = json.loads(text)
        user = request.user
        expected = {
            "g": None,
            "variable": None,
            "session": user if request.cookie else None,
            "user": user,
            "own": user,
        }
        if "known" in answer:
            expected["known"] = user
        found = {name: answer[name] for name in expected}
        if found != expected:
            raise MixUp(f"{request.path} of {user} found {found}, expected {expected}")
        if request.set_cookie and user is not None:
            self._cookies[user] = request.set_cookie
        self.done[request.path] += 1

    def exchange(self, *requests: Request) -> Step:
        """Send *requests* at once, those without a body, and read the answers."""
        for request in requests:
            self.connection.begin(request)
            yield
            self.connection.finish(request)
        yield
        for request in requests:
            self.connection.answer(request)
            self.check(request, request.text)

    def exchange_unchecked(self, request: Request) -> Step:
        self.connection.begin(request)
        yield
        self.connection.answer(request)

    # What users do

    def asks(self, user: str | None) -> Step:
        yield from self.exchange(self.request("/me", user))

    def uploads(self, user: str | None) -> Step:
        yield from self.exchange(self.request("/read", user, b"x" * LARGE))

    def is_refused(self, user: str | None) -> Step:
        body = b"x" * self.connection.unread_size
        yield from self.exchange(self.request("/unread", user, body))

    def posts(self, user: str | None) -> Step:
        yield from self.exchange(self.request("/me", user, b"x" * SMALL))

    def streams(self, user: str | None) -> Step:
        yield from self.exchange(self.request("/stream", user))

    def fails(self, user: str | None) -> Step:
        yield from self.exchange(self.request("/error", user))

    def asks_at_once(self, user: str | None) -> Step:
        others = self._chance.sample(USERS, 2)
        paths = self._chance.choices(["/me", "/stream", "/error"], k=3)
        yield from self.exchange(*map(self.request, paths, [user, *others]))

    def speaks(self, user: str | None) -> Step:
        if not self.connection.has_websockets:
            return
        yield from self.exchange(self.request("/me", self._chance.choice(USERS)))
        request = self.request("/socket", user)
        self.check(request, self.connection.websocket(request))
        self.renew()


ACTIONS = [
    Client.asks,
    Client.uploads,
    Client.is_refused,
    Client.posts,
    Client.streams,
    Client.fails,
    Client.asks_at_once,
    Client.speaks,
]
#: Fewer uploads, as one takes as long as many other requests.
WEIGHTS = [20, 2, 1, 10, 8, 8, 8, 3]


def run(port: int, http_version: str, requests: int, seed: int) -> Counter[str]:
    """Make *requests* in an order by chance, in several threads with several connections each.

    Raises:
        MixUp: if one of them found anything of another.
    """
    chance = random.Random(seed)
    stop = threading.Event()
    done: Counter[str] = Counter()
    with ThreadPoolExecutor(THREADS) as pool:
        futures = [
            pool.submit(_run, port, http_version, -(-requests // THREADS), chance.random(), stop)
            for _ in range(THREADS)
        ]
        try:
            for future in as_completed(futures):
                done += future.result()
        finally:
            stop.set()
    ended(port, http_version)
    return done


def _run(
    port: int, http_version: str, requests: int, seed: float, stop: threading.Event
) -> Counter[str]:
    chance = random.Random(seed)
    done: Counter[str] = Counter()
    clients = [Client(port, http_version, chance, done) for _ in range(CONNECTIONS)]
    steps: dict[Client, Step] = {}
    while done.total() < requests and not stop.is_set():
        client = chance.choice(clients)
        if client not in steps:
            act = chance.choices(ACTIONS, WEIGHTS)[0]
            steps[client] = act(client, chance.choice(USERS))
        try:
            next(steps[client])
        except StopIteration:
            del steps[client]
        except ConnectionEnded:
            del steps[client]
            done["closed by the server"] += 1
            client.renew()
    for client in clients:
        client.connection.close()
    return done


def ended(port: int, http_version: str) -> None:
    """Check that the context of each request has ended, once; the last one's may do so now."""
    client = Client(port, http_version, random.Random())
    limit = time.monotonic() + 10
    while True:
        request = client.request("/counts", None)
        for _ in client.exchange_unchecked(request):
            pass
        counts = json.loads(request.text)
        # This very one has begun, and has not ended.
        if counts["begun"] == counts["ended"] + 1:
            break
        if time.monotonic() > limit:
            raise MixUp(f"{counts['begun'] - 1} requests, {counts['ended']} contexts ended")
        time.sleep(0.05)
    client.connection.close()
