"""The benchmark's own parts, untimed: both server sides, the tables, the plot."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Callable, Iterable
from typing import Any
from xml.etree import ElementTree

import pytest

from . import _asgi, _wsgi, costs
from ._contenders import CONTENDERS
from ._driver import Results
from ._environments import ROOT
from ._measurements import MEASUREMENTS
from ._plot import dots, lines
from ._report import as_json, as_markdown, as_text, grid, markers, Section, spliced, Table, Target
from ._samples import Samples, turns
from ._scenarios import Answer, SCENARIOS
from ._summary import summary, summed_up


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
    scenarios = {key: SCENARIOS[key] for key in ("a", "l")}
    results = Results("scenarios", "asyncio", 3, scenarios, contenders)
    for key, name, figures in (
        ("a", "quart", (10.0, 20.0, 30.0)),
        ("a", "starlette", (5.0, 40.0, 15.0)),
        ("l", "quart", (100.0, 100.0, 100.0)),
    ):
        for value in figures:
            results.micros.add(key, name, value)
    results.failures["a", "flask"] = "wrong answer"
    return results


def test_ratio_is_taken_within_a_round(results: Results) -> None:
    assert results.micros.ratio("a", "quart", "starlette") == 2.0
    assert results.micros.ratio("l", "quart", "flask") is None


def test_geometric_mean_is_of_all_rows_or_none() -> None:
    samples = Samples({("a", "x"): [2.0], ("a", "y"): [1.0], ("b", "x"): [8.0], ("b", "y"): [1.0]})
    assert samples.geometric(["a", "b"], "x", "y") == pytest.approx(4.0)
    assert samples.geometric(["a", "b", "c"], "x", "y") is None


def test_everyone_goes_first_once() -> None:
    assert list(turns("abc", 3)) == [*"abc", *"bca", *"cab"]


def test_flask_is_not_asked_for_websockets() -> None:
    asked = {name for name, each in CONTENDERS.items() if SCENARIOS["l"].suits(each)}
    assert asked == {"quart", "quart022", "starlette"}


def test_no_setting_of_the_caller_reaches_a_contender(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("QUART_SYNC_PLACE", "PYTHONPATH", "PYTHONDONTWRITEBYTECODE"):
        monkeypatch.setenv(name, "loop")
    told = CONTENDERS["layer-thread"].environ()
    assert told["QUART_SYNC_PLACE"] == "thread"
    assert "PYTHONPATH" not in told
    assert "PYTHONDONTWRITEBYTECODE" not in told


def test_a_failing_worker_is_a_fault(results: Results) -> None:
    assert results.faults() == ["a flask: wrong answer"]
    assert results.as_json()["micros"]["a"]["flask"] == "wrong answer"


@pytest.fixture
def section(results: Results) -> Section:
    columns = results.contenders
    return Section(
        "On a machine",
        [Table("Microseconds", columns, grid(results.titles, columns, results.micros.median))],
        [
            Target("as fast", 1.0, 0.9),
            Target("as many", 100.0, 80.0, is_floor=True, remark="b"),
            Target("as small", 1.0, None),
        ],
        {"plot.svg": plot_of(results)},
        results.faults(),
    )


def plot_of(results: Results) -> str:
    return dots("Time", "us", results.titles, results.contenders, results.micros.median)


def test_text(section: Section) -> None:
    text = as_text(section)
    assert re.search(r"quart +flask +starlette\na plain text +20.0 +- +15.0\n", text)
    assert text.endswith("a flask: wrong answer")


def test_markdown(section: Section) -> None:
    text = as_markdown(section)
    assert "| a plain text | 20.0 | - | 15.0 |" in text
    assert "| as fast | at most 1 | 0.90 | met |" in text
    assert "| as many | at least 100 | 80.0 (b) | missed |" in text
    assert "| as small | at most 1 | - | not measured |" in text
    assert text.endswith("![Time](plot.svg)")


def test_json(section: Section) -> None:
    assert as_json(section)["targets"][0] == ["as fast", "at most 1", "0.90", "met"]


def titles_of(svg: str) -> list[str | None]:
    root = ElementTree.fromstring(svg)
    return [title.text for title in root.iter("{http://www.w3.org/2000/svg}title")]


def test_plot_is_xml_with_a_mark_for_each_value(results: Results) -> None:
    titles = titles_of(plot_of(results))
    assert "Quart (here): 20.0" in titles
    # One in the legend, one in the line of the only scenario that it has a figure for.
    assert sum(title.startswith("Starlette") for title in titles if title) == 2


def test_lines_join_what_belongs_together(results: Results) -> None:
    groups = {"few": {"a": "1"}, "many": {"l": "10"}}
    svg = lines("Growth", "us", groups, results.contenders, results.micros.median)
    assert "Quart (here): 100" in titles_of(svg)


def test_nothing_to_draw() -> None:
    with pytest.raises(ValueError, match="at least one measurement"):
        dots("Time", "us", {"a": "a"}, [CONTENDERS["quart"]], Samples().median)


def test_splice() -> None:
    start, end = markers("x")
    assert spliced(f"before {start} old {end} after", "x", "new") == (
        f"before {start}\n\nnew\n\n{end} after"
    )
    with pytest.raises(ValueError, match="expected"):
        spliced("no markers", "x", "new")


@pytest.mark.parametrize("name", MEASUREMENTS)
def test_the_page_has_a_place_for_each_measurement(name: str) -> None:
    page = (ROOT / "docs" / "performance.md").read_text(encoding="utf-8")
    assert all(marker in page for marker in markers(name))
    assert f"`{name}`" in page


def test_of_each_the_worst_counts_and_those_that_miss_are_named() -> None:
    target = Target("each", 1.0, None, is_floor=True)
    assert target.by_each({"a": 2.0, "b": 0.5, "c": 0.75, "d": 1.0}).cells() == [
        *("each", "at least 1", "0.50 (b; c 0.75)", "missed"),
    ]
    assert Target("each", 1.0, None).by_each({"a": 0.5, "b": 0.75}).cells()[2:] == [
        "0.75 (b)",
        "met",
    ]
    assert target.by_each({"a": 2.0, "b": None}).verdict == "not measured"


def test_the_summary_has_the_main_targets_of_every_section() -> None:
    main, other = Target("fast", 1.0, 2.0, is_main=True), Target("small", 1.0, 0.5)
    page = "".join(f"\n## {name} it is\n\n{' '.join(markers(name))}\n" for name in "xy")
    page = f"{' '.join(markers('targets'))}\n{page}"
    page = spliced(page, "y", as_markdown(Section("Here", [], [other, main])))
    assert summary(page, "xy") == (
        "1 of 2 targets are met. The main ones:\n\n"
        "| target | wanted | measured |  |\n| --- | --: | --: | --: |\n"
        "| [fast](#y-it-is) | at most 1 | 2.00 | missed |"
    )
    assert summed_up(page, "xy").startswith(f"{markers('targets')[0]}\n\n1 of 2")


def test_the_page_begins_with_what_its_sections_say() -> None:
    page = (ROOT / "docs" / "performance.md").read_text(encoding="utf-8")
    assert summed_up(page, MEASUREMENTS) == page


def test_each_cost_is_measured_and_told() -> None:
    page = (ROOT / "docs/performance.md").read_text(encoding="utf-8")
    (table,) = re.findall(r"\| name \| what it costs \|\n\|---\|---\|\n((?:\|.*\n)+)", page)
    told = re.findall(r"^\| ([\w ]+) \|", table, re.MULTILINE)
    found = asyncio.run(costs.measured([], seconds=0.001))
    assert all(way > 0 and other > 0 for _, way, other in found)
    assert sorted({row.name.partition(",")[0] for row, _, _ in found}) == told
    source = "".join(
        path.read_text(encoding="utf-8")
        for package in ("core/quart", "quart_flask_patch")
        for path in (ROOT / package).rglob("*.py")
    )
    assert set(re.findall(r'Cost: "([\w ]+)" in docs/performance.md', source)) <= set(told)
