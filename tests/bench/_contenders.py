"""The contenders: a framework, the API it is written to, and where it is installed."""

from __future__ import annotations

import importlib
import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Any

from ._environments import Environment, OURS, PEERS, UPSTREAM

PLACE = "QUART_SYNC_PLACE"
# Without the last, our own modules would be compiled at each start, and installed ones not.
_LEAKING = frozenset({PLACE, "PYTHONPATH", "PYTHONDONTWRITEBYTECODE"})


@dataclass(frozen=True)
class Contender:
    """One column of a table; ``app`` is the module that it runs of each set of tasks."""

    name: str
    title: str
    app: str
    colour: str
    environment: Environment
    interface: str = "asgi"
    is_patched: bool = False
    settings: Mapping[str, str] = field(default_factory=lambda: MappingProxyType({}))
    # The keys of the scenarios that it can do, where these are not all.
    only: frozenset[str] = frozenset()

    @property
    def is_ours(self) -> bool:
        return self.environment is OURS

    @property
    def takes_websockets(self) -> bool:
        return self.app in {"quart_app", "starlette_app"}

    def environ(self) -> dict[str, str]:
        """Our environment variables, less what would leak a setting into the contender."""
        kept = {key: value for key, value in os.environ.items() if key not in _LEAKING}
        return kept | dict(self.settings)


def load(tasks: str, app: str, *, is_patched: bool) -> Any:
    """The contender's module of a set of tasks; the layer, if wanted, takes its place first."""
    if is_patched:
        importlib.import_module("quart.flask_patch")
    return importlib.import_module(f"{__package__}.apps.{tasks}.{app}")


def _layer(name: str, title: str, colour: str, place: str, app: str = "flask_app") -> Contender:
    settings = MappingProxyType({PLACE: place})
    title = f"Flask app on the layer, {title}"
    return Contender(name, title, app, colour, OURS, is_patched=True, settings=settings)


_ALL = (
    Contender("quart", "Quart (here)", "quart_app", "#0e8a63", OURS),
    _layer("layer-thread", "thread", "#2fb457", "thread"),
    _layer("layer-loop", "loop", "#8ccf6f", "loop"),
    _layer("layer-async", "async views", "#b8b82e", "thread", "flask_async_app"),
    Contender("flask", "Flask (WSGI)", "flask_app", "#d64045", PEERS, "wsgi"),
    Contender("starlette", "Starlette", "starlette_app", "#4a8fc7", PEERS),
    Contender("quart022", "Quart 0.22", "quart_app", "#f1a208", UPSTREAM),
    Contender("parts", "The part alone", "parts_app", "#8a8f98", PEERS, only=frozenset("fijm")),
)
CONTENDERS = {contender.name: contender for contender in _ALL}


def versus(what: str, ours: str, theirs: str, on: str = "", theirs_on: str = "") -> str:
    """Say what is compared, by whom, and on which servers."""
    both = ((ours, on), (theirs, theirs_on))
    said = (f"{CONTENDERS[name].title}{place and f' on {place}'}" for name, place in both)
    return f"{what}: {' / '.join(said)}"
