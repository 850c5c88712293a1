"""The command ``compare``. It imports what it needs only when it runs."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, TypedDict, Unpack

import click

if TYPE_CHECKING:
    from .comparing import Asking
    from .sides import Plan


class Given(TypedDict):
    """The options of the command line."""

    app_path: str | None
    requests: Path | None
    setup: str | None
    against: str | None
    against_folder: Path | None
    against_python: str | None
    reference: str
    places: str
    servers: str
    variables: tuple[str, ...]
    copies: bool
    rules: tuple[str, ...]
    rules_file: Path | None
    tokens: tuple[str, ...]
    host: str | None
    headers: tuple[str, ...]
    limit: int
    timeout: float
    start_timeout: float
    measure: float
    html: Path | None
    as_json: bool


_FILE = click.Path(exists=True, dir_okay=False, path_type=Path)
_FOLDER = click.Path(exists=True, file_okay=False, path_type=Path)


@click.command("compare", short_help="Does it behave the same? Ask Flask and the layer the same.")
@click.option("--app", "app_path", metavar="IMPORT", help="The application: MODULE or MODULE:NAME.")
@click.option(
    "--requests",
    type=_FILE,
    help="An access log, a HAR file, an OpenAPI document, or a list of METHOD /path. Without it:"
    " all routes that take GET and no values.",
)
@click.option("--setup", metavar="COMMAND", help="Run this for each side, before it is served.")
@click.option("--places", default="thread", show_default=True, help="thread, loop, or thread,loop.")
@click.option(
    "--servers",
    default="hypercorn",
    show_default=True,
    help="Of the layer, with commas between: hypercorn, uvicorn, granian, daphne.",
)
@click.option("--against", metavar="IMPORT", help="The application of the reference, if another.")
@click.option("--against-folder", type=_FOLDER, help="The folder of the reference, if another.")
@click.option("--against-python", metavar="PYTHON", help="The Python of the reference, if another.")
@click.option(
    "--reference",
    default="wsgi",
    help="The server of the reference: gunicorn, waitress, werkzeug, or an ASGI server to have it"
    " on the layer.",
)
@click.option(
    "--env",
    "variables",
    metavar="NAME=VALUE",
    multiple=True,
    help="A variable of each side; {folder} in it is an empty folder of the side's own.",
)
@click.option("--copy/--no-copy", "copies", default=True, help="Copy the folder for each side.")
@click.option(
    "--rule",
    "rules",
    multiple=True,
    metavar="RULE",
    help="What may differ: 'header X-Id', 'json id', ...",
)
@click.option("--rules", "rules_file", type=_FILE, help="A file of rules, one a line.")
@click.option("--token", "tokens", multiple=True, help="A hidden field that is a token, too.")
@click.option("--host", help="The Host header of all requests.")
@click.option("--header", "headers", metavar="NAME:VALUE", multiple=True, help="Add to all.")
@click.option("--limit", default=1000, show_default=True, help="Send at most so many requests.")
@click.option("--timeout", default=10.0, show_default=True, help="Seconds for one answer.")
@click.option("--start-timeout", default=60.0, show_default=True, help="Seconds for a start.")
@click.option("--measure", default=0.0, help="Ask each side again for so many seconds of its CPU.")
@click.option("--html", type=click.Path(dir_okay=False, path_type=Path), help="Write a page, too.")
@click.option("--json", "as_json", is_flag=True, help="Write the report as JSON.")
@click.pass_context
def compare(ctx: click.Context, **given: Unpack[Given]) -> None:
    """Ask an application on genuine Flask and on the layer the same, and show what differs.

    \b
    All pages that need no values:
      python -m quart_flask_patch migrate compare --app yourapp

    --requests takes what users have asked for. Each side runs in a copy of the current folder;
    give each a database of its own by --env and --setup. Secrets are masked in the report.

    The exit status is 0 if nothing differs, 1 if something does, or 2 if nothing could be found
    out.

    More: docs/comparing.md
    """
    from ..command import require_extra
    from .recorded import CompareError

    try:
        require_extra()
    except click.ClickException as error:
        raise CompareError(error.message) from None
    from .comparing import compare
    from .showing import page, show

    chosen = given["app_path"] or getattr(ctx.find_root().obj, "app_import_path", None)
    if not chosen:
        raise click.UsageError(
            "Expected an application, got none. Name it by --app MODULE or --app MODULE:NAME."
        )
    reference, others = _plans(chosen, given)
    report = compare(reference, others, _asking(given))
    if given["html"] is not None:
        given["html"].write_text(page(report), "utf-8")
    show(report, given["as_json"])
    ctx.exit(report.status)


def _plans(app: str, given: Given) -> tuple[Plan, list[Plan]]:
    import os
    import sys

    from .sides import ASGI, Plan, WSGI

    if os.name == "nt":
        raise click.UsageError(
            f"Expected a POSIX system, got {os.name!r}: servers inherit their sockets. Use WSL."
        )
    servers = _words("--servers", given["servers"], ASGI)
    places = _words("--places", given["places"], ("thread", "loop"))
    (reference,) = _words("--reference", given["reference"], ("wsgi", *WSGI, *ASGI))
    against = _python(given["against_python"]) or sys.executable
    _require([*servers, *([reference] if against == sys.executable else [])])
    variables = dict(_pair("--env", each, "=") for each in given["variables"])
    copies, setup = given["copies"], given["setup"]
    here = Path.cwd()
    folder = (given["against_folder"] or here).resolve()
    first = Plan(
        given["against"] or app,
        reference,
        places[0] if reference in ASGI else "",
        folder,
        against,
        copies,
        setup,
        variables,
        is_reference=True,
    )
    others = [
        Plan(app, server, place, here, copies=copies, setup=setup, variables=variables)
        for server in servers
        for place in places
    ]
    return first, others


def _python(given: str | None) -> str | None:
    """Return the path of a Python: each side runs in a folder of its own."""
    if given is None:
        return None
    import os
    import shutil

    found = shutil.which(given)
    if found is None:
        raise click.UsageError(
            "Expected --against-python to be a Python: its path, or its name on PATH; got"
            f" {given!r}."
        )
    return os.path.abspath(found)  # a link stays one: an environment is found by it


def _words(option: str, text: str, known: tuple[str, ...]) -> list[str]:
    words = list(dict.fromkeys(word.strip() for word in text.split(",") if word.strip()))
    wrong = [word for word in words if word not in known]
    if wrong or not words:
        raise click.UsageError(
            f"Expected {option} to name some of {', '.join(known)};"
            f" got {', '.join(wrong) or 'none'}."
        )
    return words


def _require(servers: list[str]) -> None:
    from importlib.util import find_spec

    missing = [name for name in servers if name != "wsgi" and find_spec(name) is None]
    if missing:
        raise click.UsageError(
            f"Expected the server {missing[0]}, which is not installed: pip install {missing[0]}."
        )


def _pair(option: str, text: str, sign: str) -> tuple[str, str]:
    name, found, value = text.partition(sign)
    if not found or not name.strip():
        raise click.UsageError(f"Expected {option} NAME{sign}VALUE, got {text!r}.")
    return name.strip(), value.strip()


def _asking(given: Given) -> Asking:
    import sys

    from .comparing import Asking
    from .recorded import sendable
    from .rules import rules_of
    from .sources import read_source

    file = given["requests"]
    tell = _tell if sys.stderr.isatty() else lambda text: None
    headers = tuple(_pair("--header", each, ":") for each in given["headers"])
    if len(sendable(headers)) != len(headers):
        raise click.UsageError(
            "Expected --header NAME:VALUE with a name and a value that HTTP can send, got"
            f" {given['headers']}."
        )
    return Asking(
        read_source(file) if file else None,
        str(file.name) if file else "the URL map",
        rules_of(given["rules"], given["rules_file"]),
        given["host"],
        sendable(headers),
        given["limit"],
        given["timeout"],
        given["start_timeout"],
        given["measure"],
        frozenset(given["tokens"]),
        tell,
    )


def _tell(text: str) -> None:
    click.echo(f"\r\x1b[K{text} ", err=True, nl=False)
