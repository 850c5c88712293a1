"""What an application and a blueprint have in common beyond Flask's scaffold."""

from __future__ import annotations

import os
from collections import defaultdict
from collections.abc import Callable
from datetime import timedelta
from typing import Any, cast, TYPE_CHECKING, TypeVar

from flask.cli import AppGroup as FlaskAppGroup
from flask.sansio.scaffold import Scaffold as SansioScaffold, T_route

from .._flask import replace_default_context_processor, setupmethod
from .._handling.either import WithMethodsForBoth
from ..cli import AppGroup
from ..globals import current_app
from ..helpers import send_from_directory
from ..templating import _default_template_ctx_processor

if TYPE_CHECKING:
    from ..typing import (
        AfterWebsocketCallable,
        AppOrBlueprintKey,
        BeforeWebsocketCallable,
        FilePath,
        TeardownCallable,
        WebsocketCallable,
    )
    from ..wrappers import Response

T_websocket = TypeVar("T_websocket", bound="WebsocketCallable")
T_before_websocket = TypeVar("T_before_websocket", bound="BeforeWebsocketCallable")
T_after_websocket = TypeVar("T_after_websocket", bound="AfterWebsocketCallable")
T_teardown = TypeVar("T_teardown", bound="TeardownCallable")


def _expect_rule(rule: object, decorator: str) -> None:
    """Refuse a decorator without its parentheses, which would take the function for a rule."""
    if callable(rule):
        name = getattr(rule, "__name__", repr(rule))
        raise TypeError(
            f"Expected a URL rule, got the function {name!r}. Write the rule in parentheses:"
            f' `@{decorator}("/{name}")`.'
        )


class Scaffold(WithMethodsForBoth, SansioScaffold):
    """Websocket routes and hooks, static files and resources."""

    cli: FlaskAppGroup
    before_websocket_funcs: dict[AppOrBlueprintKey, list[BeforeWebsocketCallable]]
    after_websocket_funcs: dict[AppOrBlueprintKey, list[AfterWebsocketCallable]]
    teardown_websocket_funcs: dict[AppOrBlueprintKey, list[TeardownCallable]]

    #: The class of the group of its commands; the function that gives all templates their defaults.
    _cli_class: type[FlaskAppGroup] = AppGroup
    _context_processor: Callable[[], object] = staticmethod(_default_template_ctx_processor)

    def _prepare(self) -> None:
        """Set the attributes that Flask's `__init__` does not set."""
        self._wrapped_views: list[Callable[..., Any]] = []
        self.before_websocket_funcs = defaultdict(list)
        self.after_websocket_funcs = defaultdict(list)
        self.teardown_websocket_funcs = defaultdict(list)
        self.cli = self._cli_class()
        self.cli.name = self.name
        replace_default_context_processor(self, self._context_processor)

    # Routes

    def route(self, rule: str, **options: Any) -> Callable[[T_route], T_route]:
        """Decorate a view function to answer requests for *rule*; *options* are Werkzeug's."""
        _expect_rule(rule, "route")
        decorate = super().route(rule, **options)

        def register(func: T_route) -> T_route:
            if any(func is known for known in self._wrapped_views):
                # A tool has put a wrapper around the view by replacing Flask's `route`, as Sentry's
                # does. Another one for the next rule would be another view for one endpoint.
                self.add_url_rule(rule, options.pop("endpoint", None), func, **options)
                return func
            registered = decorate(func)
            if registered is not func:
                self._wrapped_views.append(registered)
            return registered

        return register

    @setupmethod
    def websocket(self, rule: str, **options: Any) -> Callable[[T_websocket], T_websocket]:
        """Decorate a function to handle the websockets of *rule*; *options* are Werkzeug's."""
        _expect_rule(rule, "websocket")

        def decorate(func: T_websocket) -> T_websocket:
            endpoint = options.pop("endpoint", None)
            self.add_websocket(rule, endpoint, func, **options)
            return func

        return decorate

    @setupmethod
    def add_websocket(
        self,
        rule: str,
        endpoint: str | None = None,
        view_func: WebsocketCallable | None = None,
        **options: Any,
    ) -> None:
        """Let *view_func* handle the websockets of *rule*."""
        options["methods"] = {"GET"}
        self.add_url_rule(rule, endpoint, cast(Any, view_func), websocket=True, **options)
        self._note_websocket(endpoint or cast(Any, view_func).__name__)

    def _note_websocket(self, endpoint: str) -> None:
        """Note that *endpoint* has a websocket handler, which does not take over the socket."""
        raise NotImplementedError(
            f"Expected {type(self).__name__} to define _note_websocket, got none."
        )

    @setupmethod
    def before_websocket(self, func: T_before_websocket) -> T_before_websocket:
        """Run *func* before each websocket's handler; if it returns something, that refuses it."""
        self.before_websocket_funcs.setdefault(None, []).append(func)
        return func

    @setupmethod
    def after_websocket(self, func: T_after_websocket) -> T_after_websocket:
        """Run *func* after each websocket's handler, on its response, or None if it has none."""
        self.after_websocket_funcs.setdefault(None, []).append(func)
        return func

    @setupmethod
    def teardown_websocket(self, func: T_teardown) -> T_teardown:
        """Run *func* with the error, or None, when a websocket's context is torn down."""
        self.teardown_websocket_funcs.setdefault(None, []).append(func)
        return func

    # Files

    def get_send_file_max_age(self, filename: str | None) -> int | None:
        """Return how many seconds a client may cache *filename*; None makes it ask each time."""
        value = current_app.config["SEND_FILE_MAX_AGE_DEFAULT"]
        return int(value.total_seconds()) if isinstance(value, timedelta) else value

    async def send_static_file(self, filename: str) -> Response:
        """Answer with a file of the static folder.

        Raises:
            RuntimeError: if there is no static folder.
        """
        if self.static_folder is None:
            raise RuntimeError(
                f"Expected a static folder to serve {filename!r} from, got none in {self!r}. Pass"
                " static_folder."
            )
        max_age = self.get_send_file_max_age(filename)
        return await send_from_directory(self.static_folder, filename, cache_timeout=max_age)

    async def open_resource(self, path: FilePath, mode: str = "rb") -> Any:
        """Open a file below the root path, to be used with `async with`.

        Raises:
            ValueError: if *mode* is not one for reading.
        """
        if mode not in {"r", "rb", "rt"}:
            raise ValueError(f"Expected mode 'r', 'rt' or 'rb' for a resource, got {mode!r}.")
        import aiofiles  # which few need

        return cast(Any, aiofiles.open)(os.path.join(self.root_path, os.fsdecode(path)), mode)
