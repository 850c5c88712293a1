"""What a client has put into a header, or into a form, takes no longer to read than it is long.

As the processor counts it, which no other process disturbs. What takes time with the square of the
length takes seconds here, and minutes where a server lets more through.
"""

from __future__ import annotations

import importlib
import pkgutil
import re
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from itertools import product
from typing import Any

import flask
import pytest
from flask import Flask
from werkzeug.exceptions import HTTPException

import quart
import quart_flask_patch
from quart._formats.multipart import Decoder

from ._asgi import run, scope_for

LENGTH = 20_000
MOST_SECONDS = 0.4

FILLINGS = [
    " ",
    "\t",
    "a ",
    ' "',
    '"',
    "\\",
    " ;",
    "a,",
    "a=",
    "-",
    "/",
    "0-1,",
    'W/"',
    ".",
    "[",
    "9",
]
FILLINGS += ["--", "\r\n"]
AROUND = [("", ""), ("a", "b"), ("a=", '"'), ("bytes=0-", "!")]
READS: dict[str, Callable[[Any], object]] = {
    "accept": lambda request: request.accept_mimetypes.best,
    "accept-language": lambda request: request.accept_languages.best,
    "authorization": lambda request: request.authorization,
    "cache-control": lambda request: request.cache_control,
    "content-type": lambda request: request.mimetype_params,
    "cookie": lambda request: request.cookies,
    "host": lambda request: request.host,
    "if-match": lambda request: request.if_match,
    "if-modified-since": lambda request: request.if_modified_since,
    "if-none-match": lambda request: request.if_none_match,
    "if-range": lambda request: request.if_range,
    "range": lambda request: request.range,
    "user-agent": lambda request: request.user_agent,
}


def hostile() -> Iterator[str]:
    for filling, (before, after) in product(FILLINGS, AROUND):
        yield before + filling * (LENGTH // len(filling)) + after


def check_cost(func: Callable[[str], object], text: str) -> None:
    """Check that *func* does not take long, or takes as long once only, for another reason."""
    for _ in range(2):
        start = time.process_time()
        with suppress(HTTPException, ValueError):
            func(text)
        if time.process_time() - start < MOST_SECONDS:
            return
    raise AssertionError(f"{text[:9]!r}...{text[-9:]!r} takes too long.")


@pytest.mark.parametrize(
    ("face", "name"), [*product(["quart"], READS), ("flask", "accept"), ("flask", "cookie")]
)
def test_a_long_header_is_soon_read(face: str, name: str) -> None:
    app = Flask(__name__)
    app.config.update(SYNC_PLACE="loop", TESTING=True)

    @app.get("/")
    def view() -> str:
        with suppress(HTTPException):
            READS[name](flask.request if face == "flask" else quart.request)
        return ""

    async def receive() -> dict[str, Any]:
        return {"type": "http.request", "body": b"", "more_body": False}

    async def send(message: dict[str, Any]) -> None:
        assert message.get("status", 200) < 500

    def ask(value: str) -> None:
        scope: dict[str, Any] = scope_for("http", "/")
        scope["headers"] = [(name.encode(), value.encode("latin-1"))]
        run(app(scope, receive, send))

    for text in hostile():
        if "\n" not in text:
            check_cost(ask, text)


def expressions() -> Iterator[tuple[str, re.Pattern[Any]]]:
    """Yield the expressions of all modules, and those that are made for a form."""
    for package in (quart, quart_flask_patch):
        for found in pkgutil.walk_packages(package.__path__, f"{package.__name__}."):
            if found.name.endswith(("__main__", "pytest_plugin")):
                continue
            module = importlib.import_module(found.name)
            for name, value in vars(module).items():
                if isinstance(value, re.Pattern):
                    yield f"{found.name}.{name}", value
    for boundary in (b"a", b"-" * 200, b" " * 200):
        decoder = Decoder(boundary)
        yield f"first of {boundary!r}", decoder._first_expression
        yield f"later of {boundary!r}", decoder._later_expression


# Some look at an application's own source and paths. Others are asked at one place alone.
NOT_SEARCHED = re.compile(r".*(\.migrate\..*|\._frames\..*|\._REST_OF_LINE|\._UNFINISHED_REST)")
OURS = {name: found for name, found in expressions() if not NOT_SEARCHED.fullmatch(name)}


@pytest.mark.parametrize("name", OURS)
def test_an_expression_of_ours_is_soon_done(name: str) -> None:
    found = OURS[name]

    def search(text: str) -> None:
        subject: Any = text.encode("latin-1") if isinstance(found.pattern, bytes) else text
        for _ in found.finditer(subject):
            pass
        found.fullmatch(subject)

    for text in hostile():
        check_cost(search, text)
