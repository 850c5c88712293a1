"""Send requests to a side again and again, to measure what a request costs it."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from http.client import HTTPConnection, HTTPException

from .answers import Patience, PIECE
from .carrying import Prepared

#: After how many requests to check whether it is enough.
LOOK = 10
#: How many times longer than the measured time it may take, on a machine that is busy.
PATIENCE = 10.0


def measured(
    port: int,
    requests: Sequence[Prepared],
    seconds: float,
    used: Callable[[], float],
    patience: Patience,
) -> int:
    """Send *requests* over one connection until *used* is so many *seconds*.

    Return how many were answered.
    """
    until, count, sent = time.monotonic() + seconds * PATIENCE, 0, 0
    connection = HTTPConnection("127.0.0.1", port, timeout=patience.seconds)
    try:
        while True:
            for request in requests:
                count += _answered(connection, request)
                sent += 1
                is_time_to_look = sent % LOOK == 0
                if time.monotonic() >= until or (is_time_to_look and used() >= seconds):
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
        connection.close()  # The next request opens it again.
        return False
    return True
