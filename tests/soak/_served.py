"""Start servers for these programs, with the application in one of its places."""

from __future__ import annotations

import importlib.util
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from _serving import environment, served, Server
from servers._servers import Serving, SERVINGS, UVICORN

TESTS = Path(__file__).parents[1]
#: Where the views of a `Flask` application run, plain ones and, on a loop of their own, async ones;
#: or a bare `Quart` application, whose views are async.
PLACES = ("thread", "loop", "own-loop", "quart")
#: Those of them that each server is asked for.
AT_SERVERS = ("thread", "loop", "quart")

_ALL = [
    *SERVINGS,
    Serving(
        "uvicorn with httptools",
        (*UVICORN, "--loop", "asyncio", "--http", "httptools"),
        "--root-path",
        ("uvicorn", "websockets", "httptools"),
    ),
    Serving(
        "uvicorn on uvloop with h11",
        (*UVICORN, "--loop", "uvloop", "--http", "h11"),
        "--root-path",
        ("uvicorn", "websockets", "uvloop"),
    ),
]
SERVERS = {
    str(one).removesuffix("-Quart"): one
    for one in _ALL
    if one.application == "quart:Quart" and not one.tls and "trio" not in one.needs
}


def environment_of(place: str) -> dict[str, str]:
    """Return the environment of a process whose application runs in that place."""
    kind = "quart" if place == "quart" else "flask"
    variables = {"APPLICATION_KIND": kind}
    if place == "own-loop":
        variables["QUART_ASYNC_PLACE"] = place
    return environment(place if place in {"thread", "loop"} else "", **variables)


def installed(server: str) -> str:
    """Return the name of *server*, or skip the test if something that it needs is missing."""
    import pytest

    if any(importlib.util.find_spec(name) is None for name in SERVERS[server].needs):
        pytest.skip(f"what {server} needs is not installed")
    return server


@contextmanager
def serving_of(
    server: str, place: str, log: Path, module: str = "_application", options: Sequence[str] = ()
) -> Iterator[tuple[Server, Serving]]:
    """Start *server* with the application of a *module* here, and more *options*."""
    serving = SERVERS[server]
    env = environment_of(place) | {"PYTHONWARNINGS": "default"}
    command = [part.replace("_application:app", f"soak.{module}:app") for part in serving.command]
    command += options
    with served(command, TESTS, env, log) as one:
        yield one, serving
