"""The command ``migrate rewrite``."""

from __future__ import annotations

from pathlib import Path

import click


@click.command("rewrite", short_help="Make views async, or leave the layer, in the source.")
@click.argument("path", type=click.Path(exists=True, path_type=Path))
@click.option(
    "--views",
    multiple=True,
    metavar="ENDPOINT",
    help="Only these, by endpoint or name of the function; a pattern such as 'shop.*' too.",
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
    help="How --to async waits: by run_sync, or by httpx and asyncio.",
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
    """Rewrite the views beneath PATH; by default only show the diff.

    \b
    --to async makes them `async def`, for the layer:
      requests.get(url)  ->  await run_sync(requests.get)(url)
      time.sleep(1)      ->  await asyncio.sleep(1)
      helper(x)          ->  await run_sync(helper)(x), if it blocks
    With --prefer native: httpx.AsyncClient for calls of requests and httpx that say the
    same there, and asyncio.to_thread for the others; tests that replace them notice.
    A view that uses the database, or something else that belongs to its request's
    thread, gets a loop of its own, where it holds nobody up: @runs_in("own-loop").

    --to quart leaves the layer: imports come from quart, what the core has as async is
    awaited, and `async` follows the calls up to views, commands, fixtures and tests. It is
    for the whole code base, so --views does not go with it. Extensions of Flask that are
    in the way are named.

    \b
    Begin with one view, and read the diff:
      python -m quart_flask_patch migrate rewrite . --views shop.index
    Then, in a clean working tree:
      python -m quart_flask_patch migrate rewrite . --write && git diff

    Formatting and comments stay. What cannot be decided is left, with a comment in the
    source where that helps, and is listed. A second run changes nothing.

    The exit status is 0, or 1 if something is left to do by hand, or 2 if the command was
    given wrongly.
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
