"""Extensions that speak websockets by themselves, over real sockets with real clients."""

import re
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from queue import SimpleQueue
from typing import Any

import httpx
import pytest
from websockets.exceptions import ConnectionClosed, InvalidStatus
from websockets.sync.client import connect
from websockets.typing import Origin, Subprotocol

from ._server import environment, served, Server

pytest.importorskip("flask_sock", reason="Flask-Sock is not installed")
socketio = pytest.importorskip("socketio", reason="Flask-SocketIO's client is not installed")
pytest.importorskip("flask_socketio", reason="Flask-SocketIO is not installed")

HERE = Path(__file__).parent / "sockets"
PATIENCE = 15.0
SERVERS = {
    "hypercorn": ["hypercorn", "--bind", "127.0.0.1:{port}"],
    "uvicorn": ["uvicorn", "--port", "{port}"],
}
#: simple-websocket's own race, which Flask's server has too: its reader closes the socket after
#: `close()`, called in another thread, has seen that it is open.
CLOSED_TWICE = re.compile(
    r"Exception in thread .*\nTraceback .*\n(?: .*\n)*"
    r" .*simple_websocket.ws\.py.* in close\n .*\n(?:[ ^~]+\n)?OSError: \[Errno 9\] .*\n?"
)
TRANSPORTS = [["polling"], ["websocket"], ["polling", "websocket"]]


@pytest.fixture(scope="module", params=["thread", "loop"])
def place(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture(scope="module", params=SERVERS)
def command(request: pytest.FixtureRequest) -> list[str]:
    return SERVERS[request.param]


def serve(command: list[str], app: str, place: str, log: Path) -> Iterator[Server]:
    with served([*command, f"{app}:app"], HERE, environment(place), log) as server:
        yield server
    output = CLOSED_TWICE.sub("", server.output())
    assert "Traceback" not in output, output


@pytest.fixture(scope="module")
def echo(
    command: list[str], place: str, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Server]:
    """An application with a websocket of Flask-Sock's."""
    yield from serve(command, "echo", place, tmp_path_factory.mktemp("echo") / "log")


@pytest.fixture(scope="module")
def rooms(
    command: list[str], place: str, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Server]:
    """An application with Flask-SocketIO."""
    yield from serve(command, "rooms", place, tmp_path_factory.mktemp("rooms") / "log")


# --- Flask-Sock ----------------------------------------------------------------------------------


def open_echo(server: Server, **options: Any) -> Any:
    url = f"{server.url.replace('http', 'ws')}/echo/hello?q=1"
    return connect(url, close_timeout=PATIENCE, open_timeout=PATIENCE, **options)


def test_a_websocket_sees_the_request_and_the_session(echo: Server) -> None:
    cookie = (
        httpx.get(f"{echo.url}/log-in/ann", verify=False).headers["set-cookie"].partition(";")[0]
    )
    with open_echo(echo, additional_headers={"Cookie": cookie}) as ws:
        assert ws.recv(PATIENCE) == "hello ann 1"


@pytest.mark.parametrize("compression", ["deflate", None])
def test_messages_of_any_size_come_back(echo: Server, compression: Any) -> None:
    with open_echo(echo, compression=compression) as ws:
        ws.recv(PATIENCE)
        for sent, expected in [("short", "SHORT"), ("ü" * 200_000, "Ü" * 200_000)]:
            ws.send(sent)
            assert ws.recv(PATIENCE) == expected
        for data in (b"\x00\xff", bytes(range(256)) * 2_000, b""):
            ws.send(data)
            assert ws.recv(PATIENCE) == data


@pytest.mark.parametrize(
    ("said", "code", "reason"), [("return", 1000, ""), ("close", 4001, "enough")]
)
def test_the_client_is_told_how_it_ends(echo: Server, said: str, code: int, reason: str) -> None:
    with open_echo(echo) as ws:
        ws.recv(PATIENCE)
        ws.send(said)
        with pytest.raises(ConnectionClosed) as ended:
            ws.recv(PATIENCE)
    assert ended.value.rcvd is not None
    assert (ended.value.rcvd.code, ended.value.rcvd.reason) == (code, reason)


def test_a_subprotocol_is_agreed_upon(echo: Server) -> None:
    with open_echo(echo, subprotocols=[Subprotocol("other"), Subprotocol("talk")]) as ws:
        assert ws.subprotocol == "talk"


def test_more_websockets_than_threads_leave_requests_alone(echo: Server) -> None:
    with ExitStack() as stack:
        many = [stack.enter_context(open_echo(echo)) for _ in range(45)]
        assert {ws.recv(PATIENCE) for ws in many} == {"hello None 1"}
        assert httpx.get(f"{echo.url}/log-in/bob", timeout=PATIENCE, verify=False).text == "bob"


def test_a_websocket_without_a_route_is_refused(echo: Server) -> None:
    url = f"{echo.url.replace('http', 'ws')}/nowhere"
    with pytest.raises(InvalidStatus) as refused, connect(url):
        pass
    assert refused.value.response.status_code == 404


@pytest.mark.parametrize("path", ["taken", "own"])
def test_a_guard_stands_before_a_websocket(echo: Server, path: str) -> None:
    url = f"{echo.url.replace('http', 'ws')}/members/{path}"
    with pytest.raises(InvalidStatus) as refused, connect(url):
        pass
    assert refused.value.response.status_code == 401
    assert refused.value.response.headers["x-served-by"] == "echo"
    assert httpx.get(f"{echo.url}/ran", verify=False).json() == ["before", "after", "teardown"]
    cookie = (
        httpx.get(f"{echo.url}/log-in/ann", verify=False).headers["set-cookie"].partition(";")[0]
    )
    with connect(url, additional_headers={"Cookie": cookie}) as ws:
        assert ws.recv(PATIENCE) == "members' news for ann"
        with pytest.raises(ConnectionClosed):
            ws.recv(PATIENCE)
    after = ["after"] if path == "taken" else []
    told: list[str] = []
    while "teardown" not in told:
        told += httpx.get(f"{echo.url}/ran", verify=False).json()
    assert told == ["before", "view", *after, "teardown"]


@pytest.mark.parametrize("path", ["echo/hello", "members/own"])
def test_a_page_of_another_site_is_refused(echo: Server, path: str) -> None:
    url = f"{echo.url.replace('http', 'ws')}/{path}"
    with pytest.raises(InvalidStatus) as refused, connect(url, origin=Origin("https://e.example")):
        pass
    assert refused.value.response.status_code == 403
    cookie = (
        httpx.get(f"{echo.url}/log-in/ann", verify=False).headers["set-cookie"].partition(";")[0]
    )
    for origin in (echo.url, "https://friend.example"):
        headers = {"Cookie": cookie}
        with connect(url, origin=Origin(origin), additional_headers=headers) as ws:
            assert "ann" in ws.recv(PATIENCE)
    httpx.get(f"{echo.url}/ran", verify=False)


# --- Flask-SocketIO ------------------------------------------------------------------------------


class Guest:
    """A client of Socket.IO, and what it was told."""

    def __init__(self, server: Server, transports: list[str]) -> None:
        self.told: SimpleQueue[tuple[str, Any]] = SimpleQueue()
        self.client = socketio.Client(reconnection=False)
        for event in ("welcome", "said", "worked"):
            self.client.on(event, lambda data, event=event: self.told.put((event, data)))
        url = f"{server.url}?q=1"
        self.client.connect(url, transports=transports, auth="key", wait_timeout=PATIENCE)
        assert self.next() == ("welcome", {"auth": "key", "q": "1"})

    def next(self) -> tuple[str, Any]:
        return self.told.get(timeout=PATIENCE)

    def leave(self) -> None:
        self.client.disconnect()
        self.client.wait()


@pytest.fixture(params=TRANSPORTS, ids="-".join)
def transports(request: pytest.FixtureRequest) -> list[str]:
    """Long polling, a websocket, or the one and then the other."""
    return list(request.param)


@pytest.fixture
def guest(rooms: Server, transports: list[str]) -> Iterator[Guest]:
    guest = Guest(rooms, transports)
    yield guest
    guest.leave()


def test_events_are_answered(guest: Guest, transports: list[str]) -> None:
    assert guest.client.call("add", 3, timeout=PATIENCE) == 3
    assert guest.client.call("add", 4, timeout=PATIENCE) == 7
    assert guest.client.transport() == transports[-1]


def test_everybody_in_a_room_is_told(rooms: Server, guest: Guest, transports: list[str]) -> None:
    other = Guest(rooms, transports)
    other.client.emit("say", ("room", "first"))
    assert other.next() == ("said", "first")
    guest.client.emit("say", ("room", b"\x00\xff" * 50_000))
    assert guest.next() == other.next() == ("said", b"\x00\xff" * 50_000)
    other.leave()


def test_a_background_task_may_emit(rooms: Server, guest: Guest) -> None:
    guest.client.emit("work")
    assert guest.next() == ("worked", "in the background")
    assert httpx.get(rooms.url, timeout=PATIENCE, verify=False).text == "index"
