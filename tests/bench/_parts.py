"""What the parts cost that do most of a request's work: rendering a template, parsing an upload.

Each beside the library that it is made of, in one process: no request, no application's hooks.
"""

from __future__ import annotations

import asyncio
import io
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from werkzeug.formparser import FormDataParser as WSGIFormDataParser

from quart import Quart, render_template
from quart.formparser import FormDataParser
from quart.wrappers import Body

from ._environments import versions
from ._report import grid, machine, Section, Table, Target
from ._samples import Samples, turns
from ._scenarios import SCENARIOS
from ._settings import Settings
from .apps.scenarios import _payload as payload

_MULTIPART: Any = ("multipart/form-data", None, {"boundary": "frontier"})


@dataclass(frozen=True)
class _Column:
    name: str
    title: str
    colour: str = ""
    is_ours: bool = False


_COLUMNS = (
    _Column("ours", "Quart (here)", is_ours=True),
    _Column("library", "the library's own, synchronous"),
)
_TITLES = {
    "template": "template, table of 50 rows: Jinja",
    "at once": "multipart upload of 1 MiB, at once: Werkzeug",
    "in pieces": "multipart upload of 1 MiB, in pieces of 64 KiB: Werkzeug",
}
_LIMITS = {"template": 1.15, "at once": 1.2, "in pieces": 1.2}

Work = Callable[[], Any]


def run(settings: Settings) -> Section:
    """The same template and the same bytes, by us and by the library."""
    rounds = settings.rounds_or(9)
    samples = asyncio.run(_measured(rounds, settings.seconds(settings.budget)))
    return Section(
        f"Medians of {rounds} rounds, {machine()}; {versions('jinja2', 'werkzeug')}",
        [Table("CPU microseconds", _COLUMNS, grid(_TITLES, _COLUMNS, samples.median))],
        [
            Target(f"{_TITLES[row]}, ours / its own", limit, samples.ratio(row, "ours", "library"))
            for row, limit in _LIMITS.items()
        ],
        data={f"{row}, {column}": values for (row, column), values in samples.items()},
    )


async def _measured(rounds: int, budget: float) -> Samples:
    samples = Samples()
    app = Quart(__name__, template_folder=str(payload.TEMPLATES))
    async with app.test_request_context("/"):
        cells = _cells(app)
        counts = {cell: await _count_for(work, budget) for cell, work in cells.items()}
        for cell in turns(list(cells), rounds):
            spent = await _spent(cells[cell], counts[cell])
            samples.add(*cell, spent / counts[cell] * 1e6)
    return samples


def _cells(app: Quart) -> dict[tuple[str, str], Work]:
    values = {"title": "Rows", "rows": payload.ROWS}
    jinja = app.jinja_env.overlay(enable_async=False).get_template("table.html")
    whole, pieces = (SCENARIOS[key].pieces for key in ("i", "m"))
    return {
        ("template", "ours"): lambda: render_template("table.html", **values),
        ("template", "library"): lambda: jinja.render(values),
        ("at once", "ours"): lambda: _size_by_us(whole),
        ("at once", "library"): lambda: _size_by_werkzeug(whole),
        ("in pieces", "ours"): lambda: _size_by_us(pieces),
        ("in pieces", "library"): lambda: _size_by_werkzeug(pieces),
    }


async def _size_by_us(pieces: Sequence[bytes]) -> int:
    body = Body(None, None)
    for piece in pieces:
        body.append(piece)
    body.set_complete()
    _, files = await FormDataParser().parse(body, *_MULTIPART)
    return len(files["file"].read())


def _size_by_werkzeug(pieces: Sequence[bytes]) -> int:
    # It reads 64 KiB at a time itself.
    stream = io.BytesIO(b"".join(pieces))
    _, _, files = WSGIFormDataParser().parse(stream, *_MULTIPART)
    return len(files["file"].read())


async def _spent(work: Work, count: int) -> float:
    before = time.process_time()
    for _ in range(count):
        result = work()
        if hasattr(result, "__await__"):
            await result
    return time.process_time() - before


async def _count_for(work: Work, budget: float) -> int:
    count = 1
    while (spent := await _spent(work, count)) < budget / 4:
        count *= 4
    return max(1, round(count * budget / spent))
