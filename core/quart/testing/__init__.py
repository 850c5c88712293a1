"""Tools for testing an app; ``app.test_client()`` is the usual way in."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, TYPE_CHECKING

from click import Command
from click.testing import CliRunner, Result

from ..cli import ScriptInfo
from .app import TestApp
from .client import QuartClient
from .connections import WebsocketResponseError
from .utils import (
    make_test_body_with_headers,
    make_test_headers_path_and_query_string,
    make_test_scope,
    no_op_push,
    sentinel,
)

if TYPE_CHECKING:
    from ..app import Quart


class QuartCliRunner(CliRunner):
    """Runs commands in isolation, with the app that it was made for."""

    def __init__(self, app: Quart, **kwargs: Any) -> None:
        self.app = app
        super().__init__(**kwargs)

    def invoke(  # type: ignore[override]
        self, cli: Command | None = None, args: str | Sequence[str] | None = None, **kwargs: Any
    ) -> Result:
        """Run a command, by default the app's own group, as click's runner does."""
        kwargs.setdefault("obj", ScriptInfo(create_app=lambda: self.app))
        return super().invoke(self.app.cli if cli is None else cli, args, **kwargs)


__all__ = [
    "QuartCliRunner",
    "QuartClient",
    "TestApp",
    "WebsocketResponseError",
    "make_test_body_with_headers",
    "make_test_headers_path_and_query_string",
    "make_test_scope",
    "no_op_push",
    "sentinel",
]
