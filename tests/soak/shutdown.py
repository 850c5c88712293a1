"""Stop a server while clients are at all stages: it ends, and has ended what it began."""

from __future__ import annotations

import ast
import contextlib
import random
import re
import signal
import subprocess
import time
from collections import Counter
from collections.abc import Sequence
from itertools import cycle, islice
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
TERM, INT = signal.SIGTERM, signal.SIGINT
#: What a server is sent, one after the other.
ORDERS = [(TERM,), (INT,), (TERM, TERM), (INT, INT)]
PAUSE = 0.3
#: These do not say that they end, the second one on a second SIGINT. The application ends what it
#: began when Python ends.
SAYS_NOTHING, SAYS_NOTHING_TWICE = {"daphne"}, {"uvicorn"}


class NotEnded(AssertionError):
    """A server has not ended something that it began."""


def repeated(server: str, place: str, times: int, seed: int, log: Path) -> Counter[str]:
    """Start *server* so many times, and end it in the middle of what it does."""
    chance = random.Random(seed)
    done: Counter[str] = Counter()
    for signals in islice(cycle(ORDERS), times):
        done["clients"] += _once(server, place, signals, chance, log)
        done[", ".join(each.name for each in signals)] += 1
    return done


def _once(
    server: str,
    place: str,
    signals: Sequence[signal.Signals],
    chance: random.Random,
    log: Path,
) -> int:
    stages = told_of(server) * EACH
    chance.shuffle(stages)
    clients: list[Plain] = []
    kind = server.partition("-")[0]
    with serving_of(server, place, log, "_mixed", OPTIONS.get(kind, ())) as (one, _):
        for name in stages:
            clients.append(client := Plain(one.port))
            with contextlib.suppress(ConnectionEnded):
                STAGES[name](client)
        one.was_stopped = True
        send(one.process, signals)
        if kind in WAITS:
            time.sleep(1)  # These servers wait for their clients, so those leave in the end.
            for client in clients:
                client.close()
        try:
            status = one.process.wait(PROMPT)
        finally:
            end(one.process)
            for client in clients:
                client.close()
    if status not in (0, *(-each for each in signals)):
        raise NotEnded(f"status {status}\n{one.output()}")
    is_said = kind not in SAYS_NOTHING and not (
        kind in SAYS_NOTHING_TWICE and signals[1:] == (INT,)
    )
    check(one.output(), "after_serving" if is_said else "at exit")
    return len(clients)


def send(process: subprocess.Popen[bytes], signals: Sequence[signal.Signals]) -> None:
    for each in signals:
        process.send_signal(each)
        with contextlib.suppress(subprocess.TimeoutExpired):
            process.wait(PAUSE)
            return


def check(output: str, when: str) -> None:
    """Read in the log what had been begun and ended *when* the application said so, once."""
    told = re.findall(rf"{when}: (\{{.*\}})", output)
    if len(told) != 1:
        raise NotEnded(f"{when} was told {len(told)} times:\n{output}")
    counts = ast.literal_eval(told[0])
    if counts["begun"] != counts["ended"] or counts["streams begun"] != counts["streams closed"]:
        raise NotEnded(f"{counts}\n{output}")
