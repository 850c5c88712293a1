"""Classes are patched while applications of them serve, as agents and tests do it."""

from __future__ import annotations

from typing import Any

import pytest

from _patches import patched, WAYS
from quart_flask_patch.app import Flask

from .test_overriding import Get, STEPS

GETS = {
    "plain": Get("asgi", "sync", "thread"),
    "async": Get("asgi", "async", "thread"),
    "wsgi": Get("wsgi", "sync", "thread"),
}


@pytest.fixture(params=GETS)
def get(request: pytest.FixtureRequest) -> Get:
    return GETS[request.param]


@pytest.mark.parametrize("served", [False, True], ids=["before", "after"])
@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize(("name", "path"), STEPS.items())
def test_a_step_of_the_class(name: str, path: str, way: str, served: bool, get: Get) -> None:
    """Before the first request, and after it."""
    app = get.fill(Flask(__name__))
    expected: Any = None
    if served:
        expected = get(app, path)
    with patched(Flask, name, way) as calls:
        answer = get(app, path)
    assert calls.count(name) == 1
    assert answer == get(app, path) == (expected or answer)
    assert calls.count(name) == 1
