"""Pages: a greeting, a template, and a login that the browser asks for itself."""

import asyncio
import secrets
from collections.abc import Awaitable, Callable
from functools import wraps
from pathlib import Path
from typing import Any

import pytest
from werkzeug.datastructures import WWWAuthenticate

from quart import abort, current_app, Quart, render_template, request
from quart.typing import ResponseReturnValue

from ._program import browsing


def test_hello() -> None:
    app = Quart(__name__)

    @app.get("/")
    async def hello() -> str:
        return "hello"

    async def main() -> None:
        async with browsing(app) as client:
            answer = await client.get("/")
            assert (answer.status_code, answer.text) == (200, "hello")
            assert answer.headers["Content-Type"] == "text/html; charset=utf-8"
            assert answer.headers["Content-Length"] == "5"

    asyncio.run(main())


def test_a_template(tmp_path: Path) -> None:
    folder = tmp_path / "templates"
    folder.mkdir()
    (folder / "base.html").write_text("<title>{% block title %}{% endblock %}</title>")
    (folder / "greeting.html").write_text(
        '{% extends "base.html" %}{% block title %}'
        "Hello {{ name }}, {{ url_for('greet', name=name) }}, {{ request.method }}{% endblock %}"
    )
    app = Quart(__name__, root_path=str(tmp_path))

    @app.get("/<name>")
    async def greet(name: str) -> str:
        return await render_template("greeting.html", name=name)

    async def main() -> None:
        async with browsing(app) as client:
            answer = await client.get("/<Zoë>")
            assert answer.text == ("<title>Hello &lt;Zoë&gt;, /%3CZo%C3%AB%3E, GET</title>")

    asyncio.run(main())


# --- A decorator of one's own --------------------------------------------------------------------


def auth_required(view: Callable[..., Any]) -> Callable[..., Awaitable[ResponseReturnValue]]:
    """Let nobody see *view* without the name and password of the configuration."""

    @wraps(view)
    async def protected(*args: Any, **kwargs: Any) -> ResponseReturnValue:
        auth = request.authorization
        if (
            auth is None
            or auth.type != "basic"
            or auth.username != current_app.config["USERNAME"]
            or not secrets.compare_digest(
                (auth.password or "").encode(), current_app.config["PASSWORD"].encode()
            )
        ):
            abort(401, www_authenticate=WWWAuthenticate("basic", {"realm": "the talk"}))
        answer: ResponseReturnValue = await current_app.ensure_async(view)(*args, **kwargs)
        return answer

    return protected


def make_guarded() -> Quart:
    app = Quart(__name__)
    app.config.update(USERNAME="zoë", PASSWORD="correct: horse 🐴")

    @app.get("/async/<int:number>")
    @auth_required
    async def of_async(number: int) -> dict[str, int]:
        return {"number": number}

    @app.get("/plain/<int:number>")
    @auth_required
    def of_plain(number: int) -> dict[str, int]:
        return {"number": number + len(request.args)}

    return app


@pytest.mark.parametrize("kind", ["async", "plain"])
def test_basic_authentication(kind: str) -> None:
    async def main() -> None:
        async with browsing(make_guarded()) as client:
            path = f"/{kind}/7"
            for wrong in (None, ("zoë", "wrong"), ("zoe", "correct: horse 🐴")):
                refused = await client.get(path, auth=wrong or ("", ""))
                assert refused.status_code == 401
                assert refused.headers["WWW-Authenticate"] == 'Basic realm="the talk"'
            assert (await client.get(path)).status_code == 401
            bearer = {"Authorization": "Bearer zoë".encode()}
            assert (await client.get(path, headers=bearer)).status_code == 401
            allowed = await client.get(path, auth=("zoë", "correct: horse 🐴"))
            assert (allowed.status_code, allowed.json()) == (200, {"number": 7})

    asyncio.run(main())
