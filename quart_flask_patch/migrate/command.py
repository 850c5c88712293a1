"""The group ``migrate``. It imports what a command needs only when that command runs."""

from __future__ import annotations

from importlib.util import find_spec
from pathlib import Path

import click

from .beside_command import beside
from .compare.command import compare
from .rewrite.command import rewrite

#: Modules that the extra `migrate` installs.
NEEDED = ("libcst", "packaging", "rich", "ruff")


@click.group("migrate", short_help="Move an application to the layer, a question at a time.")
def migrate() -> None:
    """Move a Flask application to the layer, a question at a time.

    \b
    Begin with:
      python -m quart_flask_patch migrate check --app yourapp .

    Only `rewrite --write` changes files. What blocks the event loop, your tests tell: see
    `pytest --help`, --fail-on-blocking. All of it needs the extra `migrate`.

    More: docs/migrating.md
    """


def require_extra() -> None:
    missing = [name for name in NEEDED if find_spec(name) is None]
    if missing:
        raise click.ClickException(
            "Expected the packages of the extra 'migrate' (libcst, packaging, rich, ruff), got no"
            f" {', '.join(missing)}. Install it: pip install 'quart-flask-patch[migrate]', or"
            ' pip install ./core ".[migrate]" at the top of a clone.'
        )


@migrate.command("check", short_help="Will it work? Report what to look at before the move.")
@click.argument("path", type=click.Path(exists=True, path_type=Path), required=False)
@click.option("--app", "app_path", metavar="IMPORT", help="The application: MODULE or MODULE:NAME.")
@click.option(
    "--requirements",
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    help="Look up the extensions of this file, not those that are installed.",
)
@click.option("--json", "as_json", is_flag=True, help="Write the report as JSON.")
@click.option(
    "--fail-on",
    type=click.Choice(["error", "warning", "never"]),
    default="error",
    show_default=True,
    help="The least level that makes the exit status 1.",
)
@click.option(
    "--timeout", default=60.0, show_default=True, help="Seconds to import the application."
)
@click.pass_context
def check(
    ctx: click.Context,
    path: Path | None,
    app_path: str | None,
    requirements: Path | None,
    as_json: bool,
    fail_on: str,
    timeout: float,
) -> None:
    """Report what to look at before the move, worst first. Nothing is changed.

    PATH is the source to read. --app is imported on the layer, in a process of its own. Give
    either, both or none: the environment and the extensions are looked at in any case.

    \b
      python -m quart_flask_patch migrate check --app yourapp .

    An error breaks, or holds up everybody; a warning costs something, or nobody has tried it; a
    note is good to know.

    The exit status is 0, 1 if there are errors (or what --fail-on says), or 2 if the command was
    given wrongly.

    More: docs/checking.md
    """
    require_extra()
    from .check import check_all
    from .show import show

    chosen = app_path or getattr(ctx.find_root().obj, "app_import_path", None)
    report = check_all(path, chosen, requirements, timeout)
    show(report, as_json)
    ctx.exit(report.fails(fail_on))


migrate.add_command(beside)
migrate.add_command(compare)
migrate.add_command(rewrite)
