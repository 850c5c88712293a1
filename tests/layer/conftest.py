"""Put the layer in place for these tests, and out of the way for all others.

Importing the layer does two things to the process. It replaces a few names in Flask's modules; the
core does not use them, so they stay. And it installs a strategy, which decides for every `Quart`
application where code runs. That is put back between these tests, so that the core's tests, in the
same process, see the core alone.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator

import pytest

from quart import Quart
from quart._flask import HAS_ONE_CONTEXT
from quart._threads import strategy
from quart_flask_patch._places import LAYER, VARIABLE
from quart_flask_patch.app import Flask

strategy.install(strategy.Strategy())

#: Tests that hold for Flask 3.1 alone, with the reason; `test_one_context.py` has those for 3.2.
OF_TWO_CONTEXTS = {
    "test_calls.py::test_a_request_that_a_body_keeps_ends_once": "It ends with the body alone.",
    "test_each_override.py::test_one_that_makes_contexts_is": "app_context makes none there.",
    "test_both_requests.py::test_a_copy_in_the_same_place_has_the_same_g": "A copy has its own.",
    "test_both_requests.py::test_nested_contexts": "The outer application context is not reused.",
    "test_errors.py::test_a_stop_iteration_of_a_teardown_arrives_as_raised": "It is in a group.",
    "test_errors.py::test_an_error_in_a_teardown_is_raised_in_tests[flask": "It is in a group.",
    "test_faces.py::test_a_request_within_an_app_context_has_that_very_object": "It has its own.",
    "test_names.py::test_a_name_that_flask_has_not_is_told": "It names the release.",
    "test_names.py::test_every_": "The names are those of Flask 3.1.",
}
#: Files whose tests all hold for Flask 3.1 alone.
collect_ignore = ["test_two_stacks.py"] if HAS_ONE_CONTEXT else []


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items if HAS_ONE_CONTEXT else ():
        for start, reason in OF_TWO_CONTEXTS.items():
            if item.nodeid.startswith(f"tests/layer/{start}"):
                item.add_marker(pytest.mark.skip(reason=f"Of Flask 3.1. {reason}"))


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
    """The place of plain views; each test runs once in each place."""
    app.config["SYNC_PLACE"] = request.param
    return str(request.param)


@pytest.fixture(params=[Flask, Quart], ids=["flask", "quart"])
def either_app(request: pytest.FixtureRequest) -> Flask | Quart:
    """An application of either class, since the layer is beneath both."""
    app = request.param(__name__)
    app.secret_key = "secret"
    return app  # type: ignore[no-any-return]  # of a fixture's parameter
