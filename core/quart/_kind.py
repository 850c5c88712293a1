"""What differs between requests and websockets, as a value.

The path from connection to response is written once, in `_handling/pipeline.py`. It reads these
names from its context's kind.
"""

from __future__ import annotations

from dataclasses import dataclass

from blinker import NamedSignal

from .signals import (
    got_request_exception,
    got_websocket_exception,
    request_finished,
    request_started,
    request_tearing_down,
    websocket_finished,
    websocket_started,
    websocket_tearing_down,
)


@dataclass(frozen=True, slots=True, eq=False)
class Kind:
    """The names and rules of one kind of connection.

    A context's kind is `REQUEST` or `WEBSOCKET`. An application may handle the websockets of an
    endpoint by another value, which only their plan knows: see `Quart._kind_for`.
    """

    name: str
    #: Whether a view must return something; a websocket's need not.
    must_answer: bool
    #: Whether the view must accept a `Websocket`.
    accepts: bool
    #: The names of the application's public dicts of hooks, in the order in which they are used.
    before: tuple[str, ...]
    after: tuple[str, ...]
    teardown: tuple[str, ...]
    #: The names of the application's public methods, one for each stage; you may override them.
    handle: str
    full_dispatch: str
    preprocess: str
    dispatch: str
    finalize: str
    process: str
    do_teardown: str
    handle_exception: str
    started: NamedSignal
    finished: NamedSignal
    tearing_down: NamedSignal
    failed: NamedSignal


REQUEST = Kind(
    name="request",
    must_answer=True,
    accepts=False,
    before=("before_request_funcs",),
    after=("after_request_funcs",),
    teardown=("teardown_request_funcs",),
    handle="handle_request",
    full_dispatch="full_dispatch_request",
    preprocess="preprocess_request",
    dispatch="dispatch_request",
    finalize="finalize_request",
    process="process_response",
    do_teardown="do_teardown_request",
    handle_exception="handle_exception",
    started=request_started,
    finished=request_finished,
    tearing_down=request_tearing_down,
    failed=got_request_exception,
)
WEBSOCKET = Kind(
    name="websocket",
    must_answer=False,
    accepts=True,
    before=("before_websocket_funcs",),
    after=("after_websocket_funcs",),
    teardown=("teardown_websocket_funcs",),
    handle="handle_websocket",
    full_dispatch="full_dispatch_websocket",
    preprocess="preprocess_websocket",
    dispatch="dispatch_websocket",
    finalize="finalize_websocket",
    process="postprocess_websocket",
    do_teardown="do_teardown_websocket",
    handle_exception="handle_websocket_exception",
    started=websocket_started,
    finished=websocket_finished,
    tearing_down=websocket_tearing_down,
    failed=got_websocket_exception,
)
