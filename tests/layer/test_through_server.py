"""Requests of Flask's client that reach an application as a server's do, for test runs."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Iterator
from contextvars import ContextVar
from typing import Any
from unittest.mock import MagicMock

import pytest
from flask import Flask, redirect, request, Response, session
from werkzeug import test
from werkzeug.middleware.proxy_fix import ProxyFix

from quart_flask_patch._wsgi import through_server

variable: ContextVar[str] = ContextVar("variable", default="")


@pytest.fixture
def served(app: Flask, place: str, monkeypatch: pytest.MonkeyPatch) -> Flask:
    monkeypatch.setattr(test, "run_wsgi_app", test.run_wsgi_app)
    through_server.install()
    return app


def test_it_runs_apart_from_the_test(served: Flask, place: str) -> None:
    @served.post("/")
    def view() -> dict[str, Any]:
        session["name"] = request.form["name"]
        running = asyncio._get_running_loop() is not None
        here = threading.current_thread().name
        return {"variable": variable.get(), "loop": running, "thread": here}

    @served.get("/name")
    async def name() -> str:
        return str(session["name"])

    variable.set("the test's")
    client = served.test_client()
    told = client.post("/", data={"name": "Ada"}).json
    assert told["variable"] == ""
    assert told["loop"] == (place == "loop")
    assert told["thread"] != threading.current_thread().name
    assert client.get("/name").text == "Ada"


def test_streams_and_errors_behind_middleware(served: Flask) -> None:
    served.testing = True

    @served.get("/stream")
    def stream() -> Iterator[str]:
        return (str(number) for number in range(3))

    @served.get("/error")
    def error() -> str:
        raise LookupError("from the view")

    served.wsgi_app = ProxyFix(served.wsgi_app)  # type: ignore[method-assign]  # as Flask's docs do
    client = served.test_client()
    assert client.get("/stream").text == "012"
    with pytest.raises(LookupError, match="from the view"):
        client.get("/error")


def test_an_error_reaches_the_client_while_the_application_debugs(served: Flask) -> None:
    @served.get("/error")
    def error() -> str:
        raise LookupError("from the view")

    client = served.test_client()
    assert client.get("/error").status_code == 500
    served.debug = True
    with pytest.raises(LookupError, match="from the view"):
        client.get("/error")


@pytest.mark.parametrize("error", [KeyboardInterrupt, SystemExit])
def test_what_is_no_exception_reaches_the_client(served: Flask, error: type[BaseException]) -> None:
    @served.get("/")
    def view() -> str:
        raise error

    with pytest.raises(error):
        served.test_client().get("/")


def test_names_of_headers_are_as_they_were_written(served: Flask) -> None:
    served.add_url_rule("/", "view", lambda: ("", {"X-ABC": "1"}))
    assert "X-ABC" in served.test_client().get("/").headers.keys()  # noqa: SIM118  # not so in a Headers


@pytest.mark.parametrize("root", ["/", "/below"])
@pytest.mark.parametrize("path", ["page", "/page"])
def test_a_path_may_lack_its_slash(served: Flask, root: str, path: str) -> None:
    served.config["APPLICATION_ROOT"] = root

    @served.get("/page")
    def page() -> list[str]:
        return [request.script_root, request.path]

    assert served.test_client().get(path).json == [root.rstrip("/"), "/page"]


def test_a_mock_stands_in_for_a_body(served: Flask) -> None:
    served.add_url_rule("/", "view", lambda: Response(MagicMock()))
    assert served.test_client().get("/").data == b""


@pytest.mark.parametrize("status", [307, 308])
def test_a_redirect_sends_the_body_again(served: Flask, status: int) -> None:
    served.add_url_rule("/", "view", lambda: request.form["name"], methods=["POST"])
    served.add_url_rule("/old", "old", lambda: redirect("/", status), methods=["POST"])
    client = served.test_client()
    assert client.post("/old", data={"name": "Ada"}, follow_redirects=True).text == "Ada"


def passed_to(inner: Any) -> Any:
    def middleware(environ: Any, start: Any) -> Any:
        return inner(environ, start)

    return middleware


@pytest.mark.parametrize("path", ["/plain", "/async"])
@pytest.mark.parametrize("middleware", [ProxyFix, passed_to])
def test_a_block_keeps_the_request_behind_middleware(
    served: Flask, path: str, middleware: Any
) -> None:
    served.wsgi_app = middleware(served.wsgi_app)  # type: ignore[method-assign]
    served.secret_key = "secret"

    @served.get("/plain")
    def plain() -> str:
        session["seen"] = "plain"
        return "plain"

    @served.get("/async")
    async def async_view() -> str:
        session["seen"] = "async"
        return "async"

    with served.test_client() as client:
        client.get(path)
        assert session["seen"] == request.path[1:] == path[1:]


def test_a_block_keeps_the_request(served: Flask) -> None:
    served.add_url_rule("/", "view", lambda: "ok")
    with served.test_client() as client:
        client.get("/?a=1")
        assert request.args["a"] == "1"
