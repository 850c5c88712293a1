"""Look at an application on the layer, in the probe's process."""

from __future__ import annotations

import inspect
import os
from collections.abc import Iterator
from typing import Any

from flask.cli import ScriptInfo

from quart._stock import origin_of
from quart._threads.pool import DEFAULT_SIZE
from quart._threads.strategy import is_async
from quart.app import Quart
from quart_flask_patch import genuine
from quart_flask_patch._places import LAYER, runs_async
from quart_flask_patch._wsgi.called import passes_on, place_of_middleware

from .findings import Finding, Level

#: Methods on the way from a request to its response; report them if they are overridden.
_FOUNDATIONS = {"flask", "quart", "quart_flask_patch", "werkzeug", "builtins", None}
_ORDINARY = {
    *("__init__", "__module__", "__doc__", "__qualname__", "__firstlineno__", "__annotations__"),
    *("__static_attributes__", "__abstractmethods__", "_abc_impl", "__dict__", "__weakref__"),
}


def loaded(path: str) -> object:
    return ScriptInfo(app_import_path=path).load_app()


def inspect_app(app: object) -> dict[str, object]:
    if not isinstance(app, Quart):
        what = f"{app!r} is of the class {type(app).__module__}.{type(app).__qualname__}"
        return {"has_layer": True, "error": f"{what}, which the layer does not serve", "place": ""}
    checks = (_middleware, _overridden, _class_views, _hooks, _commands, _websockets, _pools)
    found = [_as_data(finding) for check in checks for finding in check(app)]
    return {"has_layer": True, "findings": found, "async_place": LAYER.async_place(app).name}


def _as_data(finding: Finding) -> dict[str, str]:
    return {name: getattr(finding, name) for name in Finding.__slots__}


def _finding(level: Level, code: str, place: str, what: str, way_out: str = "") -> Finding:
    return Finding(level, "application", code, place, what, way_out)


def place_of(thing: Any) -> str:
    """Return where *thing*, a function, a class or an object of one, stands in the source."""
    found = inspect.unwrap(thing) if callable(thing) else thing
    found = getattr(found, "view_class", found)
    for candidate in (found, type(found)):
        try:
            file = inspect.getsourcefile(candidate)
            line = inspect.getsourcelines(candidate)[1] or 1
        except (TypeError, OSError):
            continue
        if file:
            shown = os.path.relpath(file)
            return f"{file if shown.startswith('..') else shown}:{line}"
    return getattr(thing, "__qualname__", repr(thing))


def _middleware(app: object) -> Iterator[Finding]:
    around = vars(app).get("wsgi_app") or getattr(type(app), "wsgi_app", None)
    if inspect.ismethod(around) and around.__self__ is app:
        return
    if around is None or ("wsgi_app" not in vars(app) and origin_of(around) in _FOUNDATIONS):
        return
    if passes_on(around) or place_of_middleware(around).name == "loop":
        return
    name = getattr(around, "__qualname__", type(around).__qualname__)
    yield _finding(
        "warning",
        "wsgi-middleware",
        place_of(around),
        f"{name} around wsgi_app works, and keeps a worker thread for each request, of async views"
        " too",
        'runs_in("loop")(middleware) if it never blocks; otherwise a hook, or ASGI middleware'
        " around app.asgi_app, before there are many async views",
    )


def _overridden(app: Any) -> Iterator[Finding]:
    for owner in (app, *type(app).__mro__):
        if owner is genuine.Flask or (owner is not app and owner.__module__ in _MODULES_OF_OURS):
            continue
        for name, found in list(vars(owner).items()):
            # The layer calls a method with a signature of Flask 3.1 through a function of its own.
            is_ours = origin_of(found) == "quart_flask_patch"
            value: Any = getattr(found, "__wrapped__", found) if is_ours else found
            if name in _ORDINARY or name == "wsgi_app" or not callable(getattr(Quart, name, None)):
                continue
            if not callable(value) or origin_of(value) in _FOUNDATIONS or isinstance(value, type):
                continue
            where = "on the application" if owner is app else f"in {owner.__qualname__}"
            yield _finding(
                "note",
                "overridden",
                place_of(value),
                f"{name} is replaced {where}; it is called as before, on the event loop for async"
                " views",
                "see that it does not block",
            )


_MODULES_OF_OURS = {
    *("quart.app", "quart_flask_patch.app", "flask.app", "flask.sansio.app"),
    *("flask.sansio.scaffold", "builtins"),
}


def _class_views(app: Any) -> Iterator[Finding]:
    seen = set()
    for view in app.view_functions.values():
        cls: Any = getattr(inspect.unwrap(view), "view_class", None)
        if not isinstance(cls, type) or cls in seen:
            continue
        seen.add(cls)
        methods = [name.lower() for name in getattr(cls, "methods", None) or ()]
        by_kind = {
            kind: [m for m in methods if hasattr(cls, m) and is_async(getattr(cls, m)) is kind]
            for kind in (True, False)
        }
        if by_kind[True] and by_kind[False]:
            yield _finding(
                "warning",
                "mixed-class-view",
                place_of(cls),
                f"{cls.__qualname__} has async methods ({', '.join(by_kind[True])}) beside plain"
                f" ones ({', '.join(by_kind[False])}), so each request of it takes a worker thread",
                "make all of its methods async def, or divide the class",
            )


def _hooks_for(app: Any, endpoint: str) -> Iterator[Any]:
    names = [None, *reversed(_blueprints_of(endpoint))]
    for table in (app.before_request_funcs, app.after_request_funcs):
        for name in names:
            yield from table.get(name, ())


def _blueprints_of(endpoint: str) -> list[str]:
    parts = endpoint.split(".")[:-1]
    return [".".join(parts[: number + 1]) for number in range(len(parts))]


def _hooks(app: Any) -> Iterator[Finding]:
    views = [
        endpoint
        for endpoint, view in app.view_functions.items()
        if runs_async(view) and LAYER.place_for(app, view, None).name == "loop"
    ]
    before: dict[object, list[str]] = {}
    for endpoint in views:
        for hook in _hooks_for(app, endpoint):
            if not is_async(hook):
                before.setdefault(hook, []).append(endpoint)
    for hook, endpoints in before.items():
        more = f" and {len(endpoints) - 3} more" if len(endpoints) > 3 else ""
        yield _finding(
            "note",
            "plain-hook",
            place_of(hook),
            f"{getattr(hook, '__qualname__', hook)} is a plain hook of async views"
            f" ({', '.join(endpoints[:3])}{more}), and runs on the event loop for them",
            "see that it does not block; if it does, make it async def",
        )


def _all_commands(group: Any, path: str = "") -> Iterator[tuple[str, Any]]:
    for name, command in group.commands.items():
        if hasattr(command, "commands"):
            yield from _all_commands(command, f"{path}{name} ")
        else:
            yield f"{path}{name}", command


def _commands(app: Any) -> Iterator[Finding]:
    for name, command in _all_commands(app.cli):
        if name == "migrate" or name.startswith("migrate "):
            what = "the application's command of this name is hidden by `migrate` of the layer"
            way = "`flask migrate`, which goes on finding it"
            yield _finding("note", "command-hidden", f"command {name}", what, way)
        if command.callback is not None and is_async(command.callback):
            yield _finding(
                "error",
                "async-command",
                place_of(command.callback),
                f"the command {name!r} is async def, and click drops what it returns",
                "register it by @app.cli.command(), or put flask.cli.with_appcontext beneath it",
            )


def _websockets(app: Any) -> Iterator[Finding]:
    endpoints = app._websocket_endpoints
    guards = [hook for hooks in app.before_request_funcs.values() for hook in hooks]
    if not endpoints or not guards:
        return
    if isinstance(app, genuine.Flask):
        guarded = bool(app.config["WEBSOCKET_REQUEST_HOOKS"])
        way = "set WEBSOCKET_REQUEST_HOOKS to True"
    else:
        guarded = any(app.before_websocket_funcs.values())
        way = "register each guard by before_websocket too"
    names = ", ".join(sorted(endpoints)[:3])
    if guarded:
        what = f"before_request functions run before the websockets too ({names})"
        yield _finding("note", "guarded-websockets", place_of(guards[0]), what, "nothing")
    else:
        what = f"before_request functions do not run before the websockets ({names})"
        yield _finding("error", "unguarded-websockets", place_of(guards[0]), what, way)


def _pools(app: Any) -> Iterator[Finding]:
    """Compare the number of worker threads with the connections that SQLAlchemy's pool may open."""
    extension = app.extensions.get("sqlalchemy")
    if not hasattr(type(extension), "engines"):
        return
    threads = app.config.get("SYNC_THREADS") or DEFAULT_SIZE
    with app.app_context():
        pools = {key: engine.pool for key, engine in extension.engines.items()}
    for key, pool in pools.items():
        size, overflow = getattr(pool, "size", None), getattr(pool, "_max_overflow", -1)
        if not callable(size) or overflow < 0 or size() + overflow >= threads:
            continue
        yield Finding(
            "warning",
            "environment",
            "small-pool",
            f"database {key or 'default'}",
            f"its pool opens {size() + overflow} connections at most, for {threads} worker threads:"
            " the others wait for one, and fail after pool_timeout",
            f"SQLALCHEMY_ENGINE_OPTIONS = {{'pool_size': {threads}}}, or a lower SYNC_THREADS",
        )
