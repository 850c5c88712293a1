"""The application's logger."""

from __future__ import annotations

import asyncio
import logging
import re
from collections.abc import Iterator
from queue import SimpleQueue
from types import ModuleType
from typing import Any

import hypercorn.logging
import pytest

import quart
from quart import Quart, websocket
from quart.logging import create_logger, default_handler, has_level_handler, LocalQueueHandler
from quart.utils import run_sync


@pytest.fixture(autouse=True)
def pristine_loggers() -> Iterator[None]:
    yield
    for name in "under_test", "under_test.app":
        logger = logging.getLogger(name)
        logger.handlers = []
        logger.setLevel(logging.NOTSET)
        logger.propagate = True


def cut_off() -> logging.Logger:
    """Return a logger that pytest's handlers do not see; to be called within the test."""
    parent = logging.getLogger("under_test")
    parent.propagate = False
    return parent


def make_app() -> Quart:
    cut_off()
    return Quart("under_test.app", root_path=".")


def test_it_writes_to_the_stderr_of_now(capsys: pytest.CaptureFixture[str]) -> None:
    app = make_app()
    app.logger.error("something")
    err = capsys.readouterr().err
    assert "ERROR in test_logging: something" in err


def test_the_default_handler_can_be_removed(capsys: pytest.CaptureFixture[str]) -> None:
    app = make_app()
    assert app.logger.handlers == [default_handler]
    app.logger.removeHandler(default_handler)
    app.logger.info("nothing")
    assert capsys.readouterr().err == ""


def test_it_is_named_like_the_application_and_made_once() -> None:
    app = make_app()
    assert app.logger.name == "under_test.app"
    assert create_logger(app).handlers == [default_handler]


def test_debug_mode_lowers_the_level_where_none_is_set() -> None:
    app = make_app()
    app.debug = True
    assert app.logger.level == logging.DEBUG


def test_a_level_that_is_set_stays() -> None:
    app = make_app()
    logging.getLogger(app.name).setLevel(logging.ERROR)
    app.debug = True
    assert app.logger.level == logging.ERROR


def test_a_handler_above_is_enough() -> None:
    app = make_app()
    cut_off().addHandler(logging.NullHandler())
    assert app.logger.handlers == []


def test_has_level_handler() -> None:
    parent = cut_off()
    logger = logging.getLogger("under_test.app")
    assert not has_level_handler(logger)
    handler = logging.StreamHandler()
    parent.addHandler(handler)
    assert has_level_handler(logger)
    handler.setLevel(logging.ERROR)
    assert not has_level_handler(logger)
    logger.setLevel(logging.ERROR)
    assert has_level_handler(logger)


def test_the_queue_handler_passes_records_on_as_they_are() -> None:
    queue: SimpleQueue[Any] = SimpleQueue()
    handler = LocalQueueHandler(queue)
    record = logging.LogRecord("n", logging.INFO, "p", 1, "%s", (object(),), None)
    handler.handle(record)
    assert queue.get() is record


def test_an_error_is_logged_as_flask_logs_it(capsys: pytest.CaptureFixture[str]) -> None:
    """People search their logs for this line."""
    app = make_app()

    @app.get("/")
    async def view() -> str:
        raise LookupError("broken")

    async def main() -> None:
        assert (await app.test_client().get("/")).status_code == 500

    asyncio.run(main())
    said = capsys.readouterr().err
    assert "ERROR in app: Exception on / [GET]" in said
    # The frames begin with the view's: the way to it is always the same.
    assert re.findall(r'File ".*?", line \d+, in (\w+)', said) == ["view"]


def frames_logged(app: Quart, capsys: pytest.CaptureFixture[str]) -> list[str]:
    async def main() -> None:
        assert (await app.test_client().get("/")).status_code == 500

    asyncio.run(main())
    return re.findall(r'File ".*?", line \d+, in (\w+)', capsys.readouterr().err)


def make_failing_in_a_thread() -> Quart:
    app = make_app()

    def fail() -> None:
        raise LookupError("broken")

    @app.get("/")
    async def view() -> None:
        await run_sync(fail)()

    return app


def test_a_logged_traceback_leaves_out_our_frames(capsys: pytest.CaptureFixture[str]) -> None:
    assert frames_logged(make_failing_in_a_thread(), capsys) == ["view", "fail"]


def test_a_logged_traceback_can_be_whole(capsys: pytest.CaptureFixture[str]) -> None:
    app = make_failing_in_a_thread()
    app.config["FOLD_TRACEBACKS"] = False
    names = frames_logged(app, capsys)
    assert names[0] != "view"
    assert names.index("fail") > names.index("view") + 1


def test_where_we_raise_is_logged(capsys: pytest.CaptureFixture[str]) -> None:
    app = make_app()

    @app.get("/")
    async def view() -> str:
        return str(websocket.path)

    assert len(frames_logged(app, capsys)) > 1


@pytest.mark.parametrize(
    ("module", "name"),
    [(hypercorn.logging, "hypercorn"), (quart._flask, "quart"), (quart.app, "app")],
)
def test_a_line_says_whose_it_is(
    module: ModuleType, name: str, capsys: pytest.CaptureFixture[str]
) -> None:
    """And not in which private file of ours it was written."""
    app = make_app()
    record = app.logger.makeRecord("n", logging.ERROR, str(module.__file__), 1, "a line", (), None)
    app.logger.handle(record)
    assert f"ERROR in {name}: a line" in capsys.readouterr().err
