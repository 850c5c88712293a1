"""The one context: what it holds, how it is entered and left, and how it is carried elsewhere."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable
from contextvars import Context
from typing import Any

import pytest

import quart
from quart import (
    after_this_request,
    after_this_websocket,
    copy_current_app_context,
    copy_current_request_context,
    copy_current_websocket_context,
    current_app,
    g,
    has_app_context,
    has_request_context,
    has_websocket_context,
    Quart,
    request,
    session,
    websocket,
)
from quart.ctx import AppContext, RequestContext, WebsocketContext
from quart.globals import app_ctx, request_ctx, websocket_ctx
from quart.sessions import SecureCookieSession
from quart.signals import appcontext_popped, appcontext_pushed, appcontext_tearing_down
from quart.testing.utils import no_op_push

from . import driver
from .driver import exchange, hook, noting, route, run

COPYING: dict[str, Callable[[Any], Any]] = {
    "request": copy_current_request_context,
    "websocket": copy_current_websocket_context,
}


# --- Entering and leaving


def test_with_opens_a_context_in_sync_code(app: Quart) -> None:
    with app.app_context() as ctx:
        assert current_app._get_current_object() is app  # type: ignore[attr-defined]
        assert app_ctx._get_current_object() is ctx  # type: ignore[attr-defined]
        g.name = "set"
        assert ctx.g.name == "set"
    assert not has_app_context()


def test_async_with_opens_a_context_in_async_code(app: Quart) -> None:
    async def main() -> None:
        async with app.app_context():
            assert current_app.name == app.name
        assert not has_app_context()

    run(main())


def test_with_and_async_with_open_a_request(app: Quart) -> None:
    def check() -> None:
        assert request.path == "/here"
        assert request.args["a"] == "1"
        assert request.endpoint == "view"
        assert session == {}

    app.add_url_rule("/here", view_func=lambda: "ok", endpoint="view")

    async def main() -> None:
        async with app.test_request_context("/here?a=1"):
            check()

    run(main())
    with app.test_request_context("/here?a=1"):
        check()


def test_with_runs_async_teardown_functions(app: Quart, log: list[str], colour: str) -> None:
    app.teardown_appcontext(noting(log, "app", colour))
    app.teardown_request(noting(log, "request", colour))

    with app.test_request_context("/"):
        assert log == []

    assert log == ["request", "app"]


def test_with_says_what_to_do_where_a_loop_is_running(app: Quart) -> None:
    app.teardown_appcontext(lambda error: asyncio.sleep(0))

    async def main() -> None:
        with pytest.raises(RuntimeError, match="async with"), app.app_context():
            pass

    run(main())


@pytest.mark.parametrize("error", [None, ValueError("x")])
def test_teardown_learns_of_the_error(app: Quart, error: Exception | None) -> None:
    seen: list[Any] = []
    app.teardown_appcontext(seen.append)

    async def main() -> None:
        async with app.app_context():
            if error is not None:
                raise error

    if error is None:
        run(main())
    else:
        with pytest.raises(ValueError, match="x"):
            run(main())

    assert seen == [error]


def test_pop_takes_the_error_that_is_being_handled(app: Quart) -> None:
    seen: list[Any] = []
    app.teardown_appcontext(seen.append)
    error = ValueError()

    async def main() -> None:
        ctx = app.app_context()
        await ctx.push()
        try:
            raise error
        except ValueError:
            await ctx.pop()
        await ctx.push()
        await ctx.pop(None)

    run(main())

    assert seen == [error, None]


def test_a_failing_teardown_leaves_the_context_all_the_same(app: Quart) -> None:
    @app.teardown_appcontext
    async def fail(error: BaseException | None) -> None:
        raise ValueError("teardown")

    async def main() -> None:
        with pytest.raises(ValueError, match="teardown"):
            async with app.app_context():
                pass
        assert not has_app_context()

    run(main())


def test_a_context_may_be_pushed_again(app: Quart, log: list[str]) -> None:
    app.teardown_appcontext(noting(log, "teardown", "async"))

    async def main() -> None:
        ctx = app.app_context()
        async with ctx:
            async with ctx:
                pass
            assert log == []
            assert has_app_context()
        assert log == ["teardown"]

    run(main())


def test_popping_the_wrong_context_is_reported(app: Quart) -> None:
    first, second = app.app_context(), app.app_context()

    async def main() -> None:
        await first.push()
        await second.push()
        with pytest.raises(AssertionError, match="Expected to pop"):
            await first.pop()
        # Nothing is current any more, and that is not what this one expects either.
        with pytest.raises(AssertionError, match="Expected to pop"):
            await second.pop()

    run(main())


def test_popping_a_context_that_was_not_pushed_says_so(app: Quart) -> None:
    with pytest.raises((AssertionError, LookupError, RuntimeError), match="push"):
        run(app.app_context().pop())


# --- Nesting


def test_a_context_of_the_same_application_shares_g(app: Quart, log: list[str]) -> None:
    app.teardown_appcontext(noting(log, "app", "async"))
    app.teardown_request(noting(log, "request", "async"))

    async def main() -> None:
        async with app.app_context():
            g.name = "outer"
            async with app.test_request_context("/"):
                assert g.name == "outer"
                g.inner = True
            assert log == ["request"]
            assert g.inner
        assert log == ["request", "app"]

    run(main())


def test_a_context_of_another_application_has_its_own_g(app: Quart) -> None:
    other = Quart("other")

    async def main() -> None:
        async with app.app_context():
            g.name = "outer"
            async with other.app_context():
                assert "name" not in g
                assert current_app.name == "other"
            assert current_app.name == app.name

    run(main())


def test_two_tasks_do_not_see_each_others_context(app: Quart) -> None:
    async def one(name: str) -> None:
        async with app.app_context():
            g.name = name
            await asyncio.sleep(0)
            assert g.name == name

    async def main() -> None:
        await asyncio.gather(one("a"), one("b"))

    run(main())


# --- What it holds


def test_the_older_names_are_the_one_context() -> None:
    assert RequestContext is WebsocketContext is AppContext
    assert request_ctx is websocket_ctx is app_ctx


def test_the_wrong_kind_is_an_error_that_says_which(app: Quart) -> None:
    async def main() -> None:
        async with app.app_context() as ctx:
            with pytest.raises(RuntimeError, match=r"active request context.*no connection"):
                _ = ctx.request
            with pytest.raises(RuntimeError, match="context for the session"):
                _ = ctx.session
        async with app.test_request_context("/") as ctx:
            assert ctx.has_request
            assert not ctx.has_websocket
            with pytest.raises(RuntimeError, match=r"active websocket context.*a request"):
                _ = ctx.websocket
            with pytest.raises(RuntimeError, match="active websocket context"):
                _ = websocket.path

    run(main())


@pytest.mark.parametrize("kind", ["request", "websocket"])
def test_an_application_context_in_a_view_hides_no_connection(app: Quart, kind: str) -> None:
    app.secret_key = "secret"
    proxy = request if kind == "request" else websocket

    @route(app, kind)
    async def view() -> str:
        g.mine = session["mine"] = True
        async with app.app_context(), Quart("other").app_context():
            assert (has_request_context(), has_websocket_context()) == (
                kind == "request",
                kind == "websocket",
            )
            assert session["mine"]
            assert "mine" not in g
            assert current_app.name == "other"
            return f"{proxy.path} {app.url_for('view').endswith('/')}"

    assert exchange(app, kind).text == "/ True"


@pytest.mark.parametrize(
    ("proxy", "attribute", "kind"),
    [
        ("current_app", "name", "application"),
        ("g", "name", "application"),
        ("request", "path", "request"),
        ("websocket", "path", "websocket"),
        ("session", "keys", "request"),
    ],
)
def test_a_proxy_outside_of_a_context_says_what_to_do(
    proxy: str, attribute: str, kind: str
) -> None:
    with pytest.raises(RuntimeError, match=f"Working outside of {kind} context"):
        getattr(getattr(quart, proxy), attribute)


def test_has_functions_are_false_outside_and_true_inside(app: Quart, kind: str) -> None:
    assert not any((has_app_context(), has_request_context(), has_websocket_context()))

    @route(app, kind)
    async def view() -> str:
        assert has_app_context()
        return f"{has_request_context()} {has_websocket_context()}"

    expected = "True False" if kind == "request" else "False True"
    assert exchange(app, kind).text == expected


def test_its_repr_says_what_it_is_about(app: Quart) -> None:
    assert app.name in repr(app.app_context())
    assert "/here" in repr(app.test_request_context("/here"))


def test_g_may_be_another_class(app: Quart) -> None:
    class Globals(app.app_ctx_globals_class):  # type: ignore[name-defined,misc]
        answer = 42

    app.app_ctx_globals_class = Globals

    with app.app_context():
        assert g.answer == 42


def test_a_request_of_an_untrusted_host_is_a_routing_error(app: Quart, kind: str) -> None:
    app.config["TRUSTED_HOSTS"] = ["example.org"]
    route(app, kind)(lambda: "ok")

    assert exchange(app, kind).status == 400


def test_a_class_may_say_what_is_trusted(app: Quart, kind: str) -> None:
    name = "request_class" if kind == "request" else "websocket_class"
    trusting = type("Trusting", (getattr(app, name),), {"trusted_hosts": ["example.org"]})
    setattr(app, name, trusting)
    route(app, kind)(lambda: "ok")

    assert exchange(app, kind).status == 400
    assert exchange(app, kind, host=b"example.org").text == "ok"


@pytest.mark.parametrize("other", [b"evil.example", b"example.org"])
def test_of_two_hosts_none_is_trusted(app: Quart, kind: str, other: bytes) -> None:
    app.config["TRUSTED_HOSTS"] = ["example.org"]
    route(app, kind)(lambda: "ok")

    assert exchange(app, kind, host=b"example.org").text == "ok"
    headers = [(b"host", other)]
    assert exchange(app, kind, host=b"example.org", headers=headers).status == 400


# --- After this


def test_after_this_outside_of_its_context_says_so(app: Quart) -> None:
    for func in (after_this_request, after_this_websocket):
        with pytest.raises(RuntimeError, match=func.__name__):
            func(lambda response: response)
    with (
        app.test_request_context("/"),
        pytest.raises(RuntimeError, match="websocket context"),
    ):
        after_this_websocket(lambda response: response)


def test_after_this_decorates(app: Quart) -> None:
    with app.test_request_context("/"):

        @after_this_request
        def func(response: Any) -> Any:
            return response

    assert func(1) == 1  # type: ignore[comparison-overlap]


# --- Carrying it elsewhere


@pytest.mark.parametrize(
    "copy",
    [
        copy_current_app_context,
        copy_current_request_context,
        copy_current_websocket_context,
    ],
)
def test_copying_outside_of_a_context_says_so(copy: Any) -> None:
    with pytest.raises(RuntimeError, match=copy.__name__):
        copy(lambda: None)


def test_copying_keeps_the_connection_session_and_g(app: Quart, kind: str, colour: str) -> None:
    """In a task that has a context of its own, as one started by a server has."""

    @route(app, kind, "/here")
    async def view() -> str:
        g.name = "ada"
        session["name"] = "lovelace"

        def plain() -> str:
            connection: Any = request if kind == "request" else websocket
            return f"{g.name} {session['name']} {connection.path}"

        async def asynchronous() -> str:
            return plain()

        func = COPYING[kind](plain if colour == "plain" else asynchronous)
        return str(await asyncio.create_task(func(), context=Context()))

    assert exchange(app, kind, "/here").text == "ada lovelace /here"


def test_a_copied_context_lives_longer_than_its_request(
    app: Quart, kind: str, log: list[str]
) -> None:
    tasks: list[asyncio.Task[Any]] = []
    hook(app, "teardown", kind)(noting(log, "teardown", "async"))

    @route(app, kind, "/here")
    async def view() -> str:
        g.name = "ada"
        finished = asyncio.Event()

        async def later() -> None:
            await finished.wait()
            connection: Any = request if kind == "request" else websocket
            log.append(f"{g.name} {connection.path}")

        tasks.append(asyncio.create_task(COPYING[kind](later)()))
        asyncio.get_running_loop().call_later(0.02, finished.set)
        return "ok"

    async def main() -> None:
        serve: Any = driver.request if kind == "request" else driver.websocket
        await serve(app, "/here")
        await asyncio.gather(*tasks)

    run(main())

    assert "ada /here" in log


def test_a_session_that_only_a_copied_context_touches_is_saved(app: Quart) -> None:
    @app.route("/")
    async def view() -> str:
        @copy_current_request_context
        async def func() -> None:
            session["name"] = "ada"

        await asyncio.create_task(func())
        return str(session.get("name"))

    client = exchange(app, "request")

    assert client.text == "ada"
    assert "Set-Cookie" in client.headers


def test_a_copied_app_context_is_of_the_application(app: Quart) -> None:
    async def main() -> str:
        async with app.app_context():
            g.name = "ada"

            @copy_current_app_context
            async def func() -> str:
                return f"{current_app.name} {g.name}"

        return await func()

    assert run(main()) == f"{app.name} ada"


def test_a_copied_function_keeps_its_name_and_arguments(app: Quart) -> None:
    async def main() -> None:
        async with app.test_request_context("/"):

            @copy_current_request_context
            async def func(*args: Any, **kwargs: Any) -> Any:
                """Say what came."""
                return args, kwargs

            assert func.__doc__ == "Say what came."
            assert await func(1, a=2) == ((1,), {"a": 2})

    run(main())


def test_a_copied_function_may_run_several_times_at_once(app: Quart) -> None:
    async def main() -> list[str]:
        async with app.test_request_context("/here"):

            @copy_current_request_context
            async def func() -> str:
                await asyncio.sleep(0)
                return request.path

            return await asyncio.gather(func(), func(), func())

    assert run(main()) == ["/here"] * 3


# --- Signals


@pytest.fixture(params=["async", "plain"])
def receivers(request: pytest.FixtureRequest, app: Quart) -> Any:
    """Connect a receiver to each of the context's signals; return what they note."""
    seen: list[Any] = []
    keep: list[Any] = []

    def connect(name: str, signal: Any) -> None:
        def plain(sender: Any, **values: Any) -> None:
            assert sender is app
            seen.append((name, sorted(values), threading.get_ident()))

        async def asynchronous(sender: Any, **values: Any) -> None:
            await asyncio.sleep(0)
            plain(sender, **values)

        receiver = plain if request.param == "plain" else asynchronous
        keep.append((signal, receiver))
        signal.connect(receiver, app)

    connect("pushed", appcontext_pushed)
    connect("tearing down", appcontext_tearing_down)
    connect("popped", appcontext_popped)
    yield seen
    for signal, receiver in keep:
        signal.disconnect(receiver)


EXPECTED = [("pushed", []), ("tearing down", ["exc"]), ("popped", [])]


def test_receivers_may_be_async_or_plain(app: Quart, kind: str, receivers: list[Any]) -> None:
    route(app, kind)(lambda: "ok")

    assert exchange(app, kind).text == "ok"
    assert [(name, values) for name, values, _ in receivers] == EXPECTED


def test_receivers_hear_of_an_app_context(app: Quart, receivers: list[Any]) -> None:
    async def main() -> None:
        async with app.app_context():
            g.of = "the outer one"
            async with app.app_context():
                assert "of" not in g

    run(main())

    # Two contexts, as with Flask; only a request shares the one that it is within.
    assert [name for name, _, _ in receivers] == [
        "pushed",
        "pushed",
        "tearing down",
        "popped",
        "tearing down",
        "popped",
    ]


def test_receivers_hear_of_a_context_of_sync_code(app: Quart, receivers: list[Any]) -> None:
    with app.app_context():
        pass

    assert [(name, values) for name, values, _ in receivers] == EXPECTED
    assert {thread for _, _, thread in receivers} == {threading.get_ident()}


# --- A request made by hand


def test_a_request_of_any_class_makes_a_context(app: Quart) -> None:
    made = app.request_class(
        "GET",
        "http",
        "/here",
        b"",
        app.test_request_context("/").request.headers,
        "",
        "1.1",
        {"type": "http"},  # type: ignore[arg-type]
        send_push_promise=no_op_push,
    )

    async def main() -> None:
        async with app.request_context(made) as ctx:
            assert ctx.request is made
            assert request.path == "/here"

    run(main())


def test_a_session_may_be_given(app: Quart) -> None:
    given = SecureCookieSession({"name": "ada"})
    made = app.test_request_context("/").request

    async def main() -> None:
        async with AppContext(app, request=made, session=given):
            assert session["name"] == "ada"
            assert given.accessed

    run(main())
