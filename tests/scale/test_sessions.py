"""What two processes share in Redis: sessions, a cache, limits, and Socket.IO's messages."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from tempfile import TemporaryDirectory

import httpx
import pytest
import socketio

from _serving import Server

from ._examples import command, example, on_socket
from ._services import Nginx, Redis, until

pytestmark = pytest.mark.timeout(200)
PATIENCE = 60.0


@pytest.fixture
def server(python: str, redis: Redis, tmp_path: Path) -> Iterator[Server]:
    line = command("--app-dir sessions")
    with example(python, tmp_path / "log", line, REDIS_URL=redis.url) as server:
        yield server


def ask(
    server: Server, method: str, path: str, cookies: httpx.Cookies | None = None
) -> httpx.Response:
    """On a connection of its own, so that each process has its turn."""
    with httpx.Client(trust_env=False, timeout=PATIENCE, cookies=cookies) as client:
        return client.request(method, server.url + path)


def asked_until_both_answer(call: Callable[[], httpx.Response]) -> list[httpx.Response]:
    answers: list[httpx.Response] = []
    limit = time.monotonic() + PATIENCE
    while len({answer.json()["process"] for answer in answers if answer.is_success}) < 2:
        assert time.monotonic() < limit, answers
        answers.append(call())
    return answers


def test_a_session_goes_on_in_the_other_process_and_after_redis_was_away(
    server: Server, redis: Redis
) -> None:
    cookies = httpx.Cookies(ask(server, "GET", "/visits").cookies)
    answers = asked_until_both_answer(lambda: ask(server, "GET", "/visits", cookies=cookies))
    assert [each.json()["visits"] for each in answers] == [*range(2, len(answers) + 2)]
    redis.kill()
    assert ask(server, "GET", "/visits", cookies=cookies).status_code == 500
    redis.start()
    assert ask(server, "GET", "/visits", cookies=cookies).json()["visits"] == len(answers) + 2


def test_one_process_makes_what_both_answer_with(server: Server) -> None:
    made = [ask(server, "GET", "/report").json() for _ in range(10)]
    assert len({each["at"] for each in made}) == 1
    asked_until_both_answer(lambda: ask(server, "GET", "/process"))


def test_a_limit_is_that_of_both_together(server: Server) -> None:
    asked_until_both_answer(lambda: ask(server, "GET", "/process"))
    statuses = [ask(server, "POST", "/code").status_code for _ in range(12)]
    assert statuses == [200] * 5 + [429] * 7


class Client:
    """A client of Socket.IO that knows with which process it speaks."""

    def __init__(self, url: str, transports: list[str], path: str = "socket.io") -> None:
        self.heard: list[str] = []
        self.process = 0
        self.client = socketio.Client(reconnection=False)
        self.client.on("announcement", lambda told: self.heard.append(told["text"]))
        self.client.on("here", self.take_process)
        self.client.connect(url, transports=transports, socketio_path=path, wait_timeout=30)
        self.client.emit("where")
        until(lambda: self.process, "it knows its process")

    def take_process(self, told: dict[str, int]) -> None:
        self.process = told["process"]


def test_socket_io_reaches_the_clients_of_both(server: Server) -> None:
    with ExitStack() as stack:
        clients: list[Client] = []
        while len({client.process for client in clients}) < 2:
            assert len(clients) < 40
            clients.append(Client(server.url, ["websocket"]))
            stack.callback(clients[-1].client.disconnect)
        for text in ("one", "two"):
            assert ask(server, "POST", f"/announce/{text}").status_code == 202
        until(lambda: all(len(client.heard) == 2 for client in clients), "all have heard both")
        assert {tuple(client.heard) for client in clients} == {("one", "two")}


STICKY = """
upstream yourapp { ip_hash; server unix:%(folder)s/1.sock; server unix:%(folder)s/2.sock; }
server { listen 80; location / { proxy_pass http://yourapp; proxy_set_header Host $http_host; } }
"""


def test_long_polling_needs_a_proxy_that_is_sticky(
    python: str, redis: Redis, tmp_path: Path
) -> None:
    line = command("--app-dir sessions")
    at = line.index("--workers")
    with TemporaryDirectory(prefix="scale-") as name, ExitStack() as stack:
        for number in (1, 2):
            path = Path(name, f"{number}.sock")
            alone = [*line[:at], "--uds", str(path)]
            log = tmp_path / f"{number}.log"
            stack.enter_context(on_socket(python, alone, path, log, REDIS_URL=redis.url))
        nginx = Nginx(Path(name), STICKY % {"folder": name})
        nginx.start()
        stack.callback(nginx.stop)
        client = Client(f"http://127.0.0.1:{nginx.port}", ["polling"])
        stack.callback(client.client.disconnect)
        answer = httpx.post(f"http://127.0.0.1:{nginx.port}/announce/hello", trust_env=False)
        assert answer.status_code == 202
        until(lambda: client.heard == ["hello"], "it has heard")
