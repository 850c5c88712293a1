"""Report a websocket view that has ended in a way that its author cannot have meant."""

from __future__ import annotations

from typing import NoReturn, TYPE_CHECKING

from werkzeug.exceptions import BadRequest, InternalServerError

from ..wrappers.websocket import State

if TYPE_CHECKING:
    from ..app import Quart
    from ..ctx import AppContext

#: Types of results that become a response with the status 200.
_DATA = str, bytes, dict, list


def check(app: Quart, ctx: AppContext, result: object) -> None:
    """Log an error if a view has not accepted, or a warning if it returned a *result* that is lost.

    Raises:
        InternalServerError: if the view has neither accepted nor refused, so the client gets a 500.
    """
    websocket = ctx.websocket
    view = f"The websocket view {websocket.endpoint!r}"
    if websocket.state is State.CONNECTING and result is None:
        app.logger.error(
            "%s ended without accepting the websocket, so the client is refused (500). Receive,"
            " send or accept before the end: is there an `await` before each of these? To refuse,"
            " give an answer, with `abort(403)` for example.",
            view,
        )
        raise InternalServerError
    if websocket.state is State.CONNECTING and isinstance(result, _DATA):
        app.logger.warning(
            "%s returned %s without accepting the websocket, so the client is refused, with the"
            " status 200. To send it, use `await websocket.send(...)`; to refuse, return a status"
            " too, such as 403.",
            view,
            type(result).__name__,
        )
    elif websocket.state is State.OPEN and result is not None:
        app.logger.warning(
            "%s returned %s from a websocket that is open, so it is closed with the code 1011."
            " Nobody sees what is returned: use `await websocket.send(...)`, and return nothing.",
            view,
            type(result).__name__,
        )


def refuse_upgrade(**arguments: object) -> NoReturn:
    """Refuse a request for a websocket's URL; used in place of the view.

    A WSGI server passes a websocket on as a request, as it has no websockets. Other requests for
    such a URL match no rule and do not come here.
    """
    raise BadRequest("This is the URL of a websocket, and this server cannot open one.")
