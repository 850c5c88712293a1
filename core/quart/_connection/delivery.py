"""Send the answer to a connection: a response, or a 500 for one that cannot be sent."""

from __future__ import annotations

from functools import partial
from typing import Any, TYPE_CHECKING

from werkzeug.exceptions import InternalServerError

from .._loops.mailbox import shielded
from .._loops.raised import as_raised
from .._types import CoroutineOf, Message, Scope, Send
from ..wrappers.base import ClientDisconnectedError
from . import pathsend, rest
from .inbound import Inbound, undisturbed
from .outbound import close_response, outgoing, send_chunks, Whole
from .servers_headers import for_server

if TYPE_CHECKING:
    from ..app import Quart
    from ..ctx import AppContext
    from .outbound import Outgoing

_TYPE, _LENGTH = b"content-type", b"content-length"


class Delivery:
    """A connection that is answered by a response; for a websocket, by one that refuses it."""

    app: Quart
    scope: Scope
    #: The prefix of the types of ASGI messages that make up the response.
    message_types = "http.response.start", "http.response.body"
    #: Whether a response has begun, so that no other can be sent.
    answered = False
    #: Whether the server takes push promises.
    _can_push = False
    #: Whether to leave a whole response to be sent in the server's context; and that response.
    _leaves = False
    _left: tuple[Any, Any, Inbound | None] | None = None

    async def _send(self, send: Send, message: Message) -> None:
        try:
            await send(message)
        except OSError as error:
            # ASGI 2.4: the client is gone.
            raise ClientDisconnectedError from error

    def _failed(self, ctx: AppContext, error: BaseException) -> object:
        """Return the answer to an error that no handler has handled, or raise it."""
        app, error = self.app, as_raised(error)
        # A WSGI caller (a server or Flask's client) expects the error itself, as from Flask.
        if app._propagates(ctx) or self.scope.get("quart.undisturbed"):
            raise error
        app.logger.error("Exception outside of the view and its hooks", exc_info=error)
        return app.response_class(InternalServerError().get_body(), status=500)

    def _instead(self, ctx: AppContext, error: Exception) -> Outgoing:
        """Return a 500 to send in the place of a response that cannot be sent."""
        status, headers, body, _ = outgoing(ctx, self._failed(ctx, error))
        return status, headers, body, True  # The first response is still the one to close.

    def _still_to_come(self, ctx: AppContext) -> Inbound | None:
        """Return the inbound side if the rest of the request's body has still to be received."""

    def _deliver(
        self, ctx: AppContext, send: Send, response: Any, content: Outgoing | None = None
    ) -> CoroutineOf[None] | None:
        """Send *response*, or *content* if given, which is made from it.

        Returns None if a whole response was left for later, or else an awaitable that sends it.
        """
        self.answered = True
        if type(response) is Whole:
            self._left = self._messages(ctx, send, response)
            return None
        try:
            content = content or outgoing(ctx, response)
        except Exception as error:
            return self._deliver_by_steps(ctx, send, response, error)
        _, _, body, closes = content
        if self._leaves and body is not None and not (closes or self._can_push):
            self._left = self._messages(ctx, send, content)
            return None
        return self._deliver_by_steps(ctx, send, response, content)

    def _messages(
        self, ctx: AppContext, send: Send, content: Outgoing
    ) -> tuple[Message, Message, Inbound | None]:
        """Return a response's first and last message, and the inbound side to drain before."""
        status, headers, body, _ = content
        if (more := self._still_to_come(ctx)) is not None:
            headers = rest.announce(self.scope, headers)
        # Most have a type and a length, in this order. That is told here, as a call costs more.
        if type(content) is not Whole and (
            len(headers) != 2 or headers[1][0] != _LENGTH or headers[0][0] != _TYPE
        ):
            headers = for_server(headers, send)
        start_type, end_type = self.message_types
        start = {"type": start_type, "status": status, "headers": headers}
        return start, {"type": end_type, "body": body or b"", "more_body": False}, more

    async def _deliver_by_steps(
        self, ctx: AppContext, send: Send, response: Any, content: Outgoing | Exception
    ) -> None:
        closes, raised = True, None
        try:
            if isinstance(content, Exception):
                content = self._instead(ctx, content)
            _, _, body, closes = content
            start, end, more = self._messages(ctx, send, content)
            if self._can_push and getattr(response, "_push_promises", None):
                for path in response.push_promises:
                    await ctx.request.send_push_promise(path)
            try:
                await send(start)
                if body is not None:
                    await (send(end) if more is None else rest.send_end(more, send, end))
                    return
                path = pathsend.path_for(self.scope, response, start["headers"])
                if path is not None and more is None:
                    await send({"type": pathsend.TYPE, "path": path})
                    return
            except OSError as error:  # As in `_send`, written out to save a call for each response.
                raise ClientDisconnectedError from error
            await send_chunks(ctx, send, response, end["type"])
            await rest.send_end(more, partial(self._send, send), end)
        except BaseException as error:
            raised = type(error)
            raise
        finally:
            if closes:
                with shielded(raised), undisturbed(ctx.connection):
                    await close_response(ctx, response)
