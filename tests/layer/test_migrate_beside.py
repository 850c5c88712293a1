"""``migrate beside``: the old application and the new one behind one port."""

from __future__ import annotations

import asyncio
import logging
import os
import re
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
from click.testing import CliRunner
from websockets.exceptions import InvalidStatus
from websockets.sync.client import connect

from _serving import environment, served, Server
from quart_flask_patch import endpoints, Flask
from quart_flask_patch._watching import measures
from quart_flask_patch.migrate import beside_process
from quart_flask_patch.migrate.beside import beside
from quart_flask_patch.migrate.beside_division import Division, rules_of, share_of
from quart_flask_patch.migrate.beside_process import Command, Process
from quart_flask_patch.migrate.beside_proxy import (
    BadRequestError,
    end_to_end,
    headers_to_old,
    target_of,
)
from quart_flask_patch.migrate.command import migrate

pytestmark = pytest.mark.skipif(os.name != "posix", reason="needs Unix sockets")

#: The same program on both sides; which it is, the class of its application tells.
PROGRAM = """
import os
import time
from pathlib import Path

import quart_flask_patch
from flask import Flask, request, Response, session
from werkzeug.middleware.proxy_fix import ProxyFix

app = Flask(__name__)
app.secret_key = "shared"
SIDE = "old" if type(app).__module__ == "flask.app" else "new"

@app.get("/side")
@app.get("/canary/side")
@app.get("/moved/side")
def side():
    return SIDE

@app.get("/seen")
def seen():
    names = "remote_addr", "host", "scheme", "path", "script_root", "full_path"
    found = {name: getattr(request, name) for name in names}
    return {**found, "headers": [list(pair) for pair in request.headers], "side": SIDE}

@app.get("/login/<user>")
def login(user):
    session["user"] = user
    return SIDE

@app.get("/user")
def user():
    return {"user": session.get("user"), "side": SIDE}

@app.post("/upload")
def upload():
    size = 0
    while chunk := request.stream.read(65536):
        size += len(chunk)
    return {"size": size, "side": SIDE}

@app.get("/endless")
def endless():
    def chunks():
        try:
            while True:
                yield b"x" * 65536
        finally:
            Path("closed").touch()
    return Response(chunks())

@app.get("/fails")
def fails():
    if SIDE == "old":
        raise ValueError("as it is meant to")
    return SIDE

@app.get("/pid")
def pid():
    return str(os.getpid())

@app.get("/dies")
def dies():
    os._exit(3)

if SIDE == "new":
    from quart import websocket
    from quart_flask_patch import endpoints
    from quart_flask_patch.migrate.beside import beside

    @app.get("/moved/differences")
    def differences():
        found = endpoints(app).differences()
        return {each.endpoint: [each.error_rate, each.error_rate_beside] for each in found}

    @app.websocket("/feed")
    @app.websocket("/old/feed")
    async def feed():
        await websocket.send("hello")

    rules = {"/moved/*": "new", "/canary/*": 0.5, "/old/*": "old"}
    both = beside(app, "both:app", rules=rules, threads=4)
else:
    @app.get("/only-old")
    def only_old():
        return SIDE
"""
NEW = {"X-Beside": "new"}


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    folder = tmp_path_factory.mktemp("both")
    (folder / "both.py").write_text(PROGRAM, "utf-8")
    command = ["hypercorn", "both:both", "--bind", "127.0.0.1:{port}", "--graceful-timeout", "1"]
    with served(command, folder, environment(), folder / "log") as server:
        yield server


@pytest.fixture
def client(server: Server) -> Iterator[httpx.Client]:
    with httpx.Client(base_url=server.url, timeout=30, trust_env=False, verify=False) as client:
        yield client


@pytest.mark.parametrize(
    ("path", "headers", "expected"),
    [
        ("/side", {}, "old"),
        ("/side", NEW, "new"),
        ("/side", {"Cookie": "a=b; beside=new"}, "new"),
        ("/moved/side", {}, "new"),
        ("/moved/side", {"X-Beside": "old"}, "old"),
        ("/only-old", {}, "old"),
    ],
)
def test_requests_are_divided(
    client: httpx.Client, path: str, headers: dict[str, str], expected: str
) -> None:
    response = client.get(path, headers=headers)
    assert (response.text, response.status_code) == (expected, 200)
    assert "set-cookie" not in response.headers
    assert len(response.headers.get_list("date")) == 1


def test_a_client_stays_where_chance_has_put_it(client: httpx.Client) -> None:
    first = client.get("/canary/side")
    assert re.fullmatch(
        r"beside=\d{1,4}; Path=/; Max-Age=\d+; HttpOnly; SameSite=Lax", first.headers["set-cookie"]
    )
    for _ in range(5):
        again = client.get("/canary/side")
        assert again.text == first.text
        assert "set-cookie" not in again.headers


@pytest.mark.parametrize(("at", "then"), [("old", "new"), ("new", "old")])
def test_a_login_on_one_side_counts_on_the_other(client: httpx.Client, at: str, then: str) -> None:
    assert client.get("/login/me", headers={"X-Beside": at}).text == at
    found = client.get("/user", headers={"X-Beside": then}).json()
    assert found == {"user": "me", "side": then}


@pytest.mark.parametrize("side", ["old", "new"])
def test_both_see_the_client_and_not_what_it_says_of_itself(
    client: httpx.Client, side: str
) -> None:
    forged = {
        "X-Forwarded-For": "6.6.6.6",
        "X_Forwarded_For": "6.6.6.6",
        "X-Forwarded-Host": "evil",
        "Forwarded": "for=6.6.6.6",
        "X-Real-IP": "6.6.6.6",
        "X-Beside-Client": "6.6.6.6",
        "Host": "shop.example:81",
        "X-Beside": side,
    }
    found = client.get("/seen?a=%2F&b=ü", headers=forged).json()
    assert found["side"] == side
    assert (found["remote_addr"], found["scheme"]) == ("127.0.0.1", "http")
    assert (found["host"], found["full_path"]) == ("shop.example:81", "/seen?a=%2F&b=%C3%BC")
    said = [value for name, value in found["headers"] if "Beside" not in name]
    assert not [value for value in said if "6.6.6.6" in value or "evil" in value]


@pytest.mark.parametrize("chunked", [False, True])
def test_a_large_body_is_handed_on_as_it_comes(client: httpx.Client, chunked: bool) -> None:
    size = 5_000_000
    body: Any = (b"x" * 50_000 for _ in range(size // 50_000)) if chunked else b"x" * size
    response = client.post("/upload", content=body)
    assert response.json() == {"size": size, "side": "old"}


def test_an_answer_without_a_body_has_its_length(client: httpx.Client) -> None:
    response = client.head("/side")
    assert (response.status_code, response.headers["content-length"]) == (200, "3")


def test_a_client_that_leaves_ends_the_answer(server: Server) -> None:
    closed = server.log.parent / "closed"
    with httpx.stream("GET", f"{server.url}/endless", trust_env=False, verify=False) as response:
        next(response.iter_raw())
    until(closed.exists)


def test_websockets_go_to_the_new_one(server: Server) -> None:
    url = server.url.replace("http", "ws")
    with connect(f"{url}/feed", proxy=None) as websocket:
        assert websocket.recv() == "hello"
    with pytest.raises(InvalidStatus) as refused, connect(f"{url}/old/feed", proxy=None):
        pass
    assert refused.value.response.status_code == 501


def test_error_rates_are_compared(client: httpx.Client) -> None:
    assert client.get("/fails").status_code == 500
    assert client.get("/fails", headers=NEW).status_code == 200
    assert client.get("/moved/differences").json()["fails"] == [0, 1]


@pytest.mark.parametrize(
    "fields",
    [
        "Content-Length: 4\r\nTransfer-Encoding: chunked",
        "Content-Length: 4\r\nContent-Length: 5",
        "Content-Length: +4",
        "Transfer-Encoding: chunked, identity",
        "Transfer-Encoding: xchunked",
    ],
)
def test_a_request_that_could_be_read_in_two_ways_reaches_nobody(
    server: Server, fields: str
) -> None:
    head = f"POST /upload HTTP/1.1\r\nHost: x\r\n{fields}\r\n\r\n"
    body = "0\r\n\r\nGET /dies HTTP/1.1\r\nHost: x\r\n\r\n"
    with socket.create_connection(("127.0.0.1", server.port), timeout=10) as connection:
        connection.sendall((head + body).encode())
        connection.shutdown(socket.SHUT_WR)
        answer = b""
        while chunk := connection.recv(65536):
            answer += chunk
    statuses = re.findall(rb"HTTP/1\.1 (\d+)", answer)
    # Either the server or we refuse it; or it is one request, of no length, and what follows is
    # another.
    assert statuses[0] in {b"400", b"200", b"501"}, answer
    if statuses[0] == b"200":
        assert b'"size":0' in answer
    else:
        assert len(statuses) == 1


def test_the_old_one_is_started_again(server: Server, client: httpx.Client) -> None:
    before = client.get("/pid").text
    assert client.get("/dies").status_code == 502
    until(lambda: client.get("/pid").status_code == 200)
    assert client.get("/pid").text != before
    log = server.output()
    assert "has ended with status 3, and is started again" in log
    assert "The old application has not answered GET /dies" in log


def until(is_so: Callable[[], bool]) -> None:
    limit = time.monotonic() + 30
    while not is_so():
        assert time.monotonic() < limit
        time.sleep(0.05)


# --- the process ---------------------------------------------------------------------------------

LOGGER = logging.getLogger(__name__)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    program = 'import flask\napp = flask.Flask(__name__)\napp.secret_key = "other"\n'
    (tmp_path / "old.py").write_text(program, "utf-8")
    return tmp_path


def test_it_does_not_outlive_who_started_it(folder: Path) -> None:
    program = (
        "import logging, pathlib, sys, time\n"
        "from quart_flask_patch.migrate.beside_process import Command, Process\n"
        "old = Process(Command('old:app', pathlib.Path('.')), None, logging.getLogger())\n"
        "old.start()\n"
        "print(old.pid, flush=True)\n"
        "time.sleep(60)\n"
    )
    parent = subprocess.Popen(
        [sys.executable, "-c", program], cwd=folder, stdout=subprocess.PIPE, text=True
    )
    assert parent.stdout is not None
    child = int(parent.stdout.readline())
    os.kill(child, 0)
    parent.kill()
    parent.wait()
    parent.stdout.close()
    until(lambda: not is_running(child))


def is_running(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    status = Path(f"/proc/{pid}/stat")
    # Where nobody waits for it, it stays as a zombie.
    return not status.exists() or status.read_text().rpartition(")")[2].split()[0] != "Z"


def test_it_is_not_started_for_ever(
    folder: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(beside_process, "RESTARTS", 1)
    old = Process(Command("old:app", folder), None, LOGGER)
    old.start()
    first = old.pid
    assert first is not None
    os.kill(first, signal.SIGKILL)
    until(lambda: old.address is not None and old.pid != first)
    os.kill(old.pid or 0, signal.SIGKILL)
    until(lambda: "It is left alone" in caplog.text)
    assert old.address is None
    old.stop()


@pytest.mark.parametrize(
    ("app", "said"),
    [
        ("missing:app", "Could not import 'missing'"),
        ("dead:app", "it ended with status 7 before it was there"),
        ("slow:app", "it ended with status -9 before it was there"),
    ],
)
def test_one_that_does_not_start_says_why(folder: Path, app: str, said: str) -> None:
    (folder / "dead.py").write_text("import os\nos._exit(7)\n")
    (folder / "slow.py").write_text("import time\ntime.sleep(60)\n")
    seconds = 1 if app == "slow:app" else 60
    old = Process(Command(app, folder, timeout=seconds), None, LOGGER)
    with pytest.raises(RuntimeError, match=re.escape(said)):
        old.start()
    assert old.address is None


# --- the application in front --------------------------------------------------------------------


def lifespan(app: Any) -> list[dict[str, Any]]:
    """Start *app* and stop it; return what it says."""
    said: list[dict[str, Any]] = []
    given = [{"type": "lifespan.startup"}, {"type": "lifespan.shutdown"}]

    async def receive() -> dict[str, Any]:
        return given.pop(0)

    async def send(message: dict[str, Any]) -> None:
        said.append(message)

    asyncio.run(app({"type": "lifespan", "asgi": {}}, receive, send))
    return said


@pytest.mark.parametrize(
    ("key", "checks", "types"),
    [
        ("mine", True, ["lifespan.startup.failed"]),
        (None, True, ["lifespan.startup.failed"]),
        ("other", True, ["lifespan.startup.complete", "lifespan.shutdown.complete"]),
        ("mine", False, ["lifespan.startup.complete", "lifespan.shutdown.complete"]),
    ],
)
def test_sessions_have_to_be_shared(
    app: Flask, folder: Path, key: str | None, checks: bool, types: list[str]
) -> None:
    app.secret_key = key
    both = beside(app, "old:app", folder=str(folder), shares_session=checks)
    said = lifespan(both)
    assert [message["type"] for message in said] == types
    if len(types) == 1:
        assert "Give both the same SECRET_KEY" in said[0]["message"]
    assert both.old.address is None
    assert not is_running(both.old.pid or 0)


def test_without_the_old_one_the_new_one_answers(app: Flask) -> None:
    """Its requests are answered with 502, and nobody else's."""
    app.add_url_rule("/", view_func=lambda: "new", endpoint="index")
    both = beside(app, "old:app", rules={"/": "new"})
    both._started = True
    asked = [asyncio.run(ask(both, path)) for path in ("/", "/elsewhere")]
    assert asked == [200, 502]
    rows = {(each.endpoint, each.place): each.error_rate for each in endpoints(app)}
    assert rows[None, measures.BESIDE] == 1


async def ask(app: Any, path: str) -> int:
    status: list[int] = []

    async def receive() -> dict[str, Any]:
        return {"type": "http.request", "body": b"", "more_body": False}

    async def send(message: dict[str, Any]) -> None:
        status.extend([message["status"]] if "status" in message else [])

    await app(scope_of(path=path), receive, send)
    return status[0]


def scope_of(**values: object) -> dict[str, Any]:
    return {
        "type": "http",
        "asgi": {"version": "3.0"},
        "http_version": "1.1",
        "method": "GET",
        "scheme": "http",
        "path": "/",
        "query_string": b"",
        "root_path": "",
        "headers": [(b"host", b"x")],
        "client": ("1.2.3.4", 5),
        "server": ("127.0.0.1", 80),
        **values,
    }


# --- what is handed on ---------------------------------------------------------------------------


@pytest.mark.parametrize(
    "headers",
    [
        [(b"content-length", b"1"), (b"transfer-encoding", b"chunked")],
        [(b"content-length", b"1"), (b"content-length", b"2")],
        [(b"content-length", b"1, 1")],
        [(b"content-length", b"-1")],
        [(b"transfer-encoding", b"gzip, chunked")],
        [(b"Transfer-Encoding", b"chunked"), (b"transfer-encoding", b"chunked")],
        [(b"host", b"y")],
    ],
)
def test_what_is_ambiguous_is_not_handed_on(headers: list[tuple[bytes, bytes]]) -> None:
    scope = scope_of(headers=[(b"host", b"x"), *headers])
    with pytest.raises(BadRequestError):
        headers_to_old(scope, False)


def test_headers_for_the_next_neighbour_end_here() -> None:
    given = [
        (b"Connection", b"close, X-Mine"),
        (b"X-Mine", b"1"),
        (b"Keep-Alive", b"1"),
        (b"TE", b"trailers"),
        (b"Upgrade", b"h2c"),
        (b"Transfer-Encoding", b"chunked"),
        (b"Set-Cookie", b"a=1"),
        (b"Set-Cookie", b"b=2"),
    ]
    assert end_to_end(given) == [(b"set-cookie", b"a=1"), (b"set-cookie", b"b=2")]


@pytest.mark.parametrize("trusts", [False, True])
def test_forwarded_headers_are_believed_on_demand(trusts: bool) -> None:
    scope = scope_of(headers=[(b"host", b"x"), (b"x-forwarded-for", b"9.9.9.9")])
    found = [value for name, value in headers_to_old(scope, trusts) if name == b"x-forwarded-for"]
    assert found == [b"9.9.9.9" if trusts else b"1.2.3.4"]


@pytest.mark.parametrize(
    ("scope", "target"),
    [
        ({"path": "/a b", "raw_path": b"/a%20b"}, b"/a%20b"),
        ({"path": "/ü\r\nX: y"}, b"/%C3%BC%0D%0AX:%20y"),
        ({"path": "/", "query_string": b"a=%0d"}, b"/?a=%0d"),
    ],
)
def test_the_target_is_as_it_came(scope: dict[str, Any], target: bytes) -> None:
    assert target_of(scope_of(**scope)) == target


# --- who gets what -------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("share", "cookie", "side"),
    [
        ("old", b"", "old"),
        ("new", b"", "new"),
        ("5%", b"beside=499", "new"),
        ("5%", b"beside=500", "old"),
        (0.05, b'a=1; beside="0"', "new"),
        ("5%", b"beside=old", "old"),
        ("old", b"beside=new", "new"),
    ],
)
def test_a_share_goes_by_the_cookie(share: str | float, cookie: bytes, side: str) -> None:
    scope = scope_of(headers=[(b"cookie", cookie)])
    choice = Division([], share_of(share), by_hand=True).choose(scope, "/", "index")
    assert (choice.side, choice.cookie) == (side, None)


def test_a_share_is_kept_by_chance() -> None:
    division = Division([], 0.2, by_hand=True)
    chosen = [division.choose(scope_of(), "/", "index") for _ in range(2000)]
    assert 300 < sum(choice.side == "new" for choice in chosen) < 500
    assert all((choice.side == "new") == (int(choice.cookie or "") < 2000) for choice in chosen)


@pytest.mark.parametrize("header", [b"new", b"old"])
def test_by_hand_can_be_switched_off(header: bytes) -> None:
    scope = scope_of(headers=[(b"x-beside", header), (b"cookie", b"beside=new")])
    assert Division([], 0.0, by_hand=False).choose(scope, "/", "index").side == "old"


def test_the_first_rule_that_matches_counts() -> None:
    rules = rules_of({"/api/old/*": "old", "notes.*": "new", "/api/*": 1})
    division = Division(rules, 0.0, by_hand=True)
    asked = [("/api/old/x", "api.x"), ("/n", "notes.index"), ("/api/x", "api.x"), ("/", "index")]
    sides = [division.choose(scope_of(), path, endpoint).side for path, endpoint in asked]
    assert sides == ["old", "new", "new", "old"]


def test_what_the_new_one_has_no_url_for_is_not_left_to_chance() -> None:
    division = Division([], 0.99, by_hand=True)
    assert {division.choose(scope_of(), "/x", None).side for _ in range(50)} == {"old"}


@pytest.mark.parametrize("share", ["", "x", "150%", -1, "nan", 2])
def test_a_share_that_is_none_is_refused(share: str | float) -> None:
    with pytest.raises(ValueError, match="Expected 'old', 'new', a percentage"):
        share_of(share)


def test_a_rule_that_says_nobody_is_refused() -> None:
    result = CliRunner().invoke(migrate, ["beside", "x", "--rule", "new"])
    assert "Expected --rule PATTERN=WHO" in result.output
