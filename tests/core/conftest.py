"""Fixtures for tests of the path from connection to response."""

from __future__ import annotations

import pytest

from quart import Quart

from .driver import KINDS


@pytest.fixture(params=KINDS)
def kind(request: pytest.FixtureRequest) -> str:
    """The kind of connection; each test runs with requests and with websockets."""
    return str(request.param)


@pytest.fixture(params=["async", "plain"])
def colour(request: pytest.FixtureRequest) -> str:
    """The colour of user functions: `async def` or `def`."""
    return str(request.param)


@pytest.fixture
def app() -> Quart:
    app = Quart(__name__)
    app.secret_key = "secret"
    return app


@pytest.fixture
def log() -> list[str]:
    """A list for events, in order."""
    return []
