"""Some of the soak program's work: afterwards a server's process has what it had before."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import product
from pathlib import Path

import pytest

from . import _state, disconnects, forks, mixed, shutdown
from ._served import AT_SERVERS, installed, PLACES, serving_of

SERVERS = ("hypercorn", "uvicorn", "granian")
#: A loop in a worker thread is no matter of the server's, so one server is enough.
PAIRS = [*product(SERVERS, AT_SERVERS), ("hypercorn", "own-loop")]
SEED = 1
pytestmark = pytest.mark.skipif(
    not Path("/proc/self/statm").exists(), reason="asks Linux for what a process has"
)


@pytest.fixture(scope="module", params=PAIRS, ids="-".join)
def pair(request: pytest.FixtureRequest) -> tuple[str, str]:
    server, place = request.param
    return installed(server), place


@pytest.fixture(scope="module")
def port(pair: tuple[str, str], tmp_path_factory: pytest.TempPathFactory) -> Iterator[int]:
    log = tmp_path_factory.mktemp("flat") / "log"
    with serving_of(*pair, log, "_mixed") as (one, _):
        yield one.port


@pytest.fixture(autouse=True)
def soon(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(_state, "PAUSE", 0.5)


def test_requests_leave_nothing(port: int) -> None:
    done, *_ = mixed.measured(mixed.requests, port, 600, SEED)
    assert done.total() >= 600


def test_websockets_leave_nothing(port: int, pair: tuple[str, str]) -> None:
    paths = mixed.websocket_paths(pair[1])
    done, *_ = mixed.measured(mixed.websockets(paths), port, 72, SEED)
    assert done.total() >= 72


def test_contexts_leave_nothing(port: int) -> None:
    done, *_ = mixed.measured(mixed.contexts, port, 1_200, SEED)
    assert done.total() >= 1_200


def test_clients_that_leave_at_any_stage_leave_nothing(port: int, pair: tuple[str, str]) -> None:
    server, _ = pair
    count = 2 * len(disconnects.told_of(server))
    done, *_ = mixed.measured(disconnects.leaving(server), port, count, SEED)
    assert done.total() >= count


@pytest.mark.parametrize("server", SERVERS)
def test_a_server_that_is_told_to_end_ends_what_it_began(server: str, tmp_path: Path) -> None:
    shutdown.repeated(installed(server), "thread", 1, SEED, tmp_path / "log")


@pytest.mark.parametrize("place", PLACES)
def test_forks_leave_nothing(place: str) -> None:
    forks.run(place, 3)
