"""Requests, responses and websockets: what a view reads, and what it answers with."""

from __future__ import annotations

from .base import (
    BaseRequestWebsocket as BaseRequestWebsocket,
    ClientDisconnectedError as ClientDisconnectedError,
)
from .request import Body as Body, Request as Request
from .response import Response as Response
from .websocket import Websocket as Websocket
