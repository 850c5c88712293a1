"""Responses, errors, sessions and JSON."""

from __future__ import annotations

import asyncio
import dataclasses
import decimal
from collections.abc import AsyncIterator, Iterator
from typing import Any

from _kit import fetch, make_app, page, returns

from quart import (
    abort,
    after_this_request,
    flash,
    get_flashed_messages,
    jsonify,
    make_push_promise,
    make_response,
    redirect,
    request,
    Response,
    session,
    stream_with_context,
    url_for,
)
from quart.json.provider import DefaultJSONProvider

VALUES: dict[str, Any] = {
    "text": "Hello",
    "dict": {"a": "b"},
    "list": ["a", "b"],
    "response": Response("Hello"),
    "text and status": ("Hello", 201),
    "text, status and headers": ("Hello", 202, {"X-Header": "Value"}),
    "text and headers": ("Hello", {"X-Header": "Value"}),
    "dict and status": ({"a": 1}, 203),
    "empty": ("", 204),
}


@page("reference/response_values")
async def response_values() -> Any:
    found = {}
    for name, value in VALUES.items():
        app = make_app()
        app.add_url_rule("/", "view", returns(value))
        found[name] = await fetch(app)
    return found


@page("reference/response_values")
async def generators() -> Any:
    app = make_app()

    @app.get("/async")
    async def asynchronous() -> Any:
        async def generate() -> AsyncIterator[bytes]:
            yield b"a"
            await asyncio.sleep(0)
            yield b"b"

        return generate(), 200, {"X-Something": "value"}

    @app.get("/plain")
    async def plain() -> Any:
        def generate() -> Iterator[bytes]:
            yield b"a"
            yield b"b"

        return generate()

    return [await fetch(app, "/async"), await fetch(app, "/plain")]


@page("reference/response_values")
async def values_that_are_no_response() -> Any:
    found = []
    for value in (None, 5, (), ("a", 200, {}, "b")):
        app = make_app()
        app.add_url_rule("/", "view", returns(value))
        found.append((await fetch(app))[0])
    return found


@page("reference/cheatsheet")
async def cookies() -> Any:
    app = make_app()

    @app.get("/")
    async def hello() -> Any:
        response = await make_response("Hello")
        response.set_cookie("name", "value", max_age=10, httponly=True, samesite="Lax")
        response.delete_cookie("old")
        return response

    response = await app.test_client().get("/")
    names = ("expires",)
    return [
        "; ".join(part for part in cookie.split("; ") if not part.lower().startswith(names))
        for cookie in response.headers.getlist("Set-Cookie")
    ]


@page("reference/cheatsheet")
async def aborting() -> Any:
    app = make_app()

    @app.get("/<int:code>")
    async def view(code: int) -> Any:
        abort(code)

    @app.get("/response")
    async def response() -> Any:
        abort(Response("mine", 409))

    return [await fetch(app, path) for path in ("/404", "/409", "/418", "/response")]


@page("reference/api")
async def hooks_that_answer() -> Any:
    app, log = make_app(), []

    @app.before_request
    async def refuse() -> Any:
        if "refuse" in request.args:
            return "refused", 403
        return None

    @app.after_request
    async def mark(response: Response) -> Response:
        log.append(response.status_code)
        response.headers["X-Marked"] = "yes"
        return response

    @app.get("/")
    async def view() -> str:
        @after_this_request
        async def once(response: Response) -> Response:
            response.headers["X-Once"] = "yes"
            return response

        return "view"

    client = app.test_client()
    answers = [await client.get("/"), await client.get("/?refuse=1")]
    return [
        [
            [answer.status_code, {key.lower(): value for key, value in answer.headers}]
            for answer in answers
        ],
        log,
    ]


@page("reference/api")
async def error_handlers() -> Any:
    app = make_app()

    class Mine(Exception):
        pass

    @app.errorhandler(404)
    async def missing(error: Any) -> Any:
        return f"missing: {error.code}", 404

    @app.errorhandler(Mine)
    def mine(error: Any) -> Any:
        return {"mine": str(error)}, 400

    @app.errorhandler(500)
    async def failed(error: Any) -> Any:
        return f"failed: {type(error.original_exception).__name__}", 500

    @app.get("/mine")
    async def raise_mine() -> Any:
        raise Mine("said")

    @app.get("/other")
    async def raise_other() -> Any:
        raise ZeroDivisionError("mine")

    return [await fetch(app, path) for path in ("/nowhere", "/mine", "/other")]


@page("reference/api")
async def errors_propagate_in_tests() -> Any:
    found = []
    for setting in ("TESTING", "PROPAGATE_EXCEPTIONS"):
        app = make_app()
        app.config[setting] = True

        @app.get("/")
        async def view() -> Any:
            raise ZeroDivisionError("mine")

        try:
            found.append((await fetch(app))[0])
        except ZeroDivisionError:
            found.append("raised")
    return found


@page("reference/api")
async def handling_by_hand_in_debug_mode() -> Any:
    app = make_app()
    app.debug = True

    @app.get("/")
    async def view() -> Any:
        raise ZeroDivisionError("mine")

    async with app.test_request_context("/"):
        found = request._get_current_object()
    try:
        return (await app.handle_request(found)).status_code
    except ZeroDivisionError:
        return "raised"


@page("how_to_guides/session_storage")
async def sessions() -> Any:
    app = make_app()

    @app.get("/")
    async def index() -> str:
        return str(session.get("colour", "black"))

    @app.get("/set/<colour>")
    async def choose(colour: str) -> Any:
        session["colour"] = colour
        session.permanent = colour == "blue"
        return redirect(url_for("index"))

    client = app.test_client()
    seen = []
    for path in ("/", "/set/red", "/", "/set/blue", "/"):
        answer = await client.get(path)
        cookie = answer.headers.get("Set-Cookie", "")
        marks = ["Expires" in cookie, "HttpOnly" in cookie, answer.headers.get("Vary")]
        seen.append([answer.status_code, await answer.get_data(as_text=True), bool(cookie), *marks])
    async with client.session_transaction() as kept:
        seen.append(dict(kept))
    return seen


@page("reference/api")
async def flashing() -> Any:
    app = make_app()

    @app.get("/")
    async def view() -> Any:
        await flash("one")
        await flash("two", "error")
        return [get_flashed_messages(with_categories=True), get_flashed_messages()]

    @app.get("/later")
    async def later() -> Any:
        return get_flashed_messages(category_filter=["error"])

    client = app.test_client()
    first = await (await client.get("/")).get_json()
    return [first, await (await client.get("/later")).get_json()]


@page("how_to_guides/json_encoding")
async def a_json_provider() -> Any:
    @dataclasses.dataclass
    class Money:
        amount: decimal.Decimal
        currency: str

    class Provider(DefaultJSONProvider):
        @staticmethod
        def default(value: Any) -> Any:
            if isinstance(value, Money):
                return {"amount": f"{value.amount:.2f}", "currency": value.currency}
            return DefaultJSONProvider.default(value)

    app = make_app()
    app.json = Provider(app)

    @app.get("/")
    async def view() -> Any:
        return jsonify(total=Money(decimal.Decimal(10), "GBP"), other=decimal.Decimal("1.5"))

    return await fetch(app)


@page("how_to_guides/streaming_response")
async def a_stream_with_context() -> Any:
    app = make_app()

    @app.get("/<name>")
    async def view(name: str) -> Any:
        @stream_with_context
        async def generate() -> AsyncIterator[bytes]:
            yield request.path.encode()
            await asyncio.sleep(0)
            yield request.endpoint.encode()

        return generate(), 200, {"X-Something": "value"}

    return await fetch(app, "/x")


@page("how_to_guides/streaming_response")
async def a_stream_in_pieces() -> Any:
    app = make_app()

    @app.get("/")
    async def view() -> Any:
        async def generate() -> AsyncIterator[str]:
            number = 0
            while True:
                yield f"{number} "
                number += 1
                await asyncio.sleep(0)

        response = await make_response(generate())
        response.timeout = None
        return response

    async with app.test_client().request("/") as connection:
        await connection.send_complete()
        pieces = [await connection.receive(), await connection.receive()]
        status = connection.status_code
        await connection.disconnect()
    return [[piece.decode() for piece in pieces], status]


@page("how_to_guides/using_http2")
async def push_promises() -> Any:
    app = make_app()

    @app.get("/")
    async def view() -> str:
        await make_push_promise(url_for("static", filename="a.css"))
        return "page"

    client = app.test_client()
    await client.get("/", headers={"Accept": "text/*", "X-Other": "1"})
    return [[path, dict(headers)] for path, headers in client.push_promises]


@page("reference/api")
async def ranges_of_bytes() -> Any:
    found = []
    for value in ("bytes=0-1", "bytes=0-666", "bytes=8-16", "bytes=0-2,3-5", "second=0-3"):
        app = make_app()

        @app.get("/")
        async def view() -> Any:
            response = Response(b"abcdef")
            return await response.make_conditional(request, complete_length=6)

        answer = await fetch(app, headers={"Range": value})
        found.append([answer[0], answer[2] if answer[0] == 206 else None])
    return found
