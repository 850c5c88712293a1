"""Take the layer's place in a process on genuine Flask, where importing it must do nothing.

The child of `beside` and the sides of `compare` run this file by its path, with the application's
Python, so it imports nothing of this project.
"""

from __future__ import annotations

import asyncio
import functools
import importlib.util
import sys
from collections.abc import Awaitable, Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextvars import copy_context
from importlib.abc import Loader, MetaPathFinder
from importlib.machinery import ModuleSpec
from pathlib import Path
from types import ModuleType
from typing import NoReturn, TypeVar

T = TypeVar("T")
_LAYER, _OF_THE_CORE = "quart_flask_patch", "quart.flask_patch"
_FOLDER = Path(__file__).parent.parent


def stand_in() -> None:
    """Install the stand-in for the layer; call this before you import the application."""
    sys.meta_path.insert(0, _Finder())
    sys.modules[_OF_THE_CORE] = importlib.import_module(_LAYER)
    if importlib.util.find_spec("quart") is None:
        # `import quart.flask_patch` imports this first.
        sys.modules["quart"] = _Stand("quart")


class _Finder(MetaPathFinder, Loader):
    """Creates modules for the layer and for the modules in its folder."""

    def find_spec(
        self, fullname: str, path: Sequence[str] | None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        top, *rest = fullname.split(".")
        file = _FOLDER.joinpath(*rest)
        if top != _LAYER or not (file.is_dir() or file.with_suffix(".py").exists()):
            return None
        return ModuleSpec(fullname, self, is_package=True)

    def create_module(self, spec: ModuleSpec) -> ModuleType:
        return _Stand(spec.name)

    def exec_module(self, module: ModuleType) -> None:
        pass


class _Stand(ModuleType):
    """A module that has the layer's own names from `_WAYS`; all other names are Flask's."""

    #: The core, which may be installed, checks this.
    __distribution__ = "quart-flask-patch"

    def __getattr__(self, name: str) -> object:
        if name.startswith("__"):
            raise AttributeError(f"The stand-in for {self.__name__} has no {name!r}.")
        if name in _WAYS:
            return _WAYS[name]()
        import flask

        try:
            found: object = getattr(flask, name)
        except AttributeError:
            raise AttributeError(
                f"Expected a name that Flask has, got {self.__name__}.{name}: this process runs on"
                " genuine Flask. Name the application as it was before it moved."
            ) from None
        return found


# --- What the layer's own names do on Flask ------------------------------------------------------


def _runs_in(place: str) -> Callable[[T], T]:
    return lambda view: view


def _wait(awaitable: Awaitable[T]) -> T:
    async def awaited() -> T:
        return await awaitable

    try:
        asyncio.get_running_loop()
    except RuntimeError:
        return asyncio.run(awaited())
    with ThreadPoolExecutor(1) as thread:
        return thread.submit(copy_context().run, asyncio.run, awaited()).result()


def _bridged(func: Callable[..., T]) -> Callable[..., Awaitable[T]]:
    @functools.wraps(func)
    async def call(*args: object, **kwargs: object) -> T:
        return func(*args, **kwargs)

    return call


def _awaited(func: Callable[..., Awaitable[T]]) -> Callable[..., T]:
    @functools.wraps(func)
    def call(*args: object, **kwargs: object) -> T:
        return _wait(func(*args, **kwargs))

    return call


def _measure(app: object) -> None:
    """Measure nothing: genuine Flask has no table of endpoints."""


def _beside(app: T, *args: object, **kwargs: object) -> T:
    return app


def _refusing(name: str) -> Callable[..., NoReturn]:
    def refuse(*args: object, **kwargs: object) -> NoReturn:
        raise RuntimeError(
            f"Expected a process that runs the layer, for {name}, got one that runs genuine"
            " Flask. Ask where the new application is served."
        )

    return refuse


def _pool() -> object:
    from sqlalchemy.pool import QueuePool

    return QueuePool


#: The layer's own names, and functions that return what replaces them.
_WAYS: dict[str, Callable[[], object]] = {
    "runs_in": lambda: _runs_in,
    "wait": lambda: _wait,
    "bridged": lambda: _bridged,
    "awaited": lambda: _awaited,
    "measure": lambda: _measure,
    "beside": lambda: _beside,
    "WaitingPool": _pool,
    **{
        name: functools.partial(_refusing, name)
        for name in (
            *("endpoints", "requests", "threads"),
            *("Endpoint", "RequestUnderWay", "Threads"),
        )
    },
}
