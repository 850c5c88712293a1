"""What plain Flask cannot do: event streams, websockets, many slow views at once."""

import json
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, ExitStack
from threading import Barrier
from typing import Any

import httpx
import pytest
from websockets.exceptions import InvalidStatus

from ._client import notes_in, Person
from ._server import Server

# --- Server-sent events --------------------------------------------------------------------------


class News:
    """An open event stream."""

    def __init__(self, response: httpx.Response) -> None:
        self.response = response
        self._lines = response.iter_lines()

    def wait_until_listening(self) -> None:
        """Read what the server sends once it listens for news."""
        assert next(line for line in self._lines if line.startswith(":")) == ": still here"

    def next_note(self) -> dict[str, Any]:
        event = next(line for line in self._lines if line.startswith("event:"))
        assert event == "event: note"
        lines = dict(line.split(": ", 1) for line in (next(self._lines), next(self._lines)))
        note = json.loads(lines["data"])
        assert lines["id"] == str(note["id"])
        return note


@contextmanager
def following(person: Person) -> Iterator[News]:
    with person.http.stream("GET", "/live/events") as response:
        assert response.status_code == 200
        news = News(response)
        news.wait_until_listening()
        yield news


def test_the_stream_is_an_event_stream(live_user: Person) -> None:
    with following(live_user) as news:
        headers = news.response.headers
    assert headers["Content-Type"].partition(";")[0] == "text/event-stream"
    assert headers["Cache-Control"] == "no-store"
    assert headers["X-Content-Type-Options"] == "nosniff"


def test_the_stream_needs_a_login(live_stranger: Person) -> None:
    answer = live_stranger.http.get("/live/events")
    assert answer.status_code == 302
    assert answer.headers["Location"].startswith("/auth/login")


def test_a_new_note_is_announced(live_user: Person) -> None:
    with following(live_user) as news:
        live_user.write("Hot", "off the press")
        note = news.next_note()
        assert (note["title"], note["author"]) == ("Hot", live_user.name)
        live_user.call("POST", "/api/notes/", {"title": "Hotter"})
        assert news.next_note()["title"] == "Hotter"


def test_others_hear_of_shared_notes_alone(live_user: Person) -> None:
    with Person(live_user.url) as other:
        other.register()
        other.log_in()
        with following(live_user) as own, following(other) as news:
            live_user.write("For me")
            live_user.write("For all", shared="y")
            assert news.next_note()["title"] == "For all"
            assert [own.next_note()["title"], own.next_note()["title"]] == ["For me", "For all"]


def test_many_streams_come_and_go(live_user: Person) -> None:
    """More of them than the database has connections, or the server threads."""
    for _ in range(3):
        all_here = Barrier(25)
        with ThreadPoolExecutor(25) as pool:
            for future in [pool.submit(_hear_nothing, live_user, all_here) for _ in range(25)]:
                future.result()
    assert live_user.http.get("/").status_code == 200


def _hear_nothing(person: Person, all_here: Barrier) -> None:
    with following(person):
        all_here.wait(30)


# --- Websockets ----------------------------------------------------------------------------------


def test_a_user_is_greeted_by_name(live_user: Person) -> None:
    with live_user.open_socket() as socket:
        greeting = json.loads(socket.recv(timeout=10))
    assert greeting == {"type": "greeting", "text": f"Hello, {live_user.name}!"}


def test_a_stranger_is_greeted_too(live_stranger: Person) -> None:
    with live_stranger.open_socket() as socket:
        assert json.loads(socket.recv(timeout=10))["text"] == "Hello, stranger!"


def test_json_comes_back(live_stranger: Person) -> None:
    with live_stranger.open_socket() as socket:
        socket.recv(timeout=10)
        for payload in ({"text": "grüß dich"}, [1, None, True], "x" * 100_000):
            socket.send(json.dumps(payload))
            assert json.loads(socket.recv(timeout=10)) == {"type": "echo", "payload": payload}
        socket.send("{")
        assert json.loads(socket.recv(timeout=10))["type"] == "error"


def test_a_page_of_another_site_is_refused(live_user: Person) -> None:
    with live_user.open_socket(origin=live_user.url) as socket:
        assert json.loads(socket.recv(timeout=10))["type"] == "greeting"
    foreign = "http://elsewhere.test"
    with pytest.raises(InvalidStatus) as refused, live_user.open_socket(origin=foreign):
        pass
    assert refused.value.response.status_code == 403


def test_a_websocket_is_no_page_and_a_page_no_websocket(live_stranger: Person) -> None:
    assert live_stranger.http.get("/live/ws").status_code == 400
    for path in ("/live/", "/nowhere"):
        with pytest.raises(InvalidStatus) as refused, live_stranger.open_socket(path):
            pass
        assert refused.value.response.status_code in (400, 404)


def test_many_sockets_hold_no_connection_of_the_database(live_user: Person) -> None:
    with ExitStack() as stack:
        sockets = [stack.enter_context(live_user.open_socket()) for _ in range(25)]
        assert all(live_user.name in str(socket.recv(timeout=10)) for socket in sockets)
        assert live_user.write("Meanwhile").status_code == 200


# --- Waiting at the same time --------------------------------------------------------------------


def test_slow_async_views_wait_at_the_same_time(live_user: Person) -> None:
    """Each takes 0.3 seconds, so ten of them in a row would take three."""
    started = time.monotonic()
    with ThreadPoolExecutor(10) as pool:
        answers = list(pool.map(live_user.http.get, ["/summary"] * 10))
    assert [answer.status_code for answer in answers] == [200] * 10
    assert time.monotonic() - started < 2


def test_many_write_at_the_same_time(live_server: Server, live_user: Person) -> None:
    token = live_user.token()

    def write(number: int) -> int:
        data = {"csrf_token": token, "title": f"Note {number}"}
        return live_user.http.post("/new", data=data).status_code

    with ThreadPoolExecutor(8) as pool:
        assert set(pool.map(write, range(24))) == {302}
    pages = [live_user.http.get("/", params={"page": page, "q": "Note"}) for page in (1, 2, 3)]
    assert len({title for page in pages for title in notes_in(page)}) == 24


# --- The start page ------------------------------------------------------------------------------


def test_windows_see_each_other(live_stranger: Person) -> None:
    with live_stranger.http.stream("GET", "/tour/visitors") as first:
        events = (json.loads(line[6:]) for line in first.iter_lines() if line)
        assert next(events) == {"open": 1}
        with Person(live_stranger.url) as other:
            with other.http.stream("GET", "/tour/visitors"):
                assert next(events) == {"open": 2}
                assert other.call("POST", "/tour/wave").status_code == 204
                assert next(events) == {"waves": "A stranger", "open": 2}
            assert next(events) == {"open": 1}
