"""The server side of WSGI without a server."""

from __future__ import annotations

import io
import sys
from collections.abc import Callable, Iterable
from typing import Any

from ._scenarios import Answer, Headers, PIECE, Scenario

Application = Callable[[dict[str, Any], Callable[..., Any]], Iterable[bytes]]


class _PacedInput(io.BytesIO):
    """A socket that has at most one piece ready when it is read."""

    def read(self, size: int | None = -1, /) -> bytes:
        return super().read(PIECE if size is None or size < 0 else min(size, PIECE))


def _environ(scenario: Scenario, headers: Headers) -> dict[str, Any]:
    environ: dict[str, Any] = {
        "REQUEST_METHOD": scenario.method,
        "SCRIPT_NAME": "",
        "PATH_INFO": scenario.path,
        "QUERY_STRING": scenario.query.decode(),
        "SERVER_NAME": "127.0.0.1",
        "SERVER_PORT": "8000",
        "SERVER_PROTOCOL": "HTTP/1.1",
        "REMOTE_ADDR": "127.0.0.1",
        "REMOTE_PORT": "50000",
        "wsgi.version": (1, 0),
        "wsgi.url_scheme": "http",
        "wsgi.errors": sys.stderr,
        "wsgi.multithread": True,
        "wsgi.multiprocess": False,
        "wsgi.run_once": False,
    }
    for name, value in headers:
        key = name.decode().upper().replace("-", "_")
        key = key if key in {"CONTENT_TYPE", "CONTENT_LENGTH"} else f"HTTP_{key}"
        environ[key] = value.decode()
    return environ


class _Exchange:
    __slots__ = ("headers", "status")

    def start_response(
        self, status: str, headers: list[tuple[str, str]], exc_info: object = None
    ) -> Callable[[bytes], object]:
        self.status, self.headers = status, headers
        return lambda data: None

    def answer(self, body: list[bytes]) -> Answer:
        headers = tuple((name.encode(), value.encode()) for name, value in self.headers)
        return Answer(int(self.status[:3]), headers, b"".join(body))


def run(app: Application, scenario: Scenario, headers: Headers, count: int) -> Answer:
    """Send ``count`` requests one after another and return the last answer."""
    template, body = _environ(scenario, headers), b"".join(scenario.pieces)
    make_input = _PacedInput if scenario.paced else io.BytesIO
    for _ in range(count):
        exchange = _Exchange()
        result = app({**template, "wsgi.input": make_input(body)}, exchange.start_response)
        sent = list(result)
        if close := getattr(result, "close", None):
            close()
        if not exchange.status.startswith("200"):
            raise RuntimeError(f"expected 200, got {exchange.answer(sent)!r:.200}")
    return exchange.answer(sent)
