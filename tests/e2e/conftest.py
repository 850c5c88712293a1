"""The notes application on each server, and people who use it."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from ._client import Person
from ._server import LIVE, PLAIN, Server, Serving, serving_notes


def serve_quietly(serving: Serving, folder: Path) -> Iterator[Server]:
    """Serve the notes and hold that nothing went wrong behind the client's back."""
    with serving_notes(serving, folder) as server:
        yield server
    assert "Traceback" not in server.output(), server.output()


@pytest.fixture(scope="session", params=LIVE, ids=str)
def live_server(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Server]:
    """The notes through the layer, on each ASGI server and in both places."""
    yield from serve_quietly(request.param, tmp_path_factory.mktemp("live"))


@pytest.fixture(scope="session", params=[PLAIN, *LIVE], ids=str)
def server(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Server]:
    """As `live_server`, and on plain Flask: there the same code gives the same answers."""
    yield from serve_quietly(request.param, tmp_path_factory.mktemp("notes"))


@pytest.fixture
def stranger(server: Server) -> Iterator[Person]:
    with Person(server.url) as person:
        yield person


@pytest.fixture
def user(stranger: Person) -> Person:
    """Somebody who is registered and logged in."""
    stranger.register()
    stranger.log_in()
    return stranger


@pytest.fixture
def live_stranger(live_server: Server) -> Iterator[Person]:
    with Person(live_server.url) as person:
        yield person


@pytest.fixture
def live_user(live_stranger: Person) -> Person:
    live_stranger.register()
    live_stranger.log_in()
    return live_stranger
