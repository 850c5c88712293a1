"""Both servers answer each exchange of the row's scenario alike."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path

import pytest

from compat_matrix import _plugin
from compat_matrix.scenarios._client import Answer, Client, difference
from compat_matrix.scenarios._exchange import ALWAYS, Exchange, titles
from compat_matrix.scenarios._servers import served
from compat_matrix.scenarios._services import ServiceMissing, started

NAME = os.environ["COMPAT_MATRIX_SCENARIO"]
SCENARIO = import_module(f"compat_matrix.scenarios.{NAME}")
EXCHANGES: list[Exchange] = SCENARIO.EXCHANGES
SERVICE: str | None = getattr(SCENARIO, "SERVICE", None)
DIFFERENCES = (*ALWAYS, *getattr(SCENARIO, "DIFFERENCES", ()))

# On the matrix' reference side both are Flask: what differs there is not the layer's doing.
SIDE = "layer" if os.environ["COMPAT_MATRIX_SIDE"] == "layer" else "flask"


@dataclass
class Conversation:
    """The exchanges with both servers, in their order, as far as tests have asked for them."""

    flask: Client
    other: Client
    logs: Path

    def answers(self, number: int) -> tuple[Answer, Answer]:
        for exchange in EXCHANGES[len(self.other.answers) : number]:
            self.flask.send(exchange)
            self.other.send(exchange)
            _plugin.served += SIDE == "layer"
        return self.flask.answers[number - 1], self.other.answers[number - 1]

    def log(self) -> str:
        files = sorted(self.logs.glob("*/log"))
        return "\n".join(f"{f.parent.name}: {f.read_text(errors='replace')[-3000:]}" for f in files)


@pytest.fixture(scope="module")
def conversation(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Conversation]:
    logs = tmp_path_factory.mktemp("servers")
    with ExitStack() as stack:
        ports = []
        for number, side in enumerate(["flask", SIDE], start=1):
            # Each has a service of its own, so that what the other keeps there is not seen.
            try:
                variables = stack.enter_context(started(SERVICE))
            except ServiceMissing as missing:
                pytest.skip(str(missing))
            folder = logs / f"{number} {side}"
            ports.append(stack.enter_context(served(side, NAME, folder, variables)))
        flask, other = map(Client, ports)
        yield Conversation(flask, other, logs)


@pytest.mark.parametrize("number", range(1, len(EXCHANGES) + 1), ids=titles(EXCHANGES))
def test_exchange(number: int, conversation: Conversation) -> None:
    exchange = EXCHANGES[number - 1]
    flask, other = conversation.answers(number)
    expected, text = flask.normal(DIFFERENCES), other.normal(DIFFERENCES)
    found = difference(expected, text)
    assert not found, f"{found}\n{conversation.log()}"
    assert other.status == exchange.status, f"{text[:3000]}\n{conversation.log()}"
    assert [shown for shown in exchange.shows if shown not in text] == [], text[:3000]
