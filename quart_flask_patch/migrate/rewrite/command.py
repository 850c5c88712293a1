"""The command ``migrate rewrite``."""

from __future__ import annotations

from pathlib import Path

import click


@click.command("rewrite", short_help="Make views async in the source, or leave the layer.")
@click.argument("path", type=click.Path(exists=True, path_type=Path))
@click.option(
    "--views",
    multiple=True,
    metavar="ENDPOINT",
    help="Only these, by endpoint, function or a pattern such as 'shop.*'.",
)
@click.option(
    "--to",
    type=click.Choice(["async", "quart"]),
    default="async",
    show_default=True,
    help="What to make of them.",
)
@click.option(
    "--prefer",
    type=click.Choice(["run-sync", "native"]),
    default="run-sync",
    show_default=True,
    help="Await what blocks by run_sync, or by httpx and asyncio where they say the same.",
)
@click.option("--write", "is_written", is_flag=True, help="Write the files; no diff is shown.")
@click.option("--json", "as_json", is_flag=True, help="Write the report as JSON, diff included.")
@click.pass_context
def rewrite(
    ctx: click.Context,
    path: Path,
    views: tuple[str, ...],
    to: str,
    prefer: str,
    is_written: bool,
    as_json: bool,
) -> None:
    """Make views `async def`: show a diff, or with --write change the files.

    \b
    Look at one view first:
      python -m quart_flask_patch migrate rewrite . --views shop.index

    A call that blocks is awaited: requests.get(url) becomes await run_sync(requests.get)(url). A
    view that uses a synchronous database gets an event loop of its own. What cannot be decided
    is left, and listed.

    --to quart leaves the layer with all of the code base, tests included.

    The exit status is 0, 1 if something is left to do by hand, or 2 if the command was given
    wrongly.

    More: docs/rewriting.md
    """
    from ..command import require_extra

    require_extra()
    from . import run
    from .show import show

    if to == "quart" and views:
        raise click.UsageError(
            "Expected no --views with --to quart, which rewrites the whole code base, got some."
            " Leave them out."
        )
    try:
        outcome = run.rewrite(path, to, views, native=prefer == "native")
    except run.NoSuchView as error:
        raise click.UsageError(str(error)) from None
    if is_written:
        run.write(outcome.files)
        outcome.written = True
    show(outcome, as_json)
    ctx.exit(bool(outcome.left))
