"""Requests, responses and websockets: what a view reads, and what it answers with."""

from __future__ import annotations

from inspect import signature

from werkzeug.sansio.request import Request as _SansIORequest

from .._kind import REQUEST as _REQUEST, WEBSOCKET as _WEBSOCKET
from ..globals import request as _request, spell_out as _spell_out, websocket as _websocket
from .base import (
    BaseRequestWebsocket as BaseRequestWebsocket,
    ClientDisconnectedError as ClientDisconnectedError,
)
from .request import Body as Body, Request as Request
from .response import Response as Response
from .websocket import Websocket as Websocket

# Werkzeug's class keeps what it is given unchanged.
_given = tuple(signature(_SansIORequest).parameters)
_spell_out(_request, _REQUEST, (*dir(Request), *_given))
_spell_out(_websocket, _WEBSOCKET, (*dir(Websocket), *_given))
