"""Make one searchable page of the results, with tracebacks of all tests that differ."""

from __future__ import annotations

from collections.abc import Sequence

from jinja2 import Environment, StrictUndefined

from compat_matrix._record import Record
from compat_matrix._report import count_text
from compat_matrix._rows import HERE
from compat_matrix._table import cell, days, headline, versions_text, ways


def page(records: Sequence[Record], *, among_pages: bool = False) -> str:
    """Return the page; *among_pages* if it is put beside the built documentation."""
    made = Environment(autoescape=True, undefined=StrictUndefined, trim_blocks=False)
    template = made.from_string((HERE / "page.html").read_text("utf-8"))
    return template.render(
        records=records,
        among_pages=among_pages,
        names=list(dict.fromkeys(name for record in records for name in record.sides)),
        headline=headline(records),
        days=days(records),
        versions=versions_text(records),
        cell=cell,
        ways=ways,
        count_text=count_text,
    )
