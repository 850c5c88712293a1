"""Signals: when they are sent, with what, and to async and plain receivers alike."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator
from typing import Any

import flask
import pytest
from blinker import NamedSignal

from quart import flash, Quart, render_template_string, signals, websocket

from .driver import exchange, hook, KINDS, route, run, websocket as open_websocket

Connect = Callable[..., list[Any]]


@pytest.fixture
def listen(app: Quart, colour: str) -> Iterator[Connect]:
    """Connect a receiver of the wanted colour to signals; it notes names and values."""
    connected: list[tuple[NamedSignal, Any]] = []

    def connect(*wanted: NamedSignal) -> list[Any]:
        seen: list[Any] = []
        for signal in wanted:

            def plain(sender: Any, signal: NamedSignal = signal, **values: Any) -> None:
                assert sender is app
                seen.append((signal.name, values))

            async def asynchronous(sender: Any, call: Any = plain, **values: Any) -> None:
                await asyncio.sleep(0)
                call(sender, **values)

            receiver = plain if colour == "plain" else asynchronous
            signal.connect(receiver, app)
            connected.append((signal, receiver))
        return seen

    yield connect
    for signal, receiver in connected:
        signal.disconnect(receiver)


SHARED = (
    *("appcontext_popped", "appcontext_pushed", "appcontext_tearing_down", "message_flashed"),
    *("before_render_template", "template_rendered", "got_request_exception"),
    *("request_started", "request_finished", "request_tearing_down"),
)


@pytest.mark.parametrize("name", SHARED)
def test_what_flask_has_too_is_another_object_of_that_name(name: str) -> None:
    ours, flasks = getattr(signals, name), getattr(flask.signals, name)
    assert ours is not flasks
    assert ours.name == flasks.name


def test_each_signal_has_the_name_that_upstream_gives_it() -> None:
    found = {n: s.name for n, s in vars(signals).items() if isinstance(s, NamedSignal)}

    assert found == {name: name.replace("_", "-") for name in found}
    assert len(found) == 18


def test_the_signals_of_a_connection_in_their_order(app: Quart, kind: str, listen: Connect) -> None:
    value = KINDS[kind]
    seen = listen(value.started, value.finished, value.tearing_down, value.failed)
    route(app, kind)(lambda: "ok")

    exchange(app, kind)

    names = [f"{kind}-started", f"{kind}-finished", f"{kind}-tearing-down"]
    assert [name for name, _ in seen] == names
    assert [sorted(values) for _, values in seen] == [[], ["response"], ["exc"]]
    assert seen[1][1]["response"].status_code == 200
    assert seen[2][1]["exc"] is None


def test_the_finished_response_is_the_one_that_is_sent(
    app: Quart, kind: str, listen: Connect
) -> None:
    seen = listen(KINDS[kind].finished)
    hook(app, "after", kind)(lambda response: app.response_class("other", 418))
    route(app, kind)(lambda: "ok")

    assert exchange(app, kind).status == 418
    assert seen[0][1]["response"].status_code == 418


def test_an_unhandled_error_is_signalled(app: Quart, kind: str, listen: Connect) -> None:
    error = ValueError("unhandled")
    seen = listen(KINDS[kind].failed, KINDS[kind].tearing_down)

    @route(app, kind)
    async def view() -> None:
        raise error

    assert exchange(app, kind).status == 500
    assert seen == [
        (f"got-{kind}-exception", {"exception": error}),
        (f"{kind}-tearing-down", {"exc": error}),
    ]


def test_an_error_that_propagates_is_signalled_first(
    app: Quart, kind: str, listen: Connect
) -> None:
    app.testing = True
    seen = listen(KINDS[kind].failed)

    @route(app, kind)
    async def view() -> None:
        raise ValueError

    with pytest.raises(ValueError, match=r"^$"):
        exchange(app, kind)
    assert len(seen) == 1


def test_a_handled_error_is_not_signalled(app: Quart, kind: str, listen: Connect) -> None:
    seen = listen(KINDS[kind].failed)
    app.register_error_handler(ValueError, lambda error: "handled")

    @route(app, kind)
    async def view() -> None:
        raise ValueError

    exchange(app, kind)

    assert seen == []


def test_each_message_of_a_websocket_is_signalled(app: Quart, listen: Connect) -> None:
    seen = listen(signals.websocket_received, signals.websocket_sent)

    @app.websocket("/")
    async def view() -> None:
        await websocket.send(await websocket.receive())
        await websocket.send(await websocket.receive())

    run(open_websocket(app, "/", "text", b""))

    assert seen == [
        ("websocket-received", {"data": "text"}),
        ("websocket-sent", {"data": "text"}),
        ("websocket-received", {"data": b""}),
        ("websocket-sent", {"data": b""}),
    ]


def test_templates_and_flashes_are_signalled(app: Quart, listen: Connect) -> None:
    seen = listen(
        signals.before_render_template, signals.template_rendered, signals.message_flashed
    )

    @app.route("/")
    async def view() -> str:
        await flash("hello", "info")
        return await render_template_string("{{ name }}", name="ada")

    assert exchange(app, "request").text == "ada"
    assert [name for name, _ in seen] == [
        "message-flashed",
        "before-render-template",
        "template-rendered",
    ]
    assert seen[0][1] == {"message": "hello", "category": "info"}
    assert seen[1][1]["context"]["name"] == "ada"
    assert set(seen[2][1]) == {"template", "context"}


def test_a_receiver_of_another_application_hears_nothing(app: Quart, kind: str) -> None:
    seen: list[Any] = []
    other = Quart("other")
    started = KINDS[kind].started

    def receiver(sender: Any, **values: Any) -> None:
        seen.append(sender)

    route(app, kind)(lambda: "ok")
    with started.connected_to(receiver, other):
        exchange(app, kind)

    assert seen == []


def test_a_receiver_of_any_application_hears_all(app: Quart, kind: str) -> None:
    seen: list[Any] = []

    def receiver(sender: Any, **values: Any) -> None:
        seen.append(sender)

    route(app, kind)(lambda: "ok")
    with KINDS[kind].started.connected_to(receiver):
        exchange(app, kind)

    assert seen == [app]


def test_a_muted_signal_is_silent(app: Quart, kind: str, listen: Connect) -> None:
    seen = listen(KINDS[kind].started)
    route(app, kind)(lambda: "ok")

    with KINDS[kind].started.muted():
        exchange(app, kind)

    assert seen == []


def test_without_a_receiver_nothing_is_sent(
    app: Quart, kind: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Sending costs something even then."""

    def receivers_for(self: Any, sender: Any) -> Any:
        raise AssertionError(f"{self.name} is sent")

    monkeypatch.setattr(NamedSignal, "receivers_for", receivers_for)
    route(app, kind)(lambda: "ok")

    assert exchange(app, kind).text == "ok"


def test_a_background_task_that_fails_is_signalled(app: Quart, listen: Connect) -> None:
    error = ValueError("background")
    seen = listen(signals.got_background_exception)

    async def fail() -> None:
        raise error

    async def main() -> None:
        app.add_background_task(fail)
        await app.shutdown()

    run(main())

    assert seen == [("got-background-exception", {"exception": error})]


def test_a_start_that_fails_is_signalled(app: Quart, listen: Connect) -> None:
    error = ValueError("start")
    seen = listen(signals.got_serving_exception)

    @app.before_serving
    async def fail() -> None:
        raise error

    with pytest.raises(ValueError, match="start"):
        run(app.startup())

    assert seen == [("got-serving-exception", {"exception": error})]
