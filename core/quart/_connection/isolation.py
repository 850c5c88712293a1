"""Give each connection its own context variables, apart from the server's.

A server calls an application in a task that the server made. What context variables are set in that
task is chance: a callback of the event loop runs in the context of the code that registered it,
which may have been an earlier request that waited in the server's `receive`. So a connection gets a
`Context` without any application's contexts. And the server's own functions run in the server's
context, so nothing of a request is left there.
"""

from __future__ import annotations

import types
from collections.abc import Awaitable, Callable
from contextvars import Context, ContextVar, copy_context
from types import CoroutineType, MethodType
from typing import Any, Literal

from greenlet import getcurrent

from .._flask import flask_cv_app, flask_cv_request
from .._loops.mailbox import in_trio
from .._loops.resume import ENDED, resume, run_in, WAITS
from .._types import ASGIApp, CoroutineOf, Message, Receive, Result, Scope, Send, Stepping
from ..globals import _cv_app

#: The scope's key that says: the connection uses its caller's context, as Flask does over WSGI.
SHARED = "quart.shares_context"
_OURS = _cv_app, flask_cv_app, flask_cv_request
#: A server's function, the context to call it in, and what goes on with its steps.
Beneath = tuple[Send, Context | Literal[False] | None, Callable[[object, object], Awaitable[None]]]


class _Claim:
    """Marks a context that was made for a connection which has not arrived yet."""

    __slots__ = ("is_open",)

    def __init__(self) -> None:
        self.is_open = True


_claim: ContextVar[_Claim] = ContextVar("quart.claim")


def clean_context() -> Context:
    """Return a copy of the current context variables without any application's context."""
    context = copy_context()
    # Written out, as each request comes here and `any` over `_OURS` takes five times as long.
    if not context or not (
        _cv_app in context or flask_cv_app in context or flask_cv_request in context
    ):
        return context
    # Copy the others to a new Context: setting a variable to None does not unset it.
    clean = Context()
    for variable, value in context.items():
        if variable not in _OURS:
            clean.run(variable.set, value)
    return clean


def is_expected() -> bool:
    """Whether the current context was made for a connection that has not arrived yet.

    That is false where middleware, or a view, calls an application once more.
    """
    claim = _claim.get(None)
    return claim is not None and claim.is_open


async def go_on(app: ASGIApp, scope: Scope, receive: Receive, send: Send) -> None:
    """Call *app* in a context of the connection's own, without a task for it."""
    if SHARED in scope or scope["type"] == "lifespan" or is_expected():
        await app(scope, receive, send)
        return
    if in_trio():
        from .send_trio import abandonable

        send = abandonable(send)
    claim, server = _Claim(), Server(receive, send)
    receive, send = server.from_server, server.to_server
    try:
        await run_in(server.leave(), _claimed, claim, app, scope, receive, send)
    finally:
        claim.is_open = False


def _claimed(
    claim: _Claim, app: ASGIApp, scope: Scope, receive: Receive, send: Send
) -> Awaitable[None]:
    _claim.set(claim)
    return app(scope, receive, send)


def beginning(send: Send) -> Callable[[Message], Awaitable[None] | None]:
    """Return a function that gives a message to *send*, and returns an awaitable if that waits.

    It spares a coroutine for each message of an application that sends many.
    """
    server = _server_of(send)
    return send if server is None or server._context is False else server._begin_to_send


def beneath(send: Send) -> Beneath:
    """Return what a function of many steps calls in the place of *send*, to spare more than that.

    That is a function, the context to call it in (False for the current one), and what goes on with
    a call that has to wait.
    """
    server = _server_of(send)
    return (
        (send, False, resume) if server is None else (server._send, server._context, server._go_on)
    )


def _server_of(send: Send) -> Server | None:
    # Check the type: a wrapper around the method has the attributes of what it wraps.
    server: object = send.__self__ if type(send) is MethodType else None
    return server if isinstance(server, Server) and send.__name__ == "to_server" else None


class Server:
    """A server's `receive` and `send`, awaited in the server's own context whoever calls them.

    The server's task has entered that context, so nobody can enter it again. Each step therefore
    switches the greenlet's context, as greenlets do themselves.
    """

    __slots__ = ("_context", "_message", "_receive", "_send")

    #: A message that `_receiving` has received, until whoever steps that takes it.
    _message: Message | None

    def __init__(self, receive: Receive, send: Send) -> None:
        self._receive = receive
        self._send = send
        #: The server's context; False if the connection shares it.
        self._context: Context | Literal[False] | None = False

    def arrive(self, scope: Scope) -> Context | None:
        """Return another context for a connection that arrives here, unless it has one or shares.

        Then the current one is noted as the server's.
        """
        if SHARED in scope:
            return None
        claim = _claim.get(None)
        if claim is not None and claim.is_open:
            claim.is_open = False
            return None
        # As `leave`, which this spares each request.
        self._context = getcurrent().gr_context
        return clean_context()

    def leave(self) -> Context:
        """Note the current context as the server's; return another one for the connection."""
        self._context = getcurrent().gr_context
        return clean_context()

    async def from_server(self) -> Any:
        """Return the server's next message."""
        if self._context is False:
            return await self._receive()
        message = self.at_once()
        return await message if type(message) is WAITS else message

    def at_once(self) -> Result:
        """Return the server's next message, or an awaitable for it if the server has to wait."""
        steps = self._receiving()
        this = getcurrent()
        inside, this.gr_context = this.gr_context, self._context  # type: ignore[assignment]
        try:
            for future in steps:  # noqa: B007
                break
            else:
                message, self._message = self._message, None
                return message
        finally:
            this.gr_context = inside
        return self._received(steps, future)

    @types.coroutine
    def _receiving(self) -> Stepping[None]:
        """Receive a message into `_message`. A step that returns anything raises StopIteration."""
        receiving: Result = self._receive()
        if type(receiving) is not CoroutineType:
            receiving = receiving.__await__()  # A coroutine does without one more object.
        self._message = yield from receiving

    @types.coroutine
    def _received(self, steps: Stepping[None], future: object) -> Stepping[Message | None]:
        """Go on with *steps*, which have yielded *future*; return the message."""
        while future is not ENDED:
            try:
                reply = yield future
            except BaseException as error:
                try:
                    future = self._outside(steps.throw, error)  # type: ignore[arg-type]
                except StopIteration:
                    break
                continue
            # As `_outside`, which this spares each message.
            this = getcurrent()
            inside, this.gr_context = this.gr_context, self._context  # type: ignore[assignment]
            try:
                # Unlike `send`, it need not raise anything at the end.
                future = next(steps, ENDED) if reply is None else steps.send(reply)
            except StopIteration:
                break
            finally:
                this.gr_context = inside
        message, self._message = self._message, None
        return message

    async def to_server(self, message: Message) -> None:
        """Give *message* to the server."""
        if self._context is False:
            await self._send(message)
        elif (rest := self._begin_to_send(message)) is not None:
            await rest

    def _begin_to_send(self, message: Message) -> CoroutineOf[None] | None:
        """Give *message* to the server; return an awaitable if the server has to wait."""
        assert self._context is not False
        this = getcurrent()
        inside, this.gr_context = this.gr_context, self._context
        try:
            steps = self._send(message).__await__()
            # It seldom waits, and a `for` finds that out without an exception.
            for future in steps:  # noqa: B007
                break
            else:
                return None
        finally:
            this.gr_context = inside
        return self._go_on(steps, future)

    async def _go_on(self, steps: object, future: object) -> None:
        await resume(steps, future, self._outside if self._context is not False else None)

    def _outside(self, step: Callable[[object], object], value: object) -> object:
        assert self._context is not False
        this = getcurrent()
        inside, this.gr_context = this.gr_context, self._context
        try:
            return step(value)
        finally:
            this.gr_context = inside
