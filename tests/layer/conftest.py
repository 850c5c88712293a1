"""The layer is in place in these tests, and out of the way in all others.

Importing the layer does two things to the process. It replaces a few names in Flask's modules,
which the core does not use, so they stay; and it installs a strategy, by which every `Quart`
application decides where code runs. That one is put back between the tests here, so that the core's
tests, in the same process, see the core alone.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator

import pytest

from quart import Quart
from quart._threads import strategy
from quart_flask_patch._places import LAYER, VARIABLE
from quart_flask_patch.app import Flask

strategy.install(strategy.Strategy())


@pytest.fixture(autouse=True)
def layer(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    assert sys.modules["flask"] is sys.modules["quart_flask_patch"]
    monkeypatch.delenv(VARIABLE, raising=False)
    without_layer = strategy.current()
    strategy.install(LAYER)
    yield
    strategy.install(without_layer)


@pytest.fixture
def app() -> Flask:
    app = Flask(__name__)
    app.secret_key = "secret"
    return app


@pytest.fixture(params=["thread", "loop"])
def place(request: pytest.FixtureRequest, app: Flask) -> str:
    """Where plain views run; the test runs once with each."""
    app.config["SYNC_PLACE"] = request.param
    return str(request.param)


@pytest.fixture(params=[Flask, Quart], ids=["flask", "quart"])
def either_app(request: pytest.FixtureRequest) -> Flask | Quart:
    """An application of either class, since the layer is under both."""
    app = request.param(__name__)
    app.secret_key = "secret"
    return app  # type: ignore[no-any-return]  # of a fixture's parameter
