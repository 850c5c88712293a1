"""Receive what a client has still to send of its body when the answer goes out.

Somebody has to receive it. Hypercorn, for one, closes the connection if the body has not arrived
when the answer ends, and waits for ever if nobody receives what has arrived. So the rest is
received and dropped before the message that ends the answer. The client need not wait for that: it
has the whole answer by then.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

from .._types import Message, Scope, Send
from .inbound import LINGER

if TYPE_CHECKING:
    from .inbound import Inbound

_BODILESS = frozenset({"GET", "HEAD", "OPTIONS"})


def is_to_come(inbound: Inbound, scope: Scope, fields: Mapping[bytes, bytes] | None) -> bool:
    """Whether the client has announced more of the body than was received.

    *fields* are the header fields of *scope*, if the caller has them at hand.
    """
    if fields is None:
        fields = dict(scope["headers"])
    # Most requests have no body, which the headers say.
    if b"content-length" in fields:
        is_announced = fields[b"content-length"] != b"0"
    else:
        # HTTP/2 and later announce a body by neither of the two headers.
        is_announced = b"transfer-encoding" in fields or (
            scope["http_version"][:1] != "1" and scope["method"] not in _BODILESS
        )
    return is_announced and not (inbound.complete or inbound.gone is not None or inbound.receiving)


def is_too_much(scope: Scope) -> bool:
    """Whether to close the connection rather than receive the rest, unless it has other streams.

    A client that waits for 100 Continue never sends the body once it has the answer.
    """
    fields = dict(scope["headers"])
    length = fields.get(b"content-length", b"")
    if b"expect" in fields:
        return True
    # Python refuses to read a number with thousands of digits; no such body is small.
    return length.isdigit() and (len(length) > _DIGITS or int(length) > LINGER)


def announce(scope: Scope, headers: list[tuple[bytes, bytes]]) -> list[tuple[bytes, bytes]]:
    """Return the answer's *headers*, with `Connection: close` if the connection is given up."""
    if scope["http_version"][:1] != "1" or not is_too_much(scope):
        return headers
    return [*((name, value) for name, value in headers if name != b"connection"), _CLOSE]


_CLOSE = (b"connection", b"close")
#: No body can be so long that its length has more digits than this.
_DIGITS = 19


async def send_end(inbound: Inbound | None, send: Send, end: Message) -> None:
    """Send *end*, the last message of an answer, once the rest of the body has been received."""
    if inbound is None:
        await send(end)
        return
    if end["body"]:
        await send({**end, "more_body": True})
        end = {**end, "body": b""}
    await inbound.linger()
    if not inbound.complete:
        await inbound.let_go()
    await send(end)
