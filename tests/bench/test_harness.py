"""The benchmark's own parts, untimed: both server sides, the tables, the plot."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable
from typing import Any
from xml.etree import ElementTree

import pytest

from . import _asgi, _wsgi
from ._contenders import CONTENDERS
from ._driver import Results
from ._plot import as_svg
from ._report import as_json, as_markdown, as_text, END, ratio, spliced, START, unexpected
from ._scenarios import Answer, SCENARIOS


async def hello_asgi(scope: Any, receive: _asgi.Receive, send: _asgi.Send) -> None:
    await receive()
    await send({"type": "http.response.start", "status": 200, "headers": []})
    await send({"type": "http.response.body", "body": b"Hello, world!"})


async def echo_asgi(scope: Any, receive: _asgi.Receive, send: _asgi.Send) -> None:
    await receive()
    await send({"type": "websocket.accept"})
    while (message := await receive())["type"] == "websocket.receive":
        await send({"type": "websocket.send", "text": message["text"]})


async def count_asgi(scope: Any, receive: _asgi.Receive, send: _asgi.Send) -> None:
    size, more = 0, True
    while more:
        message = await receive()
        size, more = size + len(message["body"]), message["more_body"]
    await send({"type": "http.response.start", "status": 200, "headers": []})
    await send({"type": "http.response.body", "body": b"%d" % size})


def hello_wsgi(environ: dict[str, Any], start_response: Callable[..., Any]) -> Iterable[bytes]:
    start_response("200 OK", [("Content-Type", "text/plain")])
    return [b"Hello, ", b"world!"]


def broken_wsgi(environ: dict[str, Any], start_response: Callable[..., Any]) -> Iterable[bytes]:
    start_response("500 Oh no", [])
    return [b"oh no"]


def answer_of(app: Any, key: str) -> Answer:
    scenario = SCENARIOS[key]
    return asyncio.run(_asgi.run(app, scenario, scenario.headers, 2)).answer()


def test_asgi_request() -> None:
    answer = answer_of(hello_asgi, "a")
    assert SCENARIOS["a"].is_right(answer)
    assert not SCENARIOS["k"].is_right(answer)


@pytest.mark.parametrize("key", ["l", "n"])
def test_websocket(key: str) -> None:
    assert SCENARIOS[key].is_right(answer_of(echo_asgi, key))


@pytest.mark.parametrize("key", ["i", "m"])
def test_whole_body_arrives(key: str) -> None:
    assert answer_of(count_asgi, key).body == b"%d" % sum(map(len, SCENARIOS[key].pieces))


def test_wsgi_request() -> None:
    scenario = SCENARIOS["a"]
    assert scenario.is_right(_wsgi.run(hello_wsgi, scenario, scenario.headers, 2))


def test_a_failing_answer_is_not_timed() -> None:
    scenario = SCENARIOS["a"]
    with pytest.raises(RuntimeError, match="expected 200"):
        _wsgi.run(broken_wsgi, scenario, scenario.headers, 1)


@pytest.fixture
def results() -> Results:
    contenders = [CONTENDERS[name] for name in ("quart", "flask", "starlette")]
    results = Results("asyncio", 3, [SCENARIOS["a"], SCENARIOS["l"]], contenders)
    results.micros["a", "quart"] = [10.0, 20.0, 30.0]
    results.micros["a", "starlette"] = [5.0, 40.0, 15.0]
    results.micros["l", "quart"] = [100.0, 100.0, 100.0]
    results.failures["l", "flask"] = "404"
    results.failures["a", "flask"] = "wrong answer"
    return results


def test_ratio_is_taken_within_a_round(results: Results) -> None:
    assert ratio(results, "a", "quart", "starlette") == 2.0
    assert ratio(results, "l", "quart", "flask") is None


def test_missing_websockets_are_no_fault_of_flask(results: Results) -> None:
    assert unexpected(results) == {("a", "flask"): "wrong answer"}


def test_reports(results: Results) -> None:
    assert "a flask: wrong answer" in as_text(results)
    assert "| a plain text | 20.0 | fails | 15.0 |" in as_markdown(results, "plot.svg")
    cell = as_json(results)["scenarios"]["a"]["contenders"]["quart"]
    assert cell["median"] == 20.0
    assert cell["ratios"] == {"starlette": 2.0}


def test_plot_is_xml_with_a_mark_for_each_value(results: Results) -> None:
    root = ElementTree.fromstring(as_svg(results))
    titles = [title.text for title in root.iter("{http://www.w3.org/2000/svg}title")]
    assert "Quart (here): 20.0" in titles


def test_splice() -> None:
    page = f"before {START} old {END} after"
    assert spliced(page, "new") == f"before {START}\n\nnew\n\n{END} after"
    with pytest.raises(ValueError, match="expected"):
        spliced("no markers", "new")
