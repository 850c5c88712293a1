"""Serve the old application and the new one on one port, to move a part at a time."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from pathlib import Path
from time import perf_counter
from typing import Any

import anyio
import anyio.to_thread

from quart._connection.disclosure import says_forwarded
from quart._connection.servers_headers import for_server
from quart._formats.target import path_within_root
from quart._types import Message, Receive, Scope, Send

from .._watching import measures
from . import beside_proxy
from .beside_division import COOKIE, Division, endpoint_of, rules_of, share_of
from .beside_process import Command, Process, Report
from .beside_proxy import BadRequestError, UnavailableError

#: Seconds for which a client stays with the application that chance has chosen.
STAYS = 30 * 24 * 3600


def beside(
    app: Any,
    old: str,
    *,
    rules: Mapping[str, str | float] | None = None,
    share: str | float = "old",
    by_hand: bool = True,
    trusts_forwarded: bool = False,
    shares_session: bool = True,
    folder: str | None = None,
    python: str | None = None,
    threads: int = 40,
) -> Beside:
    """Return an ASGI application that divides requests between *app* and *old*.

    - *old*: The old application, MODULE:NAME, to run on genuine Flask in a process of its own.
    - *rules*: Paths (`"/api/*"`) or endpoints (`"notes.*"`), each with the application that answers
       (`"old"` or `"new"`), or with *app*'s share (`"5%"` or 0.05). The first match counts.
    - *share*: The same for requests that no rule matches.
    - *by_hand*: Whether a client may choose by a header or a cookie.
    - *trusts_forwarded*: Whether to trust X-Forwarded-For and the like, if a proxy in front sets
       them. Otherwise both applications get the client's own address.
    - *shares_session*: Whether each must be able to read the other's session cookies.
    - *folder*, *python*: The folder in which to import *old*, and the Python to use.

    Raises:
        ValueError: if a rule or the share is not valid.
    """
    command = Command(old, None if folder is None else Path(folder), threads=threads)
    if python is not None:
        command = Command(old, command.folder, python, threads)
    division = Division(rules_of(rules or {}), share_of(share), by_hand)
    return Beside(app, command, division, trusts_forwarded, shares_session)


class Beside:
    """An ASGI application in front of two; its other attributes are the new one's."""

    def __init__(
        self,
        app: Any,
        command: Command,
        division: Division,
        trusts_forwarded: bool,
        shares_session: bool,
    ) -> None:
        self.app = app
        self._division = division
        self._trusts_forwarded, self._shares_session = trusts_forwarded, shares_session
        logger: logging.Logger = app.logger
        self._logger = logger
        self.old = Process(command, _cookie_of(app), logger)
        self._starting = anyio.Lock()
        self._started = False
        measures.measure(app)

    def __getattr__(self, name: str) -> Any:
        return getattr(self.app, name)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "lifespan":
            await self._lifespan(scope, receive, send)
            return
        if not self._started:  # The server has no lifespan.
            await self.start()
        within = path_within_root(scope)
        path = "/" if within is None else within
        endpoint = endpoint_of(self.app.url_map, scope, path)
        if scope["type"] == "websocket":
            if self._division.refuses_websocket(scope, path, endpoint):
                await _refuse(scope, receive, send)
            else:
                await self.app(self._seen(scope), receive, send)
            return
        choice = self._division.choose(scope, path, endpoint)
        cookies = [] if choice.cookie is None else [_set_cookie(scope, choice.cookie)]
        if choice.side == "new":
            await self.app(self._seen(scope), receive, _adding(send, cookies) if cookies else send)
        else:
            await self._ask_old(scope, receive, _adding(send, cookies), endpoint or None)

    def _seen(self, scope: Scope) -> Scope:
        """Return *scope* as the new application sees it."""
        if self._trusts_forwarded:
            return scope
        headers = [pair for pair in scope["headers"] if not says_forwarded(pair[0].lower())]
        return {**scope, "headers": headers}

    async def _ask_old(
        self, scope: Scope, receive: Receive, send: Send, endpoint: str | None
    ) -> None:
        status, begun = 0, perf_counter()

        async def noting(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
            await send(message)

        failed = True
        try:
            await beside_proxy.forward(
                scope, receive, noting, self.old.address, self._trusts_forwarded
            )
            failed = False
        except BadRequestError as error:
            failed = False
            await _answer(noting, 400, f"The request cannot be handed on: {error}.")
        except UnavailableError as error:
            self._logger.error(
                "The old application has not answered %s %s: %s",
                scope["method"],
                scope["path"],
                error,
            )
            await _answer(noting, 502, "The application does not answer.")
        finally:
            record = measures.table_of(self.app).record(endpoint, measures.BESIDE)
            seconds = perf_counter() - begun
            record.add(measures.Visit(), seconds, failed or status >= 500, not status)

    # Starting and stopping

    async def start(self) -> None:
        """Start the old application, unless it has been started.

        Raises:
            RuntimeError: if it does not start, or if the two do not share their sessions.
        """
        async with self._starting:
            if not self._started:
                report = await anyio.to_thread.run_sync(self.old.start)
                if self._shares_session and (why := _difference(self.app, report)):
                    await self.stop()
                    raise RuntimeError(
                        "Expected a login in one application to count in the other, got two"
                        f" sessions: {why}. Give both the same SECRET_KEY, SESSION_COOKIE_NAME"
                        " and session interface, or say that they need not share their sessions"
                        " (shares_session=False, --separate-sessions)."
                    )
                self._started = True

    async def stop(self) -> None:
        """End the old application."""
        self._started = False
        await anyio.to_thread.run_sync(self.old.stop)

    async def _lifespan(self, scope: Scope, receive: Receive, send: Send) -> None:
        messages = [await receive()]
        try:
            await self.start()
        except (OSError, RuntimeError) as error:
            self._logger.error("%s", error)
            await send({"type": "lifespan.startup.failed", "message": str(error)})
            return

        async def receiving() -> Message:
            message: Message = messages.pop() if messages else await receive()
            return message

        async def sending(message: Message) -> None:
            if message["type"] != "lifespan.startup.complete":
                await self.stop()
            await send(message)

        try:
            await self.app(scope, receiving, sending)
        finally:
            # Hypercorn cancels this once it is told of the end, and then nothing may wait.
            if self._started:
                with anyio.CancelScope(shield=True):
                    await self.stop()


def _cookie_of(app: Any) -> str | None:
    """Return a session cookie made by *app*, or None if its sessions are not in cookies."""
    serializer = _serializer_of(app)
    return None if serializer is None else str(serializer.dumps({"beside": "new"}))


def _serializer_of(app: Any) -> Any:
    make = getattr(app.session_interface, "get_signing_serializer", None)
    return None if make is None else make(app)


def _difference(app: Any, report: Report) -> str | None:
    """Return why one application cannot read the other's sessions, or None if it can."""
    name, serializer = app.config["SESSION_COOKIE_NAME"], _serializer_of(app)
    if report.name != name:
        return f"the cookie's name is {report.name!r} in the old one and {name!r} in the new one"
    if (serializer is None) != (report.cookie is None):
        side = "old" if report.cookie is None else "new"
        return f"the {side} one does not keep sessions in signed cookies, or has no SECRET_KEY"
    if serializer is None:
        return None
    try:
        reads = serializer.loads(report.cookie) == {"beside": "old"}
    except Exception:
        reads = False
    return None if reads and report.reads else "one does not read the cookie that the other signs"


def _set_cookie(scope: Scope, value: str) -> tuple[bytes, bytes]:
    path = scope.get("root_path") or "/"
    secure = "; Secure" if scope.get("scheme") == "https" else ""
    said = f"{COOKIE}={value}; Path={path}; Max-Age={STAYS}; HttpOnly; SameSite=Lax{secure}"
    return b"set-cookie", said.encode("latin-1", "ignore")


def _adding(send: Send, headers: beside_proxy.Headers) -> Send:
    """Return *send* so that it adds *headers* to an answer and leaves the date to the server."""

    async def adding(message: Message) -> None:
        if message["type"] == "http.response.start":
            message = {**message, "headers": for_server([*message["headers"], *headers], send)}
        await send(message)

    return adding


async def _answer(send: Send, status: int, text: str) -> None:
    body = f"{text}\n".encode()
    headers = [
        (b"content-type", b"text/plain; charset=utf-8"),
        (b"content-length", str(len(body)).encode()),
        (b"cache-control", b"no-store"),
    ]
    if status == 400:
        # After this, nobody knows where the connection's next request begins.
        headers.append((b"connection", b"close"))
    await send({"type": "http.response.start", "status": status, "headers": headers})
    await send({"type": "http.response.body", "body": body, "more_body": False})


async def _refuse(scope: Scope, receive: Receive, send: Send) -> None:
    await receive()
    if "websocket.http.response" not in (scope.get("extensions") or {}):
        await send({"type": "websocket.close", "code": 1000, "reason": ""})
        return
    body = b"The old application has no websockets.\n"
    headers = [(b"content-type", b"text/plain; charset=utf-8")]
    start = {"type": "websocket.http.response.start", "status": 501, "headers": headers}
    await send(start)
    await send({"type": "websocket.http.response.body", "body": body, "more_body": False})
