"""The command ``migrate beside``."""

from __future__ import annotations

import os
from importlib.util import find_spec
from typing import Any

import click


@click.command("beside", short_help="Serve the old and the new release on one port.")
@click.argument("old", metavar="OLD")
@click.option(
    "--rule",
    "rules",
    multiple=True,
    metavar="PATTERN=WHO",
    help="Who gets a path ('/api/*=new') or an endpoint ('notes.*=5%'); the first that matches"
    " counts.",
)
@click.option(
    "--share",
    default="old",
    show_default=True,
    metavar="WHO",
    help="Who gets all else: old, new, or the share of clients that the new one gets.",
)
@click.option(
    "--old-folder",
    type=click.Path(exists=True, file_okay=False),
    help="Where the old application is imported; by default here.",
)
@click.option(
    "--old-python",
    type=click.Path(exists=True, dir_okay=False),
    help="The Python that has its packages; by default this one.",
)
@click.option("--old-threads", default=40, show_default=True, help="How many threads it has.")
@click.option("--host", "-h", default="127.0.0.1", show_default=True, help="The interface.")
@click.option("--port", "-p", default=5000, show_default=True, help="The port; 0 takes a free one.")
@click.option(
    "--trust-forwarded",
    is_flag=True,
    help="Believe X-Forwarded-For and its like, which a proxy in front of this makes.",
)
@click.option("--no-choice", is_flag=True, help="Let no client choose, by header or cookie.")
@click.option("--separate-sessions", is_flag=True, help="Do not ask for a shared session.")
@click.pass_context
def beside(ctx: click.Context, /, old: str, rules: tuple[str, ...], **options: Any) -> None:
    """Serve two releases on one port: OLD on genuine Flask, --app on the layer.

    OLD is MODULE:NAME or MODULE:FACTORY(), and may be the same code. At first it answers
    everything. --share and --rule send clients and paths to the new one; so does the header
    `X-Beside: new`, for one request. A login in one counts in the other.

    \b
    One client in twenty to the new one, and --share old to go back:
      python -m quart_flask_patch --app yourapp migrate beside yourapp --share 5%

    More: docs/beside.md
    """
    missing = [name for name in ("anyio", "httpcore") if find_spec(name) is None]
    if missing:
        raise click.ClickException(
            f"Expected the packages of the extra 'migrate', got no {', '.join(missing)}. Install"
            " it: pip install 'quart-flask-patch[migrate]', or pip install ./core \".[migrate]\" at"
            " the top of a clone."
        )
    from quart._serving.server_config import ServeOptions
    from quart.cli import serve_app

    from ..cli import load_app
    from .beside import beside as put_beside

    info = ctx.find_root().obj
    divided = _rules_of(rules)

    def load() -> object:
        try:
            return put_beside(
                load_app(info),
                old,
                rules=divided,
                share=options["share"],
                by_hand=not options["no_choice"],
                trusts_forwarded=options["trust_forwarded"],
                shares_session=not options["separate_sessions"],
                folder=options["old_folder"],
                python=options["old_python"] and os.path.abspath(options["old_python"]),
                threads=options["old_threads"],
            )
        except ValueError as error:
            raise click.UsageError(str(error)) from error

    serve = ServeOptions(host=options["host"], port=options["port"])
    serve_app(load, serve, name=getattr(info, "app_import_path", None), framework="Flask")


def _rules_of(given: tuple[str, ...]) -> dict[str, str]:
    pairs = [rule.rpartition("=") for rule in given]
    for rule, (pattern, _, _) in zip(given, pairs, strict=True):
        if not pattern:
            raise click.UsageError(
                f"Expected --rule PATTERN=WHO, as '/api/*=new' or 'notes.*=5%', got {rule!r}."
            )
    return {pattern: who for pattern, _, who in pairs}
