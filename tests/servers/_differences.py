"""Differences by server and question: what is seen instead, and why it is the server's doing."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any


class OneOf(tuple[Any, ...]):
    """Equals any of several values, for answers that depend on the version."""

    __slots__ = ()
    __hash__ = tuple.__hash__

    def __eq__(self, other: object) -> bool:
        return other in iter(self)

    def __ne__(self, other: object) -> bool:
        return other not in iter(self)


@dataclass(frozen=True)
class Difference:
    seen: Any
    why: str
    #: Whether the difference is ours.
    whose: str = ""


HYPERCORNS = (
    "hypercorn",
    "hypercorn, HTTP/2 with TLS",
    "hypercorn, HTTP/2 without",
    "hypercorn on uvloop",
    "hypercorn on Trio",
)
UVICORNS = ("uvicorn", "uvicorn on uvloop")

ROOTED = {"path": "/where", "root_path": "/base", "url": "/base/where"}
NO_CODE = Difference([1006, ""], "does not tell the client's close code: always 1006")
NO_REASON = Difference([4002, ""], "does not tell the reason that the client gave")
NO_HEADERS = Difference(
    ("second", None, {"path": "/accepted", "token": "t&é"}, (1000, "")),
    "leaves out the headers of `accept`",
)
STRIPPED = Difference(
    [404, ROOTED], "puts the root path in front itself: the proxy must have stripped it"
)
QUART_TRIO = "hypercorn on Trio, quart-trio"
NO_LIFESPAN = "has no lifespan protocol: nothing runs at the start and the end"

DIFFERENCES: dict[tuple[str, str], Difference] = {
    **{(server, "websocket_left"): NO_CODE for server in HYPERCORNS},
    (QUART_TRIO, "websocket_left"): Difference(
        OneOf((None, [None, ""])),
        "does not tell the client's close code; before 0.13, not even that it has left",
        "quart-trio",
    ),
    (QUART_TRIO, "websocket_empty"): Difference(
        ["", "end"], "hands on `None` for an empty binary message", "quart-trio"
    ),
    **{(server, "root_path"): STRIPPED for server in UVICORNS},
    ("granian", "websocket_accept"): NO_HEADERS,
    ("granian", "websocket_left"): NO_REASON,
    ("daphne", "streamed_request"): Difference(
        {"length": 6, "early": False}, "receives the whole body before it calls the application"
    ),
    ("daphne", "websocket_empty"): Difference(["end"], "does not send empty messages"),
    ("daphne", "websocket_accept"): NO_HEADERS,
    ("daphne", "websocket_closed"): Difference((4001, ""), "does not send the reason"),
    ("daphne", "websocket_left"): NO_REASON,
    ("daphne", "websocket_denied"): Difference(
        (403, None, b""), "lacks the denial extension: every refusal is a plain 403"
    ),
    ("daphne", "websocket_missing"): Difference(
        [403, 403], "lacks the denial extension: every refusal is a plain 403"
    ),
    ("daphne", "started"): Difference(None, NO_LIFESPAN),
    ("daphne", "stopped"): Difference(False, NO_LIFESPAN),
}

#: What is missing here, and not the server's doing, with the reason. A test fails if the gap is
#: closed, so that the entry goes too.
GAPS: dict[tuple[str, str], str] = {}
