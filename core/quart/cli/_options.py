"""The options of the ``quart`` command, and the environment that they set."""

from __future__ import annotations

import os
import platform
from contextlib import suppress
from importlib import metadata

import click
from click.core import ParameterSource

from ._groups import ScriptInfo

#: In order of increasing precedence.
DOTENV_FILES = (".quartenv", ".env")


def load_dotenv(path: str | os.PathLike[str] | None = None, load_defaults: bool = True) -> bool:
    """Set environment variables from a file, and from the nearest ``.env`` and ``.quartenv``.

    The file wins over ``.env``, that wins over ``.quartenv``, and variables that are set already
    win
    all of them. Returns whether any was found; needs python-dotenv to be installed.
    """
    try:
        import dotenv
    except ImportError:
        if path or any(os.path.isfile(name) for name in DOTENV_FILES):
            click.secho(
                " * Tip: There are .env or .quartenv files present. Install python-dotenv to use"
                " them.",
                fg="yellow",
                err=True,
            )
        return False
    files: list[str | os.PathLike[str]] = []
    if load_defaults:
        files += [dotenv.find_dotenv(name, usecwd=True) for name in DOTENV_FILES]
    if path is not None:
        files.append(path)
    values: dict[str, str | None] = {}
    for file in files:
        if file and os.path.isfile(file):
            values |= dotenv.dotenv_values(file, encoding="utf-8")
    for key, value in values.items():
        if value is not None:
            os.environ.setdefault(key, value)
    return bool(values)


def _load_env_file(ctx: click.Context, param: click.Parameter, value: str | None) -> str | None:
    load_defaults: bool = getattr(ctx.obj, "load_dotenv_defaults", True)
    if value is not None:
        try:
            metadata.version("python-dotenv")
        except metadata.PackageNotFoundError:
            raise click.BadParameter(
                "Expected python-dotenv to load an env file, got no such package. Run `pip install"
                " python-dotenv`.",
                ctx=ctx,
                param=param,
            ) from None
    if value is not None or load_defaults:
        load_dotenv(value, load_defaults)
    return value


env_file_option = click.Option(
    ["-e", "--env-file"],
    type=click.Path(exists=True, dir_okay=False),
    help=(
        "Load environment variables from this file, taking precedence over those set by '.env'"
        " and '.quartenv'. python-dotenv must be installed."
    ),
    is_eager=True,  # Variables may set other options.
    expose_value=False,
    callback=_load_env_file,
)


def _set_app(ctx: click.Context, param: click.Parameter, value: str | None) -> str | None:
    if value is not None:
        ctx.ensure_object(ScriptInfo).app_import_path = value
    return value


app_option = click.Option(
    ["-A", "--app"],
    metavar="IMPORT",
    help=(
        "The Quart application or factory function to load, in the form 'module:name'. Module can"
        " be a dotted import or file path. Name is not required if it is 'app', 'application',"
        " 'create_app', or 'make_app', and can be 'name(args)' to pass arguments."
    ),
    is_eager=True,  # --help lists the app's commands.
    expose_value=False,
    callback=_set_app,
)


def _set_debug(ctx: click.Context, param: click.Parameter, value: bool) -> bool | None:
    source = ctx.get_parameter_source(param.name or "")
    if source in (ParameterSource.DEFAULT, ParameterSource.DEFAULT_MAP):
        return None  # The option is not given, but the variable may be set.
    # Set it in the environment, where factories and reloaded processes read it.
    os.environ["QUART_DEBUG"] = "1" if value else "0"
    return value


debug_option = click.Option(
    ["--debug/--no-debug"],
    help="Set debug mode.",
    expose_value=False,
    callback=_set_debug,
)


def versions() -> str:
    """Return the versions that a bug report needs: of everything that serves an application."""
    lines = [f"Python {platform.python_version()}"]
    for name in ("Quart", "Quart-Flask-Patch", "Flask", "Werkzeug", "greenlet", "hypercorn"):
        with suppress(metadata.PackageNotFoundError):
            lines.append(f"{name} {metadata.version(name)}")
    return "\n".join(lines)


def get_version(ctx: click.Context, param: click.Parameter, value: object) -> None:
    """Print the versions and exit; the callback of ``--version``."""
    if not value or ctx.resilient_parsing:
        return
    click.echo(versions(), color=ctx.color)
    ctx.exit()


version_option = click.Option(
    ["--version"],
    help="Show the Quart version.",
    expose_value=False,
    callback=get_version,
    is_flag=True,
    is_eager=True,
)
