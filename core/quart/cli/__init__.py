"""The ``quart`` command, and the classes with which apps add commands of their own.

It is built on :mod:`flask.cli`. The differences: commands may be ``async def``, options and
variables are named after Quart, and ``run`` serves with hypercorn.
"""

from __future__ import annotations

# Check here too, since PyPI's `quart/__init__.py` would import this package.
from .. import _installation as _installation

# isort: split

import traceback
from collections.abc import Callable
from importlib.metadata import entry_points
from typing import Any, TYPE_CHECKING

import click

from ..globals import current_app as current_app
from ..helpers import get_debug_flag as get_debug_flag, get_load_dotenv as get_load_dotenv
from ._commands import routes_command, run_command, serve_app, shell_command
from ._groups import AppGroup, pass_script_info, ScriptInfo, with_appcontext
from ._locate import (
    find_app_by_string,
    find_best_app,
    locate_app,
    NoAppException,
    prepare_import,
)
from ._options import (
    app_option,
    debug_option,
    env_file_option,
    get_version,
    load_dotenv,
    version_option,
)

if TYPE_CHECKING:
    from ..app import Quart

__all__ = [
    "AppGroup",
    "NoAppException",
    "QuartGroup",
    "ScriptInfo",
    "cli",
    "find_app_by_string",
    "find_best_app",
    "get_version",
    "load_dotenv",
    "locate_app",
    "main",
    "pass_script_info",
    "prepare_import",
    "routes_command",
    "run_command",
    "serve_app",
    "shell_command",
    "version_option",
    "with_appcontext",
]


class QuartGroup(AppGroup):
    """The group behind ``quart``: its own commands, those of plugins, and those of the app.

    - *create_app*: Returns the app, in place of ``--app``.
    - *load_dotenv*: Load ``.env`` and ``.quartenv``.
    - *set_debug_flag*: Set the app's debug flag from ``--debug`` and ``QUART_DEBUG``.
    """

    def __init__(
        self,
        add_default_commands: bool = True,
        create_app: Callable[..., Quart] | None = None,
        add_version_option: bool = True,
        load_dotenv: bool = True,
        set_debug_flag: bool = True,
        **extra: Any,
    ) -> None:
        # --env-file comes first, because it may set the others.
        params = [*(extra.pop("params", None) or ()), env_file_option, app_option, debug_option]
        if add_version_option:
            params.append(version_option)
        settings = extra.pop("context_settings", None) or {}
        settings.setdefault("auto_envvar_prefix", "QUART")
        super().__init__(params=params, context_settings=settings, **extra)
        self.create_app = create_app
        self.load_dotenv = load_dotenv
        self.set_debug_flag = set_debug_flag
        if add_default_commands:
            for command in (run_command, shell_command, routes_command):
                self.add_command(command)
        self._loaded_plugin_commands = False

    def _load_plugin_commands(self) -> None:
        if not self._loaded_plugin_commands:
            for entry_point in entry_points(group="quart.commands"):
                self.add_command(entry_point.load(), entry_point.name)
            self._loaded_plugin_commands = True

    def get_command(self, ctx: click.Context, name: str) -> click.Command | None:
        """Return a command; the group's own commands work without an app."""
        self._load_plugin_commands()
        command = super().get_command(ctx, name)
        if command is not None:
            return command
        try:
            app = ctx.ensure_object(ScriptInfo).load_app()
        except NoAppException as error:
            _show_error(f"Error: {error.format_message()}")
            return None
        return app.cli.get_command(ctx, name)

    def list_commands(self, ctx: click.Context) -> list[str]:
        """Return all names; if the app cannot be loaded, print why and leave out its commands."""
        self._load_plugin_commands()
        names = set(super().list_commands(ctx))
        try:
            names.update(ctx.ensure_object(ScriptInfo).load_app().cli.list_commands(ctx))
        except NoAppException as error:
            _show_error(f"Error: {error.format_message()}")
        except Exception:
            _show_error(traceback.format_exc())
        return sorted(names)

    def make_context(
        self,
        info_name: str | None,
        args: list[str],
        parent: click.Context | None = None,
        **extra: Any,
    ) -> click.Context:
        """Put the :class:`ScriptInfo`, which knows the app, into the command's context."""
        if "obj" not in extra and "obj" not in self.context_settings:
            extra["obj"] = ScriptInfo(
                create_app=self.create_app,
                set_debug_flag=self.set_debug_flag,
                load_dotenv_defaults=self.load_dotenv,
            )
        return super().make_context(info_name, args, parent=parent, **extra)

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        """Parse as usual, but include the app's commands in the help."""
        shows_help = not args and self.no_args_is_help
        if shows_help or (len(args) == 1 and args[0] in self.get_help_option_names(ctx)):
            # Process the other options here, as click would show the help before them.
            env_file_option.handle_parse_result(ctx, {}, [])
            app_option.handle_parse_result(ctx, {}, [])
        return super().parse_args(ctx, args)


def _show_error(message: str) -> None:
    click.secho(f"{message}\n", err=True, fg="red")


cli = QuartGroup(
    name="quart",
    help="""\
A general utility script for Quart applications.

An application to load must be given with the '--app' option, the 'QUART_APP' environment variable,
or with an 'app.py' file in the current directory.
""",
)


def main() -> None:
    """Run the ``quart`` command."""
    cli.main()
