"""Stop a server while clients are at all stages: it ends, and has ended what it began."""

from __future__ import annotations

import ast
import contextlib
import random
import re
import signal
import time
from collections import Counter
from pathlib import Path

from _serving import end

from ._served import serving_of
from ._wire import ConnectionEnded, Plain
from .disconnects import STAGES, told_of

#: Seconds in which a server must end even if clients stay: its grace period, and some more.
PROMPT = 25.0
#: The number of clients at each stage.
EACH = 2


#: Options that limit how long a server waits for clients.
OPTIONS = {"uvicorn": ["--timeout-graceful-shutdown", "2"]}
#: Servers without such an option; clients leave them a second after the stop.
WAITS = {"granian"}


class NotEnded(AssertionError):
    """A server has not ended something that it began."""


def repeated(server: str, place: str, times: int, seed: int, log: Path) -> Counter[str]:
    """Start *server* so many times, and end it in the middle of what it does."""
    chance = random.Random(seed)
    done: Counter[str] = Counter()
    for _ in range(times):
        done["clients"] += _once(server, place, chance, log)
        done["shutdowns"] += 1
    return done


def _once(server: str, place: str, chance: random.Random, log: Path) -> int:
    stages = told_of(server) * EACH
    chance.shuffle(stages)
    clients: list[Plain] = []
    kind = server.split()[0]
    with serving_of(server, place, log, "_mixed", OPTIONS.get(kind, ())) as (one, _):
        for name in stages:
            clients.append(client := Plain(one.port))
            with contextlib.suppress(ConnectionEnded):
                STAGES[name](client)
        one.was_stopped = True
        one.process.send_signal(signal.SIGTERM)
        if kind in WAITS:
            time.sleep(1)  # These servers wait for their clients, so those leave in the end.
            for client in clients:
                client.close()
        try:
            one.process.wait(PROMPT)
        finally:
            end(one.process)
            for client in clients:
                client.close()
    check(one.output())
    return len(clients)


def check(output: str) -> None:
    """Read in the log what had been begun and ended when `after_serving` functions ran."""
    told = re.findall(r"after_serving: (\{.*\})", output)
    if len(told) != 1:
        raise NotEnded(f"after_serving ran {len(told)} times:\n{output}")
    counts = ast.literal_eval(told[0])
    if counts["begun"] != counts["ended"] or counts["streams begun"] != counts["streams closed"]:
        raise NotEnded(f"{counts}\n{output}")
