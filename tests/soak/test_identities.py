"""Users on one connection, on each server; and some of the soak program's requests by chance."""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator
from itertools import product
from typing import Any, NamedTuple

import pytest

from ._served import AT_SERVERS, installed, SERVERS, serving_of
from ._wire import ConnectionEnded
from .identities import ACTIONS, Client, ended, run

#: A loop in a worker thread is no matter of the server's, so one server is enough.
PAIRS = [*product(SERVERS, AT_SERVERS), ("uvicorn", "own-loop")]


class Served(NamedTuple):
    port: int
    http_version: str


@pytest.fixture(scope="module", params=PAIRS, ids="-".join)
def serving(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Served]:
    server, place = request.param
    log = tmp_path_factory.mktemp("soak") / "log"
    with serving_of(installed(server), place, log) as (one, serving):
        yield Served(one.port, serving.http_version)


@pytest.mark.parametrize("act", ACTIONS, ids=lambda act: act.__name__)
def test_users_on_one_connection(serving: Served, act: Callable[[Client, Any], Any]) -> None:
    client = Client(*serving, random.Random(1))
    for user in ["alice", None, "bob", None]:
        for step in (act, Client.asks):
            try:
                for _ in step(client, user):
                    pass
            except ConnectionEnded:
                # A server may end it, and some do after a body that was left unread.
                client.renew()
    client.connection.close()
    ended(*serving)


def test_users_by_chance(serving: Served) -> None:
    done = run(*serving, requests=100, seed=1)
    assert sum(done.values()) >= 100
