"""Whatever a view answers with is closed once, where it ran, however it ends: on real servers.

`tests/layer/test_stream_ends.py` asks the same in one process. Here are some of the combinations;
with ALL_ENDS=1 in the environment, all of them.
"""

from __future__ import annotations

import importlib.util
import json
import os
import re
import signal
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from itertools import product
from pathlib import Path
from urllib.parse import urlencode

import pytest

from _serving import end, environment, served, Server
from _streams import CHUNK, CHUNKS, expected, ways
from soak._wire import ConnectionEnded, head, Plain

TESTS = Path(__file__).parents[1]
PATIENCE = 20.0
APP = "servers._ends:app"
COMMANDS = {
    "hypercorn": ("hypercorn", APP, "--bind", "127.0.0.1:{port}"),
    "trio": ("hypercorn", APP, "--bind", "127.0.0.1:{port}", "--worker-class", "trio"),
    "uvicorn": ("uvicorn", APP, "--port", "{port}", "--timeout-graceful-shutdown", "1"),
    "granian": ("granian", APP, "--interface", "asgi", "--port", "{port}"),
}
#: The class of the application, of which kind its views are, and where plain ones run.
KINDS = [*product(["flask", "quart"], ["plain", "async"], ["thread", "loop"])]
SOME = [("flask", "plain", "thread"), ("flask", "async", "loop"), ("quart", "async", "thread")]


@pytest.fixture(scope="module", params=COMMANDS)
def command(request: pytest.FixtureRequest) -> tuple[str, ...]:
    command = COMMANDS[request.param]
    for name in (request.param, command[0]):
        if importlib.util.find_spec(name) is None:
            pytest.skip(f"{name} is not installed")
    return command


@pytest.fixture(scope="module", params=KINDS if os.environ.get("ALL_ENDS") else SOME, ids="-".join)
def kind(request: pytest.FixtureRequest) -> tuple[str, str, str]:
    chosen: tuple[str, str, str] = request.param
    return chosen


@contextmanager
def serving(command: tuple[str, ...], kind: tuple[str, str, str], folder: Path) -> Iterator[Server]:
    application, views, place = kind
    env = environment(place, APPLICATION_KIND=application, VIEWS=views)
    with served(command, TESTS, env | {"PYTHONWARNINGS": "default"}, folder / "log") as server:
        yield server


@pytest.fixture(scope="module", autouse=True)
def chosen(command: tuple[str, ...], kind: tuple[str, str, str]) -> None:
    if "trio" in command and kind != SOME[0] and not os.environ.get("ALL_ENDS"):
        pytest.skip("one of its applications is enough; ALL_ENDS=1 asks each")


@pytest.fixture(scope="module")
def server(
    command: tuple[str, ...],
    kind: tuple[str, str, str],
    tmp_path_factory: pytest.TempPathFactory,
) -> Iterator[Server]:
    with serving(command, kind, tmp_path_factory.mktemp("ends")) as server:
        yield server


def begun(server: Server, way: str, end: str, key: str) -> Plain:
    """Ask for a stream; return the connection once it begins to come."""
    client = Plain(server.port)
    query = urlencode({"way": way, "end": end, "key": key})
    client.send(head("GET", f"/stream?{query}", {}))
    return client


def noted(server: Server, key: str) -> list[str]:
    client = Plain(server.port)
    client.send(head("GET", f"/noted?{urlencode({'key': 'asked', 'end': '', 'of': key})}", {}))
    found: list[str] = json.loads(client.read_answer()[2])["notes"]
    client.close()
    return found


def until(condition: Callable[[], object]) -> None:
    limit = time.monotonic() + PATIENCE
    while not condition() and time.monotonic() < limit:
        time.sleep(0.05)


def wait_for_it_to_wait(server: Server, client: Plain, key: str) -> None:
    """Take what comes before the stream waits, which no server has to keep until then."""
    client.read_head()
    client.read(CHUNKS * len(CHUNK))
    until(lambda: "waits" in noted(server, key))


# What a client does. Each is given the server, the way of answering, and a key.


def reads_all(server: Server, way: str, key: str) -> None:
    client = begun(server, way, "ends", key)
    status, _, body = client.read_answer()
    assert status in (200, 201)
    assert len(body) > len(CHUNK)  # A file has other pieces.
    client.close()


def reads_until_it_fails(server: Server, way: str, key: str) -> None:
    client = begun(server, way, "fails", key)
    with suppress(ConnectionEnded, ValueError):
        client.read_answer()
    client.close()


def reads_some_and_leaves(server: Server, way: str, key: str) -> None:
    client = begun(server, way, "goes on", key)
    client.read_head()
    client.read(CHUNKS * len(CHUNK))
    client.close()


def stalls_and_leaves(server: Server, way: str, key: str) -> None:
    client = begun(server, way, "goes on", key)
    client.read_head()
    time.sleep(0.3)  # The server's buffers are full by then.
    client.close()


def leaves_while_it_waits(server: Server, way: str, key: str) -> None:
    client = begun(server, way, "waits", key)
    wait_for_it_to_wait(server, client, key)
    assert "waits" in noted(server, key)
    client.close()


CLIENTS = [
    *(reads_all, reads_until_it_fails, reads_some_and_leaves, stalls_and_leaves),
    leaves_while_it_waits,
]


@pytest.mark.parametrize("client", CLIENTS, ids=lambda client: client.__name__)
def test_a_stream_is_closed_however_it_ends(
    server: Server, kind: tuple[str, str, str], client: Callable[[Server, str, str], None]
) -> None:
    end = "waits" if client is leaves_while_it_waits else ""
    wanted = {way: expected(way) for way in ways(kind[0], kind[1], end)}

    def ask(way: str) -> list[str]:
        key = f"{way} {client.__name__}"
        client(server, way, key)
        seen: list[str] = []

        def has_ended() -> bool:
            seen[:] = [note for note in noted(server, key) if note != "waits"]
            return seen == wanted[way]

        until(has_ended)
        return seen

    with ThreadPoolExecutor(6) as clients:
        assert dict(zip(wanted, clients.map(ask, wanted), strict=True)) == wanted


def test_a_stream_is_closed_as_the_server_stops(
    command: tuple[str, ...], kind: tuple[str, str, str], tmp_path: Path
) -> None:
    keys: dict[str, str] = {}
    clients: list[Plain] = []
    with serving(command, kind, tmp_path) as server:
        for stream in ("goes on", "waits"):
            for way in ways(kind[0], kind[1], stream):
                keys[key := f"{way} {stream}"] = way
                clients.append(begun(server, way, stream, key))
        for key, client in zip(keys, clients, strict=True):
            if key.endswith("waits"):
                wait_for_it_to_wait(server, client, key)
            else:
                client.read_head()
        server.was_stopped = True
        server.process.send_signal(signal.SIGTERM)
        if command[0] == "granian":
            # It waits for its clients without a limit.
            time.sleep(0.5)
            for client in clients:
                client.close()
        try:
            server.process.wait(PATIENCE)
        finally:
            end(server.process)
            for client in clients:
                client.close()
    if "Cannot drop pointer into Python heap" in server.output():
        pytest.skip(
            "Granian itself aborts now and then as it drops an object of Python's at its end"
        )
    # Another process of the server may have begun a line of the same log.
    told = re.findall(r"notes: (\{.*\})$", server.output(), re.MULTILINE)
    assert len(told) == 1, f"status {server.process.returncode}, {server.output()}"
    seen = {key: [note for note in json.loads(told[0])[key] if note != "waits"] for key in keys}
    assert seen == {key: expected(way) for key, way in keys.items()}
