"""Print a report: in colour on a terminal, as plain lines elsewhere, or as JSON."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable
from typing import Protocol, TypeVar

import click


class _Report(Protocol):
    def as_data(self) -> object: ...


R = TypeVar("R", bound=_Report)


def put_out(
    report: R,
    as_json: bool,
    richly: Callable[[R], None],
    lines: Callable[[R], list[str]],
    err: bool = False,
) -> None:
    """Print *report*: by *richly* on a terminal, by its *lines* elsewhere."""
    if as_json:
        click.echo(json.dumps(report.as_data(), indent=1))
    elif (sys.stderr if err else sys.stdout).isatty():
        richly(report)
    else:
        for line in lines(report):
            click.echo(line, err=err)
