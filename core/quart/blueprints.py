"""Blueprints: Flask's, with websockets and serving hooks."""

from __future__ import annotations

from typing import Any, cast, TYPE_CHECKING, TypeVar

from flask.sansio.blueprints import BlueprintSetupState as BlueprintSetupState

from ._application.scaffold import Scaffold, T_after_websocket, T_before_websocket, T_teardown
from ._flask import BlueprintBase, setupmethod
from ._types import Function

if TYPE_CHECKING:
    import os

    from ._application.serving_methods import T_after_serving, T_before_serving, T_while_serving

F = TypeVar("F", bound=Function)

_WEBSOCKET_HOOKS = ("before_websocket_funcs", "after_websocket_funcs", "teardown_websocket_funcs")


class Blueprint(Scaffold, BlueprintBase):
    """A set of routes, hooks and files to be registered on an application.

    Takes what Flask's does: name, import_name, static_folder, static_url_path, template_folder,
    url_prefix, subdomain, url_defaults, root_path, cli_group.
    """

    if TYPE_CHECKING:

        def __init__(
            self,
            name: str,
            import_name: str,
            static_folder: str | os.PathLike[str] | None = None,
            static_url_path: str | None = None,
            template_folder: str | os.PathLike[str] | None = None,
            url_prefix: str | None = None,
            subdomain: str | None = None,
            url_defaults: dict[str, Any] | None = None,
            root_path: str | None = None,
            cli_group: str | None = ...,
        ) -> None: ...

    else:

        def __init__(self, *args: Any, **kwargs: Any) -> None:
            super().__init__(*args, **kwargs)
            self._prepare()

    def _note_websocket(self, endpoint: str) -> None:
        def note(state: BlueprintSetupState) -> None:
            name = f"{state.name_prefix}.{state.name}.{endpoint}".lstrip(".")
            cast(Any, state.app)._note_websocket(name)

        self.record(note)

    def merge_hooks(self, app: Any, name: str) -> None:
        for hooks in _WEBSOCKET_HOOKS:
            for scope, funcs in getattr(self, hooks).items():
                key = name if scope is None else f"{name}.{scope}"
                getattr(app, hooks)[key].extend(funcs)

    def _on_app(self, hooks: str, func: F) -> F:
        def add(state: BlueprintSetupState) -> None:
            target = getattr(state.app, hooks)
            if isinstance(target, dict):
                target = target.setdefault(None, [])
            target.append(func)

        self.record_once(add)
        return func

    @setupmethod
    def before_app_websocket(self, func: T_before_websocket) -> T_before_websocket:
        """Run *func* before the handler of each websocket of the application."""
        return self._on_app("before_websocket_funcs", func)

    @setupmethod
    def after_app_websocket(self, func: T_after_websocket) -> T_after_websocket:
        """Run *func* after the handler of each websocket of the application."""
        return self._on_app("after_websocket_funcs", func)

    @setupmethod
    def teardown_app_websocket(self, func: T_teardown) -> T_teardown:
        """Run *func* at the teardown of each websocket of the application."""
        return self._on_app("teardown_websocket_funcs", func)

    @setupmethod
    def before_app_serving(self, func: T_before_serving) -> T_before_serving:
        """Run *func* once, before the application serves."""
        return self._on_app("before_serving_funcs", func)

    @setupmethod
    def while_app_serving(self, func: T_while_serving) -> T_while_serving:
        """Run the async generator *func* to its `yield` before serving, and on after it."""
        self.record_once(lambda state: cast(Any, state.app).while_serving(func))
        return func

    @setupmethod
    def after_app_serving(self, func: T_after_serving) -> T_after_serving:
        """Run *func* once, after the application has served."""
        return self._on_app("after_serving_funcs", func)
