"""Short ways of the layer beside what Flask itself does: see the core's of this name."""

from __future__ import annotations

from typing import Any

from flask import request, Response
from flask.json.provider import DefaultJSONProvider as FlasksProvider
from hypothesis import given, strategies as st
from werkzeug.datastructures import EnvironHeaders

from _headers import ASKED, LOOKS, NAMES, result_of
from quart_flask_patch._defaults.json import DefaultJSONProvider
from quart_flask_patch.app import Flask
from quart_flask_patch.wrappers import whole_response

from ._asgi import run, scope_for

TYPES = st.sampled_from([None, "text/html", "text/x-a", "application/json", "image/png", "a", ""])
TYPES |= st.text(st.characters(min_codepoint=32, max_codepoint=126), max_size=9)


@given(st.text(max_size=4) | st.binary(max_size=4), TYPES)
def test_a_whole_response_is_flasks(body: str | bytes, mimetype: str | None) -> None:
    ours, theirs = whole_response(Response, body, mimetype), Response(body, mimetype=mimetype)
    for response in (ours, theirs):
        response.set_cookie("a", "b")
    assert list(ours.headers) == list(theirs.headers)
    assert (ours.status, ours.data) == (theirs.status, theirs.data)
    assert (ours.mimetype, ours.is_sequence) == (theirs.mimetype, theirs.is_sequence)
    environ = {"REQUEST_METHOD": "GET"}
    assert list(ours.get_wsgi_headers(environ)) == list(theirs.get_wsgi_headers(environ))


ANY_JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=3), inner),
    max_leaves=5,
)


@given(st.lists(ANY_JSON, max_size=2), st.dictionaries(st.text(max_size=3), ANY_JSON, max_size=2))
def test_a_json_response_is_flasks(args: list[Any], options: dict[str, Any]) -> None:
    app = Flask(__name__)

    def made(provider: Any) -> Any:
        response = provider.response(*args, **options)
        return list(response.headers), response.status, response.data

    for app.debug in (False, True):
        ours, theirs = (result_of(made, cls(app)) for cls in (DefaultJSONProvider, FlasksProvider))
        assert ours == theirs


VALUES = st.binary(max_size=3)
OTHERS = st.sampled_from([b"cookie", b"content-type", b"content-length", b"content_type"])
MADE = st.lists(st.tuples(NAMES | OTHERS, VALUES), max_size=5)
LOOKED = st.lists(
    st.tuples(
        st.sampled_from(["environ", *LOOKS]),
        st.sampled_from([*ASKED, "Cookie", "CONTENT_TYPE", "content-length", "http_host"]),
    ),
    max_size=6,
)


def environ_by_a_server(raw: list[tuple[bytes, bytes]]) -> dict[str, str]:
    """Return what a WSGI server makes of headers that arrive."""
    environ: dict[str, str] = {}
    for name, value in raw:
        if not name.isascii() or b"_" in name:  # As gunicorn, waitress and Werkzeug's server.
            continue
        key = name.decode().upper().replace("-", "_")
        key = key if key in {"CONTENT_TYPE", "CONTENT_LENGTH"} else f"HTTP_{key}"
        text = value.decode("latin-1")
        glue = ";" if key == "HTTP_COOKIE" else ","
        environ[key] = f"{environ[key]}{glue}{text}" if key in environ else text
    return environ


@given(MADE, LOOKED)
def test_headers_look_as_over_wsgi(
    raw: list[tuple[bytes, bytes]], looks: list[tuple[str, str]]
) -> None:
    theirs = EnvironHeaders(environ_by_a_server(raw))
    scope = {**scope_for("http", "/"), "headers": raw}
    app = Flask(__name__)
    compared = []

    @app.get("/")
    def view() -> str:
        ours: Any = request.headers
        for look, name in looks:
            if look == "environ":
                assert request.environ["PATH_INFO"] == "/"
                continue
            found, expected = (result_of(LOOKS[look], it, name) for it in (ours, theirs))
            assert found == expected, (look, name)
        compared.append(ours)
        return ""

    answer(app, scope)
    # They outlive the request.
    (ours,) = compared
    assert list(ours) == list(theirs)


def answer(app: Any, scope: dict[str, Any]) -> None:
    async def receive() -> dict[str, Any]:
        return {"type": "http.request", "body": b"", "more_body": False}

    async def send(message: dict[str, Any]) -> None:
        assert message.get("status", 200) == 200, message

    app.config["SYNC_PLACE"] = "loop"
    app.testing = True
    run(app(scope, receive, send))
