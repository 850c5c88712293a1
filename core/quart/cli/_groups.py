"""The base of commands: find the app, enter its context, run an event loop."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextvars import copy_context
from functools import update_wrapper
from typing import Any, cast, TYPE_CHECKING

import click
from flask.cli import AppGroup as FlaskAppGroup, ScriptInfo as FlaskScriptInfo

from .._serving.loading import loading_app
from .._threads.strategy import is_async
from .._types import CoroutineOf, Function
from ..globals import _cv_app
from ..helpers import get_debug_flag, get_load_dotenv
from ._locate import locate_app, NoAppException, prepare_import

if TYPE_CHECKING:
    from ..app import Quart

#: Looked for in the current directory if nothing names the app.
DEFAULT_FILE = "app.py"
_RUNNER = "quart.cli.runner"
_HAS_CONTEXT = "_quart_has_appcontext"


class ScriptInfo(FlaskScriptInfo):
    """Finds and keeps the app that a command is about."""

    def __init__(
        self,
        app_import_path: str | None = None,
        create_app: Callable[..., Quart] | None = None,
        set_debug_flag: bool = True,
        load_dotenv_defaults: bool = True,
    ) -> None:
        super().__init__(app_import_path, cast(Any, create_app), set_debug_flag)
        self.load_dotenv_defaults = get_load_dotenv(load_dotenv_defaults)

    def load_app(self) -> Quart:  # type: ignore[override]
        """Return the app; the first call imports or makes it.

        Raises:
            NoAppException: if there is no app.
        """
        app = cast("Quart | None", self._loaded_app)
        if app is None:
            with loading_app():
                app = self._make_app()
            if self.set_debug_flag:
                app.debug = get_debug_flag()
            self._loaded_app = cast(Any, app)
        return app

    def _make_app(self) -> Quart:
        if self.create_app is not None:
            return cast("Quart", self.create_app())
        # A colon before a backslash or slash belongs to a Windows drive.
        path, *name = re.split(r":(?![\\/])", self.app_import_path or DEFAULT_FILE, maxsplit=1)
        is_given = bool(self.app_import_path)
        app = locate_app(prepare_import(path), name[0] if name else None, is_given)
        if app is None:
            raise NoAppException(
                "Could not locate a Quart application. Use the 'quart --app' option, the"
                f" 'QUART_APP' environment variable, or an {DEFAULT_FILE!r} file in the current"
                " directory."
            )
        return app


pass_script_info = click.make_pass_decorator(ScriptInfo, ensure=True)


def with_appcontext(fn: Function | None = None) -> Function:
    """Decorate a command to run in the app's context; an ``async def`` runs on an event loop.

    Commands of ``app.cli`` need no decorator. A plain command runs without a loop, so it may call
    ``asyncio.run`` itself.
    """
    if fn is None:
        return with_appcontext
    if getattr(fn, _HAS_CONTEXT, False):
        return fn
    run = _run_async_in_context if is_async(fn) else _run_plain_in_context

    @click.pass_context
    def in_context(ctx: click.Context, /, *args: object, **kwargs: object) -> object:
        app = ctx.ensure_object(ScriptInfo).load_app()
        return run(ctx, app, fn, *args, **kwargs)

    _as_plain(in_context, fn)
    setattr(in_context, _HAS_CONTEXT, True)
    return in_context


def _run_plain_in_context(
    ctx: click.Context, app: Quart, fn: Function, *args: object, **kwargs: object
) -> object:
    current = _cv_app.get(None)
    if current is None or current.app is not app:
        ctx.with_resource(app.app_context())
    return ctx.invoke(fn, *args, **kwargs)


def _run_async_in_context(
    ctx: click.Context, app: Quart, fn: Function, *args: object, **kwargs: object
) -> object:
    # Enter it on the loop, so that teardown functions run where the command has opened things.
    async def main() -> object:
        async with app.app_context():
            return await ctx.invoke(fn, *args, **kwargs)

    return run_coroutine(ctx, main())


def _with_loop(fn: Function) -> Function:
    if not is_async(fn):
        return fn

    @click.pass_context
    def in_loop(ctx: click.Context, /, *args: object, **kwargs: object) -> object:
        return run_coroutine(ctx, ctx.invoke(fn, *args, **kwargs))

    return _as_plain(in_loop, fn)


def _as_plain(wrapper: Function, fn: Function) -> Function:
    update_wrapper(wrapper, fn)
    # Code that looks through decorators must not take this for an async function.
    del wrapper.__wrapped__  # type: ignore[attr-defined]
    return wrapper


def run_coroutine(ctx: click.Context, main: CoroutineOf[object]) -> object:
    """Run a coroutine from a command; all coroutines of one invocation share an event loop."""
    try:
        asyncio.get_running_loop()
    except RuntimeError:
        root = ctx.find_root()
        if _RUNNER not in ctx.meta:
            ctx.meta[_RUNNER] = root.with_resource(asyncio.Runner())
        return ctx.meta[_RUNNER].run(main, context=copy_context())

    # An async test has invoked the command, and its loop runs in this thread.
    def in_thread() -> object:
        with ctx.scope(cleanup=False):
            return asyncio.run(main)

    with ThreadPoolExecutor(1) as pool:
        return pool.submit(copy_context().run, in_thread).result()


class AppGroup(FlaskAppGroup):
    """A group of commands that may be ``async def`` and run in the app's context."""

    def command(self, *args: object, **kwargs: object) -> Function:  # type: ignore[override]
        """Add a command, as :meth:`click.Group.command`; ``with_appcontext=False`` is possible."""
        wrap = with_appcontext if kwargs.pop("with_appcontext", True) else _with_loop
        return self._adding(click.Group.command, wrap, args, kwargs)

    def group(self, *args: object, **kwargs: object) -> Function:  # type: ignore[override]
        """Add a group, as :meth:`click.Group.group`, of this class."""
        kwargs.setdefault("cls", AppGroup)
        return self._adding(click.Group.group, _with_loop, args, kwargs)

    def _adding(
        self,
        add: Function,
        wrap: Function,
        args: tuple[object, ...],
        kwargs: dict[str, object],
    ) -> Function:
        if args and callable(args[0]):  # The decorator has no parentheses.
            return cast("Function", add(self, **kwargs)(wrap(args[0])))
        return lambda fn: add(self, *args, **kwargs)(wrap(fn))
