"""The benchmark's way with servers and load, untimed, against the smallest server there is."""

from __future__ import annotations

import http.server
import os
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass, replace
from typing import Any

import pytest

from . import _wrk
from ._contenders import CONTENDERS
from ._driver import Failure
from ._http import Connection
from ._postgres import ACTORS, CATEGORIES, FILMS, ROLES, statements
from ._processors import started_on
from ._samples import Samples
from ._servers import running, SERVERS, Service
from ._settings import Settings
from ._wrk import check, Job, Load, Loads, services

if sys.platform != "linux":
    pytest.skip("reads /proc", allow_module_level=True)


@dataclass(frozen=True)
class Files(Service):
    """Python's own server of files, in the place of a contender's."""

    server: str = "http.server"

    def command(self, port: int) -> list[str]:
        module = ("http.server", "--protocol", "HTTP/1.1", "-d", "docs", "-b", "127.0.0.1")
        return [sys.executable, "-m", *module, str(port)]


FILES = Files(CONTENDERS["flask"])
PAGE = Job("page", lambda body: body.startswith(b"# Performance"), "/performance.md")


def test_a_pinned_server_has_a_processor_to_itself() -> None:
    before = os.sched_getaffinity(0)
    with running([replace(FILES, is_pinned=True)]) as (server,):
        own = {os.sched_getaffinity(pid) == {min(before)} for pid in server._pids()}
        assert own == {True}
        assert server.others is not None
        with started_on(server.others):
            printed = "import os; print(*sorted(os.sched_getaffinity(0)))"
            seen = subprocess.check_output([sys.executable, "-c", printed], text=True)
        assert set(map(int, seen.split())) == (before - {min(before)} or before)
    assert os.sched_getaffinity(0) == before


def test_a_server_runs_and_ends() -> None:
    with running([FILES]) as (server,):
        check(server, PAGE)
        assert server.cpu() > 0
        assert server.memory() > 1
        server.forget_peak()
        assert server.peak() > 1
    with pytest.raises(OSError, match="refused"):
        Connection(server.port)


def test_a_wrong_answer_is_a_fault() -> None:
    wrong = Job("wrong", lambda body: body == b"else", "/performance.md")
    missing = Job("missing", lambda body: True, "/nowhere")
    loads = Loads()
    with running([FILES]) as servers:
        for job in (wrong, missing):
            loads.measure(Settings(say=lambda line: None), job, servers)
    first, second = loads.faults
    assert "wrong answer b'# Perf" in first
    assert "gave 404" in second
    assert not loads.per_second


def test_large_answers_are_counted_one_by_one() -> None:
    loads, settings = Loads(), Settings(say=lambda line: None, rounds=2)
    with running([FILES]) as servers:
        loads.measure(settings, replace(PAGE, count=3), servers)
    cell = PAGE.row("http.server"), "flask"
    assert len(loads.micros[cell]) == len(loads.per_second[cell]) == 2


def test_less_time_is_more_requests() -> None:
    cells = ("JSON", "quart"), ("JSON", "flask")
    loads = Loads(micros=Samples({cells[0]: [50.0], cells[1]: [100.0]}))
    assert loads.efficiency(*cells) == 2.0


def test_who_fails_in_a_later_round_has_no_figures(monkeypatch: pytest.MonkeyPatch) -> None:
    answers = iter([Load(1.0, 1.0), Load(2.0, 2.0)])

    def fading(*args: object) -> Load:
        if (found := next(answers, None)) is None:
            raise Failure("tired")
        return found

    monkeypatch.setattr(_wrk, "load", fading)
    loads = Loads()
    with running([FILES]) as servers:
        loads.measure(Settings(say=lambda line: None, rounds=3), PAGE, servers)
    assert loads.faults == ["flask http.server: tired"]
    assert not loads.micros
    assert not loads.per_second


def test_a_server_that_ends_says_why() -> None:
    @dataclass(frozen=True)
    class Broken(Files):
        def command(self, port: int) -> list[str]:
            return [sys.executable, "-c", "raise SystemExit('no such luck')"]

    with pytest.raises(Failure, match="no such luck"), running([Broken(CONTENDERS["flask"])]):
        pass


@pytest.mark.parametrize("server", SERVERS)
def test_a_service_is_told_what_to_serve(server: str) -> None:
    service = Service(CONTENDERS["layer-loop"], server, "films", 16, {"BENCH_DATABASE": "url"})
    told = service.variables()
    assert told["BENCH_APP"] == "flask_app"
    assert told["BENCH_PATCHED"] == "1"
    assert told["BENCH_THREADS"] == "16"
    assert told["BENCH_DATABASE"] == "url"
    assert told["QUART_SYNC_PLACE"] == "loop"


def test_only_who_is_wanted_is_served() -> None:
    settings = Settings(say=lambda line: None, contenders=["starlette", "quart"])
    chosen = services(settings, "uvicorn", "quart", "quart022")
    assert [service.name for service in chosen] == ["quart uvicorn"]


def test_the_films_are_the_same_ones_each_time() -> None:
    found = list(statements())
    assert found == list(statements())
    rows = {text.split("(")[0].split()[-1]: text.count("),(") + 1 for text in found[1:-1]}
    assert rows == {
        "language": 6,
        "category": CATEGORIES,
        "actor": ACTORS,
        "film": FILMS,
        "film_category": FILMS,
        "film_actor": ROLES,
    }


class Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_GET(self) -> None:
        self.send_response(200 if self.path != "/bad" else 500)
        if self.path == "/chunked":
            self.send_header("Transfer-Encoding", "chunked")
            self.end_headers()
            self.wfile.write(b"3\r\nabc\r\n2\r\nde\r\n0\r\n\r\n")
            return
        self.send_header("Content-Length", "5")
        self.end_headers()
        self.wfile.write(b"hello")

    def do_POST(self) -> None:
        size = len(self.rfile.read(int(self.headers["Content-Length"])))
        self.send_response(200)
        self.send_header("Content-Length", str(len(str(size))))
        self.end_headers()
        self.wfile.write(str(size).encode())

    def log_message(self, format: str, *args: Any) -> None:
        pass


@pytest.fixture
def connection() -> Iterator[Connection]:
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        with closing(Connection(server.server_port)) as connection:
            yield connection
        server.shutdown()
        thread.join()


def test_the_client_keeps_its_connection(connection: Connection) -> None:
    for _ in range(2):
        connection.send("/hello")
        assert connection.read() == b"hello"
    connection.send("/count", "POST", ["Content-Length: 6"])
    connection.upload([b"abc", b"def"])
    assert connection.read() == b"6"


def test_the_client_sees_the_end_of_chunks(connection: Connection) -> None:
    connection.send("/chunked")
    assert connection.read().startswith(b"3\r\nabc")


def test_the_client_does_not_take_a_bad_answer(connection: Connection) -> None:
    connection.send("/bad")
    with pytest.raises(Failure, match="500"):
        connection.read()
