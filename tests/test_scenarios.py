"""How scenarios work: what is compared, what a client keeps, and one of them on both servers."""

from __future__ import annotations

import ast
import dataclasses
import sys
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from importlib.util import find_spec
from pathlib import Path

import pytest

from compat_matrix import _run, _sdist
from compat_matrix._results import FLASK, Side
from compat_matrix._rows import load_rows, parse_row, row_digest, RowError, SCENARIOS
from compat_matrix._run import run_suite
from compat_matrix.scenarios._client import Answer, Client, difference
from compat_matrix.scenarios._exchange import (
    ALWAYS,
    EXPIRES,
    follow,
    Found,
    get,
    post,
    send_files,
    SIGNED_AT,
    titles,
)

ROWS = {name: row for name, row in load_rows().items() if row.scenario}


def test_a_scenario_that_lists_settings_knows_which_are_ours() -> None:
    """It runs on Flask alone too, so it cannot ask us."""
    from quart_flask_patch.app import Flask
    from quart_flask_patch.genuine import Flask as GenuineFlask

    source = ast.parse((SCENARIOS / "flask_debugtoolbar.py").read_text())
    (named,) = (
        ast.literal_eval(node.value)
        for node in source.body
        if isinstance(node, ast.Assign) and ast.unparse(node.targets[0]) == "CORES"
    )
    assert set(named.split("|")) == {*Flask.default_config} - {*GenuineFlask.default_config}


# --- what is compared ---


def answer(*headers: tuple[str, str], body: str = "", status: int = 200) -> Answer:
    return Answer(status, list(headers), body.encode())


def test_date_and_server_differ_always() -> None:
    one = answer(("date", "Mon"), ("server", "gunicorn"))
    other = answer(("date", "Tue"), ("date", "Wed"), ("server", "hypercorn-h11"))
    assert one.normal([]) != other.normal([])
    assert one.normal(ALWAYS) == other.normal(ALWAYS)


def test_methods_are_compared_as_a_set() -> None:
    one, other = answer(("allow", "GET, HEAD")), answer(("allow", "HEAD, GET"))
    assert one.normal(ALWAYS) == other.normal(ALWAYS)
    assert one.normal(ALWAYS) != answer(("allow", "GET, PUT")).normal(ALWAYS)


def test_only_the_time_and_the_signature_of_a_signed_cookie_may_differ() -> None:
    signed = "session={}.ZxYz1A.abcdefghijklmnopqrstuvwxyz0; Path=/"
    one, later = signed.format("eyJh"), signed.format("eyJh").replace("ZxYz1A", "ZxYz1B")
    assert SIGNED_AT.apply(one) == SIGNED_AT.apply(later) != one
    assert SIGNED_AT.apply(signed.format("eyJi")) != SIGNED_AT.apply(one)


def test_expiry_keeps_the_other_attributes() -> None:
    cookie = "set-cookie: a=b; Expires=Mon, 23 Nov 2026 04:40:04 GMT; HttpOnly"
    assert EXPIRES.apply(cookie) == "set-cookie: a=b; Expires=<expires>; HttpOnly"


def test_difference_shows_the_first_line_that_differs_where_it_does() -> None:
    assert difference("a\nb", "a\nb") == ""
    found = difference("same\n" + "x" * 1000 + "old" + "y" * 1000, "same\n" + "x" * 1000 + "new")
    assert "- xxx" in found
    assert "xold" in found
    assert "xnew" in found
    assert len(found) < 700
    assert difference("a", "a\nmore") == "+ \nmore"


# --- the client ---


class Handler(BaseHTTPRequestHandler):
    """Tells what it was sent, and sets or removes the cookie that the path names."""

    def do_GET(self) -> None:
        length = int(self.headers.get("Content-Length", 0))
        body = self.rfile.read(length)
        self.send_response(302 if self.path == "/away" else 200)
        if self.path == "/away":
            self.send_header("Location", "http://scenario.test/there?x=1")
        if self.path.startswith("/set"):
            self.send_header("Set-Cookie", 'token="a b"; Path=/')
        if self.path.startswith("/unset"):
            self.send_header("Set-Cookie", "token=; Max-Age=0; Path=/")
        self.end_headers()
        told = f"{self.path} cookie={self.headers.get('Cookie')} host={self.headers['Host']} "
        self.wfile.write(told.encode() + body)

    do_POST = do_GET

    def log_message(self, *args: object) -> None:
        pass


@pytest.fixture
def client() -> Iterator[Client]:
    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.01,))
        thread.start()
        yield Client(server.server_port)
        server.shutdown()
        thread.join()


def test_client_keeps_cookies_and_names_one_host(client: Client) -> None:
    assert b"cookie=None host=scenario.test" in client.send(get("/")).body
    client.send(get("/set"))
    assert b'cookie=token="a b"' in client.send(get("/")).body
    client.send(get("/unset"))
    assert b"cookie=None" in client.send(get("/")).body


def test_client_follows_redirects_and_uses_what_it_found(client: Client) -> None:
    client.send(get("/away"))
    assert client.send(follow()).body.startswith(b"/there?x=1 ")
    there = Found(r"(/there)", "<{}>")
    assert client.send(post("/form", form={"to": there, "as": "it is"})).body.endswith(
        b"to=%3C%2Fthere%3E&as=it+is"
    )
    with pytest.raises(LookupError, match="no answer so far has 'nothing like it'"):
        client.send(get(Found("nothing like it")))


def test_files_are_sent_as_a_form_with_parts(client: Client) -> None:
    body = client.send(send_files("/", {"a": ("a.txt", b"abc")})).body
    assert b'name="a"; filename="a.txt"' in body
    assert b"\r\n\r\nabc\r\n--" in body


def test_no_answer_is_one_of_status_0() -> None:
    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        port = server.server_port
    client = Client(port)
    assert client.send(get("/")).status == 0
    assert b"ConnectionRefusedError" in client.answers[0].body


def test_exchanges_are_named_by_number_and_request() -> None:
    assert titles([get("/a"), post("/b", form={})]) == ["01 GET /a", "02 POST /b"]


# --- rows ---


def test_every_scenario_has_its_row() -> None:
    modules = {path.stem for path in SCENARIOS.glob("[a-z]*.py")}
    assert modules == {row.scenario for row in ROWS.values()}


@pytest.mark.parametrize("name", sorted(ROWS))
def test_scenario_has_exchanges_enough_and_names_its_differences(name: str) -> None:
    spec = find_spec(f"compat_matrix.scenarios.{ROWS[name].scenario}")
    assert spec is not None
    assert ROWS[name].baseline.passed >= 8
    assert ROWS[name].baseline.failed == ROWS[name].baseline.errors == 0


def test_row_has_an_sdist_or_a_scenario() -> None:
    row = {"name": "x", "version": "1", "baseline": {"passed": 1}}
    assert parse_row(row | {"scenario": "flask_itself"}, "x.toml").arguments
    with pytest.raises(RowError, match="sdist_sha256"):
        parse_row(row, "x.toml")


def test_result_on_flask_is_forgotten_when_the_scenario_changes(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("compat_matrix._rows.SCENARIOS", tmp_path)
    row = ROWS["flask-itself"]
    digests = set()
    for text in ("one", "two"):
        (tmp_path / "flask_itself.py").write_text(text)
        digests.add(row_digest(row))
    assert len(digests) == 2


# --- both servers ---

SIDES = [FLASK, Side("layer", "loop"), Side("layer", "thread")]


@pytest.mark.skipif(sys.platform == "win32", reason="gunicorn needs POSIX")
@pytest.mark.parametrize("side", SIDES, ids=str)
def test_flask_and_the_layer_answer_alike(
    side: Side, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The row of Flask itself, in this Python's own environment."""
    monkeypatch.setattr(_run, "environment", lambda row, cache: tmp_path)
    monkeypatch.setattr(_run, "python_of", lambda folder: Path(sys.executable))
    monkeypatch.setattr(_sdist, "sdist", lambda row, cache: pytest.fail("it has none"))
    row = dataclasses.replace(ROWS["flask-itself"], arguments=("-p", "no:cacheprovider"))
    ran = run_suite(row, side, tmp_path / "cache")
    assert ran.problem == ""
    bad = [test.text for test in ran.tests.values() if test.outcome != "passed"]
    assert not bad, bad[0]
    assert len(ran.tests) == row.baseline.passed
    assert ran.served == (0 if side is FLASK else len(ran.tests))
