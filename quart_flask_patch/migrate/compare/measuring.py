"""Asking a side again and again, to measure what a request costs it."""

from __future__ import annotations

import time
from collections.abc import Sequence
from http.client import HTTPConnection, HTTPException

from .answers import Patience, PIECE
from .carrying import Prepared


def measured(port: int, requests: Sequence[Prepared], seconds: float, patience: Patience) -> int:
    """Send *requests* over one connection for so many *seconds*; return how many were answered."""
    until, count = time.monotonic() + seconds, 0
    connection = HTTPConnection("127.0.0.1", port, timeout=patience.seconds)
    try:
        while True:
            for request in requests:
                count += _answered(connection, request)
                if time.monotonic() >= until:
                    return count
    finally:
        connection.close()


def _answered(connection: HTTPConnection, request: Prepared) -> bool:
    try:
        connection.putrequest(
            request.method, request.path, skip_host=True, skip_accept_encoding=True
        )
        for name, value in request.headers:
            connection.putheader(name, value.encode())
        connection.endheaders()
        response = connection.getresponse()
        while response.read(PIECE):
            pass
    except (OSError, HTTPException):
        connection.close()  # and opened anew by the next request
        return False
    return True
