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


@click.group("migrate", short_help="Look at a code base that moves to the layer.")
def migrate() -> None:
    """Answer the questions of a code base that moves from Flask: will it work, what blocks?

    These commands read, import and report; `rewrite --write` alone changes files. They need the
    extra `migrate`. A command of this name that your application has is found by `flask migrate`
    as before.
    """


def require_extra() -> None:
    missing = [name for name in NEEDED if find_spec(name) is None]
    if missing:
        raise click.ClickException(
            "Expected the packages of the extra 'migrate' (libcst, packaging, rich, ruff), got no"
            f" {', '.join(missing)}. Install it: pip install 'quart-flask-patch[migrate]', or"
            ' pip install ./core ".[migrate]" at the top of a clone.'
        )


@migrate.command("check", short_help="Report what to look at before the move, worst first.")
@click.argument("path", type=click.Path(exists=True, path_type=Path), required=False)
@click.option("--app", "app_path", metavar="IMPORT", help="The application: MODULE or MODULE:NAME.")
@click.option(
    "--requirements",
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    help="Look up the extensions in this file, in place of those that are installed.",
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
    """Report on the environment, the extensions, the application and the source.

    PATH is a folder or a file of source to read. --app is imported on the layer, in a process of
    its own, and so runs what it runs when it is imported. Give either, both or none.

    \b
    Each line says how bad it is, where, what, and the way out:
      error    it breaks, or holds the event loop for all
      warning  it works, and costs or may block; or nobody has tried it
      note     good to know
    Then one line for each view: what it waits for, and whether it is worth making async.

    \b
    Begin with:
      python -m quart_flask_patch migrate check --app yourapp .
    In CI, once there are no errors:
      python -m quart_flask_patch migrate check --app yourapp --json . > report.json

    The exit status is 0, or 1 if there is a finding of the level that --fail-on names or a worse
    one, or 2 if the command was given wrongly.
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
