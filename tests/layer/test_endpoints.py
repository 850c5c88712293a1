"""``endpoints``: what is counted of each endpoint where an application is measured."""

from __future__ import annotations

import asyncio
import re
import sys
import threading
from collections.abc import Callable
from typing import Any

import pytest

import quart_flask_patch
from quart import Quart, websocket
from quart._kind import REQUEST
from quart.testing import QuartClient
from quart.utils import run_sync
from quart_flask_patch import Endpoint, endpoints, Flask, measure, runs_in, wait
from quart_flask_patch._watching import histogram, measures
from quart_flask_patch._watching.measures import Record, Visit
from quart_flask_patch._watching.measuring import Measuring
from quart_flask_patch._watching.panel import Panel, PATH


@pytest.fixture(params=["client", "asgi"])
def get(request: pytest.FixtureRequest) -> Callable[[Flask, str], int]:
    """Send a request, by a plain call or as a server does; return its status."""
    if request.param == "client":
        return lambda app, path: app.test_client().get(path).status_code

    async def ask(app: Any, path: str) -> int:
        return (await QuartClient(app).get(path)).status_code

    return lambda app, path: asyncio.run(ask(app, path))


def found(app: Flask | Quart) -> dict[tuple[str | None, str], Endpoint]:
    return {(each.endpoint, each.place): each for each in endpoints(app)}


def test_calls_and_errors_are_counted_by_endpoint_and_place(
    app: Flask, get: Callable[[Flask, str], int]
) -> None:
    @app.get("/<name>")
    def plain(name: str) -> str:
        return name

    @app.get("/a/async")
    async def of_async() -> str:
        await asyncio.sleep(0)
        return "x"

    @app.get("/a/fails")
    def fails() -> str:
        raise ValueError("as it is meant to")

    measure(app)
    paths = ["/1", "/2", "/a/async", "/a/fails", "/no/such"]
    assert [get(app, path) for path in paths] == [200, 200, 200, 500, 404]
    counts = {each.endpoint: (each.calls, each.errors, each.left) for each in endpoints(app)}
    assert counts == {
        "plain": (2, 0, 0),
        "of_async": (1, 0, 0),
        "fails": (1, 1, 0),
        None: (1, 0, 0),
    }
    assert {each.endpoint for each in endpoints(app) if each.place == "loop"} == {"of_async"}


def test_an_error_that_a_test_is_shown_counts(app: Flask) -> None:
    @app.get("/")
    async def fails() -> str:
        raise ValueError("as it is meant to")

    measure(app)
    app.testing = True
    with pytest.raises(ValueError, match="meant to"):
        app.test_client().get("/")
    assert endpoints(app)[0].errors == 1


def test_time_is_told_by_where_it_is_spent(app: Flask) -> None:
    occupied = 0.05

    @app.get("/blocks")
    async def blocks() -> str:
        threading.Event().wait(occupied)
        return "x"

    @app.get("/awaits")
    async def awaits() -> str:
        await asyncio.sleep(occupied)
        return "x"

    @app.get("/hands-over")
    async def hands_over() -> str:
        await run_sync(threading.Event().wait)(occupied)
        return "x"

    @app.get("/waits")
    def waits() -> str:
        wait(asyncio.sleep(occupied))
        return "x"

    @app.get("/own")
    @runs_in("own-loop")
    async def own() -> str:
        await asyncio.sleep(occupied)
        return "x"

    measure(app)

    async def main() -> None:
        for path in "/blocks", "/awaits", "/hands-over", "/waits", "/own":
            assert (await QuartClient(app).get(path)).status_code == 200

    asyncio.run(main())
    taken = {each.endpoint: each for each in endpoints(app)}
    assert all(each.seconds >= occupied for each in taken.values())
    assert taken["blocks"].longest_step >= occupied
    assert taken["awaits"].in_threads == 0
    assert taken["awaits"].gain == 0
    for name in "hands_over", "waits", "own":
        assert taken[name].in_threads >= occupied, name
        assert taken[name].idle >= occupied / 2, name
        assert taken[name].on_loop < taken[name].seconds
    assert {each.place for each in taken.values()} == {"loop", "thread", "own-loop"}


async def until(is_so: Callable[[], bool]) -> None:
    while not is_so():  # noqa: ASYNC110 - in another thread
        await asyncio.sleep(0.001)


def test_who_waits_for_a_thread_is_seen(app: Flask) -> None:
    app.config["SYNC_THREADS"] = 1
    entered, go_on = threading.Event(), threading.Event()

    @app.get("/first")
    def first() -> str:
        entered.set()
        go_on.wait(10)
        return "x"

    @app.get("/second")
    def second() -> str:
        return "x"

    measure(app)

    async def main() -> None:
        one = asyncio.create_task(QuartClient(app).get("/first"))
        await until(entered.is_set)
        other = asyncio.create_task(QuartClient(app).get("/second"))
        await until(lambda: quart_flask_patch.threads(app).queued > 0)
        await asyncio.sleep(0.02)  # That is how long it will have waited.
        go_on.set()
        await asyncio.gather(one, other)

    asyncio.run(main())
    taken = {each.endpoint: each for each in endpoints(app)}
    assert taken["second"].waited >= 0.02
    assert taken["second"].longest_wait == taken["second"].waited
    assert taken["first"].waited < taken["second"].waited


def test_a_client_that_leaves_is_no_error(app: Flask) -> None:
    begun = asyncio.Event()

    @app.get("/")
    async def index() -> str:
        begun.set()
        await asyncio.Event().wait()
        return "x"

    measure(app)

    async def main() -> None:
        task = asyncio.create_task(QuartClient(app).get("/"))
        await begun.wait()
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)

    asyncio.run(main())
    (taken,) = endpoints(app)
    assert (taken.calls, taken.errors, taken.left) == (1, 0, 1)


def test_websockets_count(either_app: Flask | Quart) -> None:
    @either_app.websocket("/")
    async def feed() -> None:
        await websocket.send("hello")

    measure(either_app)

    async def main() -> None:
        async with QuartClient(either_app).websocket("/") as connection:
            assert await connection.receive() == "hello"

    asyncio.run(main())
    assert [(each.endpoint, each.calls) for each in endpoints(either_app)] == [("feed", 1)]


def test_it_is_switched_on_by_configuration_or_later(app: Flask) -> None:
    app.add_url_rule("/", view_func=lambda: "x", endpoint="index")
    app.test_client().get("/")
    with pytest.raises(RuntimeError, match=r"measure\(app\).*MEASURE_ENDPOINTS"):
        endpoints(app)
    measure(app)
    app.test_client().get("/")
    assert endpoints(app)[0].calls == 1

    other = Flask("other")
    other.config["MEASURE_ENDPOINTS"] = True
    assert endpoints(other) == []
    other.test_client().get("/nothing")
    assert endpoints(other)[0].calls == 1


def test_it_costs_nothing_where_nobody_wants_it(app: Flask) -> None:
    """An application that is not measured runs the code that it runs without all this."""
    app.add_url_rule("/", view_func=lambda: "x", endpoint="index")
    called: list[str] = []

    def note(frame: Any, event: str, _: object) -> None:
        if event == "call":
            called.append(frame.f_code.co_filename)

    client = app.test_client()
    client.get("/")
    sys.setprofile(note)
    client.get("/")
    sys.setprofile(None)
    assert called
    assert [file for file in called if "_watching" in file] == []
    assert not isinstance(app._plans.get(app, REQUEST, "index").place, Measuring)


def test_what_would_gain_most_comes_first(app: Flask) -> None:
    measure(app)
    table = measures.table_of(app)
    table.record("quick", "thread").add(Visit(in_threads=1, working=1), 1, False, False)
    table.record("waits", "thread").add(Visit(in_threads=1, working=0.1), 1, False, False)
    table.record("queues", "thread").add(Visit(waited=3), 3, False, False)
    table.record("async", "loop").add(Visit(on_loop=1), 5, False, False)
    assert [each.endpoint for each in endpoints(app)] == ["queues", "waits", "async", "quick"]


def test_threads_may_count_at_once() -> None:
    record = Record()

    def count() -> None:
        for _ in range(1000):
            record.add(Visit(), 0.001, True, False)

    threads = [threading.Thread(target=count) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    taken = record.taken("x", "loop")
    assert (taken.calls, taken.errors, sum(taken.counts)) == (4000, 4000, 4000)
    assert taken.error_rate == 1


# --- quantiles -----------------------------------------------------------------------------------


@pytest.mark.parametrize("seconds", [0.0001, 0.0042, 0.3, 1.0, 59.0])
def test_a_quantile_is_right_to_five_percent(seconds: float) -> None:
    record = Record()
    for part in range(1, 101):
        record.add(Visit(), seconds * part / 100, False, False)
    taken = record.taken("x", "loop")
    for q in 0.5, 0.9, 0.99:
        if seconds * q > histogram.FIRST:
            assert taken.quantile(q) == pytest.approx(seconds * q, rel=0.05)


def test_quantiles_take_the_same_memory_for_any_number() -> None:
    record = Record()
    for seconds in 0.0, 1e-9, 1e-3, 1e9:
        record.add(Visit(), seconds, False, False)
    assert len(record.taken("x", "loop").counts) == histogram.SIZE
    assert Record().taken("x", "loop").quantile(0.5) is None


def test_each_duration_is_below_the_bounds_that_it_counts_for() -> None:
    counts = [0] * histogram.SIZE
    for seconds in 0.0001, 0.0003, 0.9, 1000.0:
        counts[histogram.index_of(seconds)] += 1
    bounds = dict(histogram.doublings(counts))
    assert len(bounds) == histogram.DOUBLINGS
    assert [bounds[bound] for bound in (0.000125, 0.00025, 0.0005)] == [1, 1, 2]
    assert max(bounds) == pytest.approx(65.536)
    assert bounds[max(bounds)] == 3


# --- Prometheus ----------------------------------------------------------------------------------

SAMPLE = re.compile(r'[a-z_]+\{endpoint="(?:[^"\\\n]|\\["\\n])*",place="\w+"(?:,le="[^"]+")?\} \S+')


def test_prometheus_text_is_well_formed_whatever_an_endpoint_is_called(app: Flask) -> None:
    measure(app)
    table = measures.table_of(app)
    for name in 'a"b', "back\\slash", "new\nline", "ümlaut", None:
        table.record(name, "loop").add(Visit(on_loop=0.5, longest_step=0.5), 0.5, True, False)
    text = endpoints(app).prometheus()
    lines = text.splitlines()
    assert [line for line in lines if line[0] != "#" and not SAMPLE.fullmatch(line)] == []
    assert r'quart_endpoint_errors_total{endpoint="a\"b",place="loop"} 1' in lines
    assert r'quart_endpoint_errors_total{endpoint="new\nline",place="loop"} 1' in lines
    assert 'quart_endpoint_duration_seconds_bucket{endpoint="",place="loop",le="0.512"} 1' in lines
    assert 'quart_endpoint_duration_seconds_bucket{endpoint="",place="loop",le="0.256"} 0' in lines
    assert text.endswith("\n")
    for kind in "HELP", "TYPE":
        heads = [line.split()[2] for line in lines if line.startswith(f"# {kind}")]
        assert len(heads) == len(set(heads))


def test_prometheus_own_parser_reads_it(app: Flask) -> None:
    parser = pytest.importorskip("prometheus_client.parser")
    measure(app)
    measures.table_of(app).record('a"b\\\n', "loop").add(Visit(), 0.5, False, False)
    families = list(parser.text_string_to_metric_families(endpoints(app).prometheus()))
    assert families[0].type == "histogram"
    assert {sample.labels["endpoint"] for each in families for sample in each.samples} == {
        'a"b\\\n'
    }


# --- the page ------------------------------------------------------------------------------------


async def asked(app: Any, **values: Any) -> tuple[int, dict[str, str], str]:
    messages: list[dict[str, Any]] = []

    async def receive() -> dict[str, Any]:
        return {"type": "http.request", "body": b"", "more_body": False}

    async def send(message: dict[str, Any]) -> None:
        messages.append(message)

    scope = {
        "type": "http",
        "asgi": {"version": "3.0"},
        "http_version": "1.1",
        "method": "GET",
        "scheme": "http",
        "path": PATH,
        "query_string": b"",
        "root_path": "",
        "headers": [(b"host", b"localhost:5000")],
        "client": ("127.0.0.1", 1),
        "server": ("127.0.0.1", 5000),
    }
    await app({**scope, **values}, receive, send)
    headers = {name.decode(): value.decode() for name, value in messages[0]["headers"]}
    body = b"".join(message.get("body", b"") for message in messages)
    return messages[0]["status"], headers, body.decode()


def test_the_panel_shows_what_endpoints_take(app: Flask) -> None:
    app.add_url_rule("/", view_func=lambda: "x", endpoint="<script>alert(1)</script>")
    panel = Panel(app)
    app.test_client().get("/?secret=1", headers={"Cookie": "session=secret"})
    status, headers, body = asyncio.run(asked(panel))
    assert (status, headers["content-length"]) == (200, str(len(body.encode())))
    assert "&lt;script&gt;alert(1)" in body
    assert "<script" not in body
    assert "secret" not in body
    assert "default-src 'none'" in headers["content-security-policy"]
    assert headers["cache-control"] == "no-store"
    assert asyncio.run(asked(panel, method="HEAD"))[2] == ""


@pytest.mark.parametrize(
    "values",
    [
        {"client": ("192.0.2.1", 1)},
        {"client": None},
        {"headers": [(b"host", b"evil.example")]},
        {"headers": [(b"host", b"localhost"), (b"x-forwarded-for", b"192.0.2.1")]},
        {"headers": [(b"host", b"localhost"), (b"Via", b"1.1 proxy")]},
        {"headers": []},
        {"method": "POST"},
        {"path": f"{PATH}/x"},
    ],
)
def test_the_panel_is_not_there_for_others(app: Flask, values: dict[str, Any]) -> None:
    status, _, body = asyncio.run(asked(Panel(app), **values))
    assert (status, "Endpoints of" in body) == (404, False)


def test_the_panel_leaves_all_else_to_the_application(app: Flask) -> None:
    app.add_url_rule("/x", view_func=lambda: "of the application", endpoint="x")
    panel = Panel(app)
    assert asyncio.run(asked(panel, path="/x"))[2] == "of the application"
    assert panel.name == app.name
