"""What a test of the path from connection to response asks for."""

from __future__ import annotations

import pytest

from quart import Quart

from .driver import KINDS


@pytest.fixture(params=KINDS)
def kind(request: pytest.FixtureRequest) -> str:
    """Whether the test is about requests or websockets: it is made for both."""
    return str(request.param)


@pytest.fixture(params=["async", "plain"])
def colour(request: pytest.FixtureRequest) -> str:
    """Whether a user's function is `async def` or `def`."""
    return str(request.param)


@pytest.fixture
def app() -> Quart:
    app = Quart(__name__)
    app.secret_key = "secret"
    return app


@pytest.fixture
def log() -> list[str]:
    """What happened, in the order in which it happened."""
    return []
