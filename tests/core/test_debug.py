"""The page shown for an error in debug mode."""

from __future__ import annotations

import asyncio
import json
import re
from types import TracebackType
from typing import Any

import pytest

from quart import Quart
from quart._connection.disclosure import is_on_this_machine
from quart._serving.development import Development
from quart.debug import TEMPLATE, traceback_response

from .driver import Client, connect, exchange, run, scope_for


class Unprintable:
    def __repr__(self) -> str:
        raise ValueError("no repr")


def fail(secret: Any) -> None:
    unprintable = Unprintable()
    assert isinstance(unprintable, Unprintable)
    try:
        int("x")
    except ValueError as error:
        raise LookupError("<script>alert(1)</script>") from error


def page_for(error: BaseException) -> tuple[int, str]:
    async def main() -> tuple[int, str]:
        response = await traceback_response(error)
        return response.status_code, await response.get_data(as_text=True)

    return asyncio.run(main())


def test_it_shows_the_error_its_source_its_variables_and_its_cause() -> None:
    with pytest.raises(LookupError) as caught:
        fail("the <b>secret</b>")
    status, page = page_for(caught.value)
    assert status == 500
    assert "LookupError" in page
    assert "in <b>fail</b>" in page
    assert "raise LookupError(" in page
    assert "the &lt;b&gt;secret" in page
    assert "invalid literal for int()" in page
    # What an attacker can get into a message is not run in the developer's browser.
    assert "<script>" not in page
    assert "&lt;script&gt;" in page


def test_the_innermost_frame_comes_first() -> None:
    with pytest.raises(LookupError) as caught:
        fail(1)
    _, page = page_for(caught.value)
    assert page.index("in <b>fail</b>") < page.index(
        "in <b>test_the_innermost_frame_comes_first</b>"
    )


def parse(text: str) -> Any:
    """Fail in Python's own code."""
    return json.loads(text)


def hide_and_parse(text: str) -> Any:
    __traceback_hide__ = True
    return parse(text)


def folds(page: str) -> list[tuple[str, str]]:
    """Whether each fold of the page is open, and what it says."""
    found = re.findall(r'class="folded"( open)?>\s*<summary>(.*?)</summary>', page, re.DOTALL)
    return [(is_open.strip(), " ".join(said.split())) for is_open, said in found]


def test_frames_of_packages_are_folded_away() -> None:
    with pytest.raises(ValueError) as caught:  # noqa: PT011 - its message is Python's
        parse("{")
    page = page_for(caught.value)[1]
    ((is_open, said),) = folds(page)
    assert not is_open
    assert said.endswith("frames of Python")
    # Yours stand open, and what is folded is there all the same.
    shown, _, _ = page.partition('<pre class="text">')
    unfolded = re.sub(r"(?s)<details class=.folded.*?</details>\s*(?!<)", "", shown)
    assert "in <b>parse</b>" in unfolded
    assert "in <b>raw_decode</b>" in page


def test_a_frame_can_hide_itself() -> None:
    with pytest.raises(ValueError) as caught:  # noqa: PT011 - its message is Python's
        hide_and_parse("{")
    said = [said for _, said in folds(page_for(caught.value)[1])]
    assert "1 frame of code that hides itself" in said


def test_nothing_is_closed_if_no_frame_is_yours() -> None:
    with pytest.raises(ValueError) as caught:  # noqa: PT011 - its message is Python's
        parse("{")
    error = caught.value.with_traceback(last_frame(caught.value))
    ((is_open, _),) = folds(page_for(error)[1])
    assert is_open


def last_frame(error: BaseException) -> TracebackType | None:
    traceback = error.__traceback__
    while traceback is not None and traceback.tb_next is not None:
        traceback = traceback.tb_next
    return traceback


def test_the_way_to_a_view_is_folded_away(failing: Quart) -> None:
    page = exchange(Development(failing), "request").text
    assert [said for _, said in folds(page)] == [folds(page)[0][1]]
    assert re.fullmatch(r"\d+ frames of quart", folds(page)[0][1])
    text, _, whole = page.partition('<pre class="text">')[2].partition("The whole traceback")
    assert "pipeline.py" not in text
    assert "pipeline.py" in whole


def test_code_without_source_is_no_problem() -> None:
    with pytest.raises(ZeroDivisionError) as caught:
        exec(compile("1 / 0", "<no file>", "exec"))
    assert "&lt;no file&gt;" in page_for(caught.value)[1]


def test_an_error_that_was_never_raised_has_no_frames() -> None:
    status, page = page_for(KeyError("k"))
    assert status == 500
    assert "<section>" not in page


def test_the_template_is_text() -> None:
    assert isinstance(TEMPLATE, str)


# Which clients see it

HOST = (b"host", b"localhost:5000")


@pytest.mark.parametrize("peer", ["127.0.0.1", "127.8.9.1", "::1", "::ffff:127.0.0.1", None])
@pytest.mark.parametrize(
    "host",
    [b"localhost", b"LOCALHOST:5000", b"app.localhost:80", b"127.0.0.1:5000", b"[::1]", b"[::1]:1"],
)
def test_a_client_on_this_machine_is_known(peer: str | None, host: bytes) -> None:
    client = None if peer is None else (peer, 50000)
    scope = scope_for("http", client=client) | {"headers": [(b"host", host)]}
    assert is_on_this_machine(scope)


@pytest.mark.parametrize(
    "peer", ["203.0.113.9", "192.168.0.2", "10.0.0.1", "fe80::1", "::ffff:203.0.113.9", "", "peer"]
)
def test_a_client_with_another_address_is_elsewhere(peer: str) -> None:
    assert not is_on_this_machine(scope_for("http", client=(peer, 50000)))


@pytest.mark.parametrize(
    "host",
    [
        b"example.com",
        b"localhost.example.com",
        b"notlocalhost",
        b"127.0.0.1.example.com",
        b"192.168.0.2:5000",
        b"[fe80::1]",
        b"localhost:5000@example.com",
        b"user@localhost",
        b"",
    ],
)
def test_a_page_from_elsewhere_in_a_browser_here_is_elsewhere(host: bytes) -> None:
    scope = scope_for("http") | {"headers": [(b"host", host)]}
    assert not is_on_this_machine(scope)


def test_a_client_that_names_no_host_or_two_is_elsewhere() -> None:
    assert not is_on_this_machine(scope_for("http") | {"headers": []})
    assert not is_on_this_machine(scope_for("http") | {"headers": [HOST, HOST]})


@pytest.mark.parametrize(
    "name",
    ["Forwarded", "Via", "X-Forwarded-For", "X-Forwarded-Host", "x-forwarded-proto", "X-Real-IP"],
)
def test_a_client_behind_a_proxy_is_elsewhere(name: str) -> None:
    headers = [HOST, (name.encode(), b"127.0.0.1")]
    assert not is_on_this_machine(scope_for("http") | {"headers": headers})


@pytest.fixture
def failing() -> Quart:
    app = Quart(__name__)
    app.debug = True

    async def view() -> None:
        secret = "hunter" * 2
        raise ValueError(f"{len(secret)} letters")

    app.add_url_rule("/", "request", view)
    app.add_websocket("/", "websocket", view)
    return app


@pytest.mark.parametrize("kind", ["request", "websocket"])
@pytest.mark.parametrize(("peer", "shows_variables"), [("127.0.0.1", True), ("203.0.113.9", False)])
def test_the_development_server_shows_it(
    failing: Quart, kind: str, peer: str, shows_variables: bool
) -> None:
    client = exchange(Development(failing), kind, client=(peer, 50000))
    assert client.status == 500
    assert "ValueError: 12 letters" in client.text
    assert "in <b>view</b>" in client.text
    assert ("hunterhunter" in client.text) == shows_variables


@pytest.mark.parametrize("kind", ["request", "websocket"])
def test_no_other_server_shows_it(
    failing: Quart, caplog: pytest.LogCaptureFixture, kind: str
) -> None:
    client = exchange(failing, kind)
    assert client.status == 500
    assert "ValueError" not in client.text
    assert "hunter" not in client.text
    (record,) = caplog.records
    assert record.exc_info is not None


def test_without_debug_mode_nobody_shows_it(failing: Quart) -> None:
    failing.debug = False
    assert "ValueError" not in exchange(Development(failing), "request").text


def test_the_test_client_shows_it(failing: Quart) -> None:
    async def main() -> str:
        response = await failing.test_client().get("/")
        return await response.get_data(as_text=True)

    assert "ValueError: 12 letters" in run(main())


def test_elsewhere_the_application_answers_errors_itself(failing: Quart) -> None:
    failing.register_error_handler(500, lambda error: ("ours", 500))
    assert exchange(failing, "request").text == "ours"


def test_what_the_server_starts_is_left_alone(failing: Quart) -> None:
    client = Client({"type": "lifespan.startup"}, {"type": "lifespan.shutdown"})
    run(connect(Development(failing), {"type": "lifespan"}, client))
    assert client.types == ["lifespan.startup.complete", "lifespan.shutdown.complete"]
    assert Development(failing).logger is failing.logger
