"""Clients leave at each stage of a connection, and nothing of them stays."""

from __future__ import annotations

import contextlib
import random
import socket
import struct
import threading
import time
from collections import Counter
from collections.abc import Callable

from ._wire import ConnectionEnded, head, Plain
from .mixed import Work

Stage = Callable[[Plain], None]
STAGES: dict[str, Stage] = {}
_RESET = struct.pack("ii", 1, 0)


def stage(func: Stage) -> Stage:
    STAGES[func.__name__] = func
    return func


@stage
def connected(client: Plain) -> None:
    """Leave before anything is sent."""


@stage
def in_the_head(client: Plain) -> None:
    client.send(head("GET", "/text/1", {})[:-8])


@stage
def before_the_body(client: Plain) -> None:
    client.send(head("POST", "/raw", {"content-length": "100000"}))


@stage
def in_the_body(client: Plain) -> None:
    client.send(head("POST", "/raw", {"content-length": "100000"}) + b"x" * 50_000)


@stage
def in_a_chunk(client: Plain) -> None:
    client.send(head("POST", "/raw", {"transfer-encoding": "chunked"}) + b"1000\r\nabc")


@stage
def in_a_form(client: Plain) -> None:
    kind = {"content-type": "multipart/form-data; boundary=a", "content-length": "100000"}
    part = b'--a\r\nContent-Disposition: form-data; name="file"; filename="f"\r\n\r\n'
    client.send(head("POST", "/form", kind) + part + b"x" * 20_000)


@stage
def while_it_waits(client: Plain) -> None:
    client.send(head("GET", "/waits", {}))
    time.sleep(0.02)  # Until it waits; the client is told nothing.


@stage
def while_it_waits_with_much_sent(client: Plain) -> None:
    client.send(head("GET", "/waits", {"content-length": "200000"}))
    client.socket.settimeout(0.05)
    with contextlib.suppress(TimeoutError):
        client.send(b"x" * 200_000)


@stage
def while_it_blocks(client: Plain) -> None:
    client.send(head("GET", "/blocks", {}))


@stage
def in_a_stream(client: Plain) -> None:
    client.send(head("GET", "/endless", {}))
    client.read_head()
    client.read(20)


@stage
def in_a_stream_that_stalls(client: Plain) -> None:
    client.send(head("GET", "/large", {}))
    client.read_head()
    time.sleep(0.05)  # Until the buffers are full.


@stage
def after_an_answer(client: Plain) -> None:
    client.send(head("GET", "/text/1", {}))
    client.read_answer()


@stage
def with_requests_waiting(client: Plain) -> None:
    client.send(head("GET", "/waits", {}) + head("GET", "/text/1", {}) * 3)


@stage
def in_a_handshake(client: Plain) -> None:
    client.send(head("GET", "/still", {"connection": "Upgrade", "upgrade": "websocket"})[:-2])


@stage
def of_a_websocket_that_listens(client: Plain) -> None:
    client.upgrade("/listen", {})
    client.read_message()


@stage
def in_a_message(client: Plain) -> None:
    client.upgrade("/listen", {})
    client.read_message()
    client.send(b"\x81\xfe\x10\x00\x00\x00\x00\x00abc")


@stage
def of_a_websocket_that_talks(client: Plain) -> None:
    client.upgrade("/talk", {})
    time.sleep(0.02)  # Until it has talked for a while.


@stage
def of_a_websocket_that_waits(client: Plain) -> None:
    client.upgrade("/still", {})
    client.read_message()


@stage
def of_a_websocket_that_was_sent_much(client: Plain) -> None:
    client.upgrade("/still", {})
    client.read_message()
    client.socket.settimeout(0.05)
    with contextlib.suppress(TimeoutError):
        for _ in range(200):
            client.send_message("x" * 100)


#: Stages at which a server does not tell that the client has left: these read nothing more of a
#: connection while they have a request that came before its turn.
UNTOLD = {"hypercorn": {"with_requests_waiting"}, "granian": {"with_requests_waiting"}}


def told_of(server: str) -> list[str]:
    """Return the stages at which *server* reports that a client has left."""
    return [name for name in STAGES if name not in UNTOLD.get(server.split()[0], ())]


def leaving(server: str) -> Work:
    """Return work for clients that leave, equally often at each stage, half of them by a reset."""
    names = told_of(server)

    def leave(port: int, count: int, chance: random.Random, stop: threading.Event) -> Counter[str]:
        done: Counter[str] = Counter()
        stages = names * -(-count // len(names))
        chance.shuffle(stages)
        for name in stages[:count]:
            if stop.is_set():
                break
            client = Plain(port)
            with contextlib.suppress(ConnectionEnded):
                STAGES[name](client)
            if chance.random() < 0.5:
                client.socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _RESET)
            client.close()
            done[name] += 1
        return done

    return leave
