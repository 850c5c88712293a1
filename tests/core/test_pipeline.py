"""From connection to response: hooks, errors, teardown and overriding, for both kinds at once."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Iterator
from typing import Any

import pytest
from werkzeug.exceptions import BadRequestKeyError, Forbidden, HTTPException, NotFound, Unauthorized
from werkzeug.routing import BaseConverter

from quart import (
    abort,
    after_this_request,
    after_this_websocket,
    Blueprint,
    g,
    has_app_context,
    has_request_context,
    has_websocket_context,
    Quart,
    request,
    Response,
    session,
    websocket,
)
from quart.sessions import SecureCookieSession, SessionInterface
from quart.signals import appcontext_tearing_down

from .driver import exchange, hook, KINDS, noting, route


def note_all(scaffold: Any, log: list[str], kind: str, name: str, colour: str) -> None:
    """Register two hooks of each sort."""
    for when in ("before", "after", "teardown"):
        for number in (1, 2):
            func = noting(log, f"{when} {name} {number}", colour, passes_on=when == "after")
            hook(scaffold, when, kind)(func)


def nested(app: Quart) -> tuple[Blueprint, Blueprint]:
    return Blueprint("outer", __name__), Blueprint("inner", __name__)


# --- The order of hooks


def test_hooks_run_inward_then_outward(app: Quart, kind: str, colour: str, log: list[str]) -> None:
    outer, inner = nested(app)
    for scaffold, name in ((app, "app"), (outer, "outer"), (inner, "inner")):
        note_all(scaffold, log, kind, name, colour)
    route(inner, kind)(noting(log, "view", colour, result="ok"))
    outer.register_blueprint(inner)
    app.register_blueprint(outer)

    exchange(app, kind)

    assert log == [
        *("before app 1", "before app 2", "before outer 1", "before outer 2"),
        *("before inner 1", "before inner 2", "view"),
        *("after inner 2", "after inner 1", "after outer 2", "after outer 1"),
        *("after app 2", "after app 1"),
        *("teardown inner 2", "teardown inner 1", "teardown outer 2", "teardown outer 1"),
        *("teardown app 2", "teardown app 1"),
    ]


def test_hooks_of_another_blueprint_do_not_run(app: Quart, kind: str, log: list[str]) -> None:
    other = Blueprint("other", __name__)
    note_all(other, log, kind, "other", "async")
    app.register_blueprint(other)
    route(app, kind)(lambda: "ok")

    exchange(app, kind)

    assert log == []


def test_hooks_of_one_kind_do_not_run_for_the_other(app: Quart, kind: str, log: list[str]) -> None:
    (other,) = KINDS.keys() - {kind}
    note_all(app, log, other, "other", "async")
    route(app, kind)(lambda: "ok")

    exchange(app, kind)

    assert log == []


@pytest.mark.parametrize("when", ["before", "after", "teardown"])
def test_a_blueprint_may_add_hooks_for_the_whole_application(
    app: Quart, kind: str, when: str, log: list[str]
) -> None:
    blueprint = Blueprint("other", __name__)
    add = getattr(blueprint, f"{when}_app_{kind}")
    add(noting(log, when, "plain", passes_on=when == "after"))
    app.register_blueprint(blueprint)
    route(app, kind)(lambda: "ok")

    exchange(app, kind)

    assert log == [when]


def test_the_hooks_of_the_application_run_where_no_url_matches(
    app: Quart, kind: str, log: list[str]
) -> None:
    note_all(app, log, kind, "app", "async")

    client = exchange(app, kind, "/nowhere")

    assert client.status == 404
    assert log == [
        *("before app 1", "before app 2", "after app 2", "after app 1"),
        *("teardown app 2", "teardown app 1"),
    ]


def test_what_before_returns_answers(app: Quart, kind: str, colour: str, log: list[str]) -> None:
    def plain() -> Any:
        return "stop", 418

    async def asynchronous() -> Any:
        return "stop", 418

    hook(app, "before", kind)(noting(log, "first", colour))
    hook(app, "before", kind)(plain if colour == "plain" else asynchronous)
    hook(app, "before", kind)(noting(log, "never", colour))
    hook(app, "after", kind)(noting(log, "after", colour, passes_on=True))
    hook(app, "teardown", kind)(noting(log, "teardown", colour))
    route(app, kind)(noting(log, "never", colour))

    client = exchange(app, kind)

    assert (client.status, client.body) == (418, b"stop")
    assert log == ["first", "after", "teardown"]


def test_before_may_answer_with_something_false(app: Quart, kind: str) -> None:
    hook(app, "before", kind)(lambda: "")
    route(app, kind)(lambda: "view")

    assert exchange(app, kind).body == b""


def test_after_hooks_thread_the_response(app: Quart, kind: str, colour: str) -> None:
    def adding(letter: str) -> Any:
        async def asynchronous(response: Response) -> Response:
            return Response(await response.get_data() + letter.encode())

        def plain(response: Response) -> Response:
            return Response(response.response.data + letter.encode())  # type: ignore[attr-defined]

        return plain if colour == "plain" else asynchronous

    for letter in "abc":
        hook(app, "after", kind)(adding(letter))
    route(app, kind)(lambda: "view ")

    assert exchange(app, kind).body == b"view cba"


def test_a_websocket_without_a_response_threads_none(app: Quart) -> None:
    seen: list[Any] = []

    @app.websocket("/")
    async def view() -> None:
        await websocket.accept()

    @app.after_websocket
    async def after(response: Any) -> Any:
        seen.append(response)
        return response

    assert exchange(app, "websocket").close_code == 1000
    assert seen == [None]


def test_after_this_runs_first_and_only_once(app: Quart, kind: str, log: list[str]) -> None:
    after_this = after_this_request if kind == "request" else after_this_websocket
    hook(app, "after", kind)(noting(log, "after", "async", passes_on=True))

    @route(app, kind)
    async def view() -> str:
        if not log:
            after_this(noting(log, "this 1", "async", passes_on=True))
            after_this(noting(log, "this 2", "plain", passes_on=True))
        return "ok"

    exchange(app, kind)
    exchange(app, kind)

    assert log == ["this 1", "this 2", "after", "after"]


def test_teardown_gets_the_error_that_nobody_handled(app: Quart, kind: str) -> None:
    seen: list[Any] = []
    error = ValueError("unhandled")
    hook(app, "teardown", kind)(seen.append)
    app.teardown_appcontext(seen.append)

    @route(app, kind)
    async def view() -> None:
        raise error

    assert exchange(app, kind).status == 500
    assert seen == [error, error]


def test_teardown_gets_none_for_a_handled_error(app: Quart, kind: str) -> None:
    seen: list[Any] = []
    hook(app, "teardown", kind)(seen.append)
    app.register_error_handler(ValueError, lambda error: "handled")

    @route(app, kind)
    async def view() -> None:
        raise ValueError

    assert exchange(app, kind).body == b"handled"
    assert seen == [None]


def test_teardown_runs_newest_first_and_the_application_context_last(
    app: Quart, kind: str, colour: str, log: list[str]
) -> None:
    for number in (1, 2):
        hook(app, "teardown", kind)(noting(log, f"{kind} {number}", colour))
        app.teardown_appcontext(noting(log, f"app {number}", colour))
    route(app, kind)(lambda: "ok")

    exchange(app, kind)

    assert log == [f"{kind} 2", f"{kind} 1", "app 2", "app 1"]


def test_a_hook_registered_on_several_names_of_a_blueprint_runs_once(
    app: Quart, kind: str, log: list[str]
) -> None:
    blueprint = Blueprint("bp", __name__)
    note_all(blueprint, log, kind, "bp", "async")
    route(blueprint, kind)(lambda: "ok")
    app.register_blueprint(blueprint, url_prefix="/a", name="a")
    app.register_blueprint(blueprint, url_prefix="/b", name="b")

    exchange(app, kind, "/a/")

    assert log.count("before bp 1") == log.count("teardown bp 2") == 1


def test_url_value_preprocessors_change_what_the_view_gets(app: Quart, kind: str) -> None:
    blueprint = Blueprint("bp", __name__)

    @app.url_value_preprocessor
    def take(endpoint: str | None, values: dict[str, Any] | None) -> None:
        assert values is not None
        g.lang = values.pop("lang")

    @blueprint.url_value_preprocessor
    def mark(endpoint: str | None, values: dict[str, Any] | None) -> None:
        g.endpoint = endpoint

    @route(blueprint, kind, "/<lang>/<int:number>")
    async def view(number: int) -> str:
        return f"{g.lang} {number} {g.endpoint}"

    app.register_blueprint(blueprint)

    assert exchange(app, kind, "/de/3").text == "de 3 bp.view"


def test_what_a_hook_leaves_in_g_the_next_ones_find(app: Quart, kind: str) -> None:
    seen: list[str] = []

    @hook(app, "before", kind)
    def before() -> None:
        g.name = "left"

    @route(app, kind)
    async def view() -> str:
        return str(g.name)

    @app.teardown_appcontext
    async def teardown(error: BaseException | None) -> None:
        seen.append(g.name)

    assert exchange(app, kind).text == "left"
    assert seen == ["left"]


def test_each_connection_has_a_g_of_its_own(app: Quart, kind: str) -> None:
    @route(app, kind)
    async def view() -> str:
        g.count = g.get("count", 0) + 1
        return str(g.count)

    assert [exchange(app, kind).text for _ in range(2)] == ["1", "1"]


def test_the_proxies_know_the_kind(app: Quart, kind: str) -> None:
    @route(app, kind, "/here")
    async def view() -> str:
        proxy: Any = request if kind == "request" else websocket
        assert (has_request_context(), has_websocket_context()) == (
            kind == "request",
            kind == "websocket",
        )
        return str(proxy.path)

    assert exchange(app, kind, "/here").text == "/here"


def test_plain_hooks_and_the_view_of_a_request_share_one_thread(app: Quart) -> None:
    threads: list[int] = []

    def note(*args: Any) -> Any:
        threads.append(threading.get_ident())
        return args[0] if args else None

    app.before_request(note)
    app.after_request(note)
    app.teardown_request(note)
    app.teardown_appcontext(note)

    @app.route("/")
    def view() -> str:
        note()
        return "ok"

    exchange(app, "request")

    assert len(threads) == 5
    assert len(set(threads)) == 1
    assert threads[0] != threading.get_ident()


# --- Error handlers


def handled(kind: str, app: Quart, error: BaseException | type[BaseException]) -> tuple[int, str]:
    @route(app, kind)
    async def view() -> None:
        raise error

    client = exchange(app, kind)
    return client.status, client.text


def test_a_handler_for_an_exception(app: Quart, kind: str, colour: str) -> None:
    def plain(error: Exception) -> Any:
        return f"{type(error).__name__} handled", 409

    async def asynchronous(error: Exception) -> Any:
        return plain(error)

    app.register_error_handler(LookupError, plain if colour == "plain" else asynchronous)

    assert handled(kind, app, KeyError("x")) == (409, "KeyError handled")


def test_a_handler_for_a_code(app: Quart, kind: str) -> None:
    @app.errorhandler(403)
    async def forbidden(error: Forbidden) -> Any:
        return f"{error.code} {error.description}", 200

    assert handled(kind, app, Forbidden("not you")) == (200, "403 not you")


def test_the_most_special_handler_wins(app: Quart, kind: str) -> None:
    app.register_error_handler(Exception, lambda error: "Exception")
    app.register_error_handler(HTTPException, lambda error: "HTTPException")
    app.register_error_handler(Forbidden, lambda error: "Forbidden")

    assert handled(kind, app, Forbidden) == (200, "Forbidden")


@pytest.mark.parametrize("where", ["app", "outer", "inner"])
def test_the_handler_of_the_innermost_blueprint_wins(app: Quart, kind: str, where: str) -> None:
    outer, inner = nested(app)
    scaffolds: dict[str, Any] = {"app": app, "outer": outer, "inner": inner}
    for name in list(scaffolds)[: list(scaffolds).index(where) + 1]:
        scaffolds[name].register_error_handler(KeyError, lambda error, name=name: name)

    @route(inner, kind)
    async def view() -> None:
        raise KeyError

    outer.register_blueprint(inner)
    app.register_blueprint(outer)

    assert exchange(app, kind).text == where


def test_a_blueprint_may_handle_errors_of_the_whole_application(app: Quart, kind: str) -> None:
    blueprint = Blueprint("bp", __name__)
    blueprint.app_errorhandler(404)(lambda error: ("nothing", 404))
    app.register_blueprint(blueprint)

    client = exchange(app, kind, "/nowhere")

    assert (client.status, client.text) == (404, "nothing")


def test_an_http_exception_without_a_handler_is_the_answer(app: Quart, kind: str) -> None:
    status, text = handled(kind, app, Unauthorized("who?"))

    assert status == 401
    assert "who?" in text


def test_abort_with_a_response(app: Quart, kind: str) -> None:
    @route(app, kind)
    async def view() -> None:
        abort(Response("enough", 429))  # type: ignore[arg-type]

    client = exchange(app, kind)

    assert (client.status, client.text) == (429, "enough")


def test_errors_of_a_before_hook_are_handled_too(app: Quart, kind: str) -> None:
    @hook(app, "before", kind)
    async def before() -> None:
        raise KeyError

    app.register_error_handler(KeyError, lambda error: ("handled", 400))
    route(app, kind)(lambda: "view")

    assert exchange(app, kind).status == 400


def test_a_500_handler_gets_the_original_error(app: Quart, kind: str) -> None:
    error = ValueError("cause")

    @app.errorhandler(500)
    async def failed(failure: Any) -> Any:
        assert failure.original_exception is error
        return "we are sorry", 500

    assert handled(kind, app, error) == (500, "we are sorry")


def test_a_500_handler_answers_for_an_aborted_500_as_well(app: Quart, kind: str) -> None:
    app.register_error_handler(500, lambda failure: (f"{failure.original_exception}", 500))

    @route(app, kind)
    async def view() -> None:
        abort(500)

    assert exchange(app, kind).text == "None"


def test_an_unhandled_error_is_logged_with_its_traceback(
    app: Quart, kind: str, caplog: pytest.LogCaptureFixture
) -> None:
    status, text = handled(kind, app, ValueError("unhandled"))

    (record,) = caplog.records
    assert status == 500
    assert "unhandled" not in text
    assert record.exc_info is not None
    assert str(record.exc_info[1]) == "unhandled"
    assert "/" in record.getMessage()


@pytest.mark.parametrize("key", ["TESTING", "PROPAGATE_EXCEPTIONS"])
def test_errors_propagate_as_they_are(app: Quart, kind: str, key: str, log: list[str]) -> None:
    app.config[key] = True
    hook(app, "teardown", kind)(noting(log, "teardown", "async"))

    with pytest.raises(ValueError, match=r"^as it is$"):
        handled(kind, app, ValueError("as it is"))

    assert log == ["teardown"]


def test_propagation_can_be_turned_off_in_tests(app: Quart, kind: str) -> None:
    app.testing = True
    app.config["PROPAGATE_EXCEPTIONS"] = False

    assert handled(kind, app, ValueError)[0] == 500


def test_trapped_http_exceptions_are_unhandled_errors(app: Quart, kind: str) -> None:
    app.config["TRAP_HTTP_EXCEPTIONS"] = True
    app.testing = True

    with pytest.raises(NotFound):
        handled(kind, app, NotFound)


def test_a_missing_key_says_its_name_only_in_debug(app: Quart) -> None:
    @app.route("/")
    async def view() -> str:
        return request.args["name"]

    app.config["PROPAGATE_EXCEPTIONS"] = False
    assert "name" not in exchange(app, "request").text
    app.config["TRAP_BAD_REQUEST_ERRORS"] = True
    app.config["PROPAGATE_EXCEPTIONS"] = True
    with pytest.raises(BadRequestKeyError, match="name"):
        exchange(app, "request")


def test_the_handler_of_an_error_may_fail(app: Quart, kind: str) -> None:
    @app.errorhandler(KeyError)
    async def handler(error: KeyError) -> None:
        raise ValueError("in the handler")

    assert handled(kind, app, KeyError)[0] == 500


def test_a_redirect_from_routing_is_followed_with_the_query(app: Quart) -> None:
    @app.route("/folder/")
    async def view() -> str:
        return "ok"

    client = exchange(app, "request", "/folder?a=1")

    assert client.status == 308
    assert client.headers["Location"].endswith("/folder/?a=1")


def test_an_unknown_method_gets_405_with_what_is_allowed(app: Quart) -> None:
    app.add_url_rule("/", view_func=lambda: "ok", endpoint="view", methods=["GET", "PUT"])

    client = exchange(app, "request", method="DELETE")

    assert client.status == 405
    assert set(client.headers["Allow"].split(", ")) == {"GET", "HEAD", "OPTIONS", "PUT"}


def test_options_is_answered_for_the_view(app: Quart) -> None:
    app.add_url_rule("/", view_func=lambda: "ok", endpoint="view", methods=["PUT"])

    client = exchange(app, "request", method="OPTIONS")

    assert client.status == 200
    assert set(client.headers["Allow"].split(", ")) == {"OPTIONS", "PUT"}


def test_an_endpoint_without_a_view_is_an_error_that_names_it(app: Quart, kind: str) -> None:
    app.testing = True
    app.add_url_rule("/", endpoint="lost", websocket=kind == "websocket")

    with pytest.raises(Exception, match="lost"):
        exchange(app, kind)


# --- An error in any stage


class BrokenSession(SessionInterface):
    def __init__(self, step: str) -> None:
        self.step = step

    async def open_session(self, app: Any, connection: Any) -> SecureCookieSession:
        if self.step == "open_session":
            raise ValueError(self.step)
        return SecureCookieSession()

    async def save_session(self, *args: Any) -> None:
        if self.step == "save_session":
            raise ValueError(self.step)


def break_stage(app: Quart, kind: str, stage: str) -> Any:
    """Let *stage* fail; return the signal that must not be forgotten to disconnect, if any."""

    async def fail(*args: Any, **values: Any) -> None:
        raise ValueError(stage)

    def fail_plainly(*args: Any, **values: Any) -> None:
        raise ValueError(stage)

    if stage in {"before", "after"}:
        hook(app, stage, kind)(fail)
    elif stage == "preprocessor":
        app.url_value_preprocessor(fail_plainly)
    elif stage == "view":
        app.view_functions["view"] = fail
    elif stage == "make_response":
        app.view_functions["view"] = object
    elif stage in {"open_session", "save_session"}:
        app.session_interface = BrokenSession(stage)
    elif stage == "handler":
        app.view_functions["view"] = fail
        app.register_error_handler(ValueError, fail)
    elif stage == "500 handler":
        app.view_functions["view"] = fail
        app.register_error_handler(500, fail)
    elif stage in {"started", "finished", "failed"}:
        signal = getattr(KINDS[kind], stage)
        if stage == "failed":
            app.view_functions["view"] = fail
        return signal, signal.connect(fail, app)
    return None


STAGES = (
    *("preprocessor", "before", "view", "make_response", "after", "open_session", "save_session"),
    *("handler", "500 handler", "started", "finished", "failed"),
)


@pytest.mark.parametrize("stage", STAGES)
def test_an_error_in_any_stage_is_a_500_and_tears_everything_down_once(
    app: Quart, kind: str, stage: str, log: list[str]
) -> None:
    async def view() -> str:
        return "ok"

    route(app, kind)(view)
    connected = break_stage(app, kind, stage)
    hook(app, "teardown", kind)(noting(log, "teardown", "async"))
    hook(app, "teardown", kind)(noting(log, "teardown", "plain"))
    app.teardown_appcontext(noting(log, "teardown app", "async"))
    try:
        client = exchange(app, kind)
    finally:
        if connected is not None:
            connected[0].disconnect(connected[1])

    assert client.status == 500
    assert log == ["teardown", "teardown", "teardown app"]
    assert not has_app_context()


@pytest.mark.parametrize("stage", ["teardown", "teardown app", "tearing_down"])
def test_an_error_in_teardown_is_a_500_and_the_other_functions_run(
    app: Quart, kind: str, stage: str, log: list[str], caplog: pytest.LogCaptureFixture
) -> None:
    def fail(*args: Any, **values: Any) -> None:
        raise ValueError(stage)

    def tear_down(*register: Any) -> None:
        for add in register:
            add(noting(log, "teardown", "async"))

    route(app, kind)(lambda: "ok")
    tear_down(hook(app, "teardown", kind), app.teardown_appcontext)
    signal = appcontext_tearing_down if stage == "tearing_down" else None
    if signal is not None:
        signal.connect(fail, app)
    elif stage == "teardown":
        hook(app, "teardown", kind)(fail)
    else:
        app.teardown_appcontext(fail)
    tear_down(hook(app, "teardown", kind), app.teardown_appcontext)

    try:
        client = exchange(app, kind)
    finally:
        if signal is not None:
            signal.disconnect(fail)

    assert client.status == 500
    assert log == ["teardown"] * 4
    assert stage in caplog.text


def test_several_errors_in_teardown_are_raised_as_a_group(app: Quart, kind: str) -> None:
    app.testing = True
    route(app, kind)(lambda: "ok")

    def failing(error: Exception) -> Any:
        def fail(exc: BaseException | None) -> None:
            raise error

        return fail

    hook(app, "teardown", kind)(failing(KeyError("first")))
    hook(app, "teardown", kind)(failing(ValueError("second")))
    app.teardown_appcontext(failing(TypeError("third")))

    with pytest.raises(ExceptionGroup) as caught:
        exchange(app, kind)

    assert sorted(leaves(caught.value)) == ["KeyError", "TypeError", "ValueError"]


def leaves(error: BaseException) -> Iterator[str]:
    if isinstance(error, BaseExceptionGroup):
        for part in error.exceptions:
            yield from leaves(part)
    else:
        yield type(error).__name__


def test_one_error_in_teardown_is_raised_as_it_is(app: Quart, kind: str) -> None:
    app.testing = True
    route(app, kind)(lambda: "ok")

    @app.teardown_appcontext
    async def fail(exc: BaseException | None) -> None:
        raise KeyError("alone")

    with pytest.raises(KeyError, match="alone"):
        exchange(app, kind)


def test_a_cancellation_of_something_else_is_an_ordinary_error(
    app: Quart, kind: str, log: list[str]
) -> None:
    """The server would take it for that of its own task, and never answer."""

    @route(app, kind)
    async def view() -> None:
        task = asyncio.create_task(asyncio.Event().wait())
        task.cancel()
        await task

    hook(app, "teardown", kind)(noting(log, "teardown", "async"))

    assert exchange(app, kind).status == 500
    assert log == ["teardown"]


def test_a_failing_url_converter_is_an_ordinary_error(
    app: Quart, kind: str, log: list[str]
) -> None:
    class Failing(BaseConverter):
        def to_python(self, value: str) -> Any:
            raise LookupError(value)

    app.url_map.converters["failing"] = Failing
    app.register_error_handler(500, lambda error: (f"sorry: {error.original_exception}", 500))
    hook(app, "teardown", kind)(noting(log, "teardown", "async"))
    route(app, kind, "/<failing:value>")(lambda value: "ok")

    client = exchange(app, kind, "/x")

    assert (client.status, client.text) == (500, "sorry: x")
    assert log == ["teardown"]


# --- Sessions


@pytest.mark.parametrize("interface", ["async", "plain"])
def test_a_session_interface_may_be_async_or_plain(app: Quart, kind: str, interface: str) -> None:
    calls: list[str] = []

    class Plain(SessionInterface):
        def open_session(self, app: Any, connection: Any) -> Any:  # type: ignore[override]
            calls.append(f"open {connection.path}")
            return SecureCookieSession({"name": "ada"})

        def save_session(self, app: Any, session: Any, response: Any) -> None:  # type: ignore[override]
            calls.append(f"save {session['name']}")

    class Async(Plain):
        async def open_session(self, *args: Any) -> Any:  # type: ignore[override]
            await asyncio.sleep(0)
            return super().open_session(*args)

        async def save_session(self, *args: Any) -> None:  # type: ignore[override]
            await asyncio.sleep(0)
            super().save_session(*args)

    app.session_interface = Plain() if interface == "plain" else Async()

    @route(app, kind)
    async def view() -> str:
        return str(session["name"])

    assert exchange(app, kind).text == "ada"
    assert calls == ["open /", "save ada"]


def test_a_session_is_saved_in_a_cookie(app: Quart, kind: str) -> None:
    @route(app, kind)
    async def view() -> str:
        session["count"] = session.get("count", 0) + 1
        return str(session["count"])

    first = exchange(app, kind)
    cookie = first.headers["Set-Cookie"].partition(";")[0].encode()

    assert first.text == "1"
    assert exchange(app, kind, headers=[(b"cookie", cookie)]).text == "2"


def test_an_untouched_session_sets_no_cookie(app: Quart, kind: str) -> None:
    route(app, kind)(lambda: "ok")

    client = exchange(app, kind)

    assert "Set-Cookie" not in client.headers
    assert "Vary" not in client.headers


# --- Changes after the first request


@pytest.mark.parametrize("when", ["before", "after", "teardown"])
@pytest.mark.parametrize("how", ["append", "setdefault", "assign list", "assign dict", "update"])
def test_hooks_put_into_the_public_dicts_later_take_effect(
    app: Quart, kind: str, when: str, how: str, log: list[str]
) -> None:
    route(app, kind)(lambda: "ok")
    exchange(app, kind)
    func = noting(log, how, "async", passes_on=when == "after")
    name = f"{when}_{kind}_funcs"
    hooks = getattr(app, name)

    if how == "append":
        hooks[None].append(func)
    elif how == "setdefault":
        hooks.setdefault(None, []).append(func)
    elif how == "assign list":
        hooks[None] = [func]
    elif how == "assign dict":
        setattr(app, name, {None: [func]})
    else:
        hooks.update({None: [func]})
    exchange(app, kind)

    assert log == [how]


def test_a_list_in_a_replaced_dict_is_observed_too(app: Quart, kind: str, log: list[str]) -> None:
    route(app, kind)(lambda: "ok")
    setattr(app, f"before_{kind}_funcs", {None: []})
    exchange(app, kind)

    getattr(app, f"before_{kind}_funcs")[None].append(noting(log, "later", "async"))
    exchange(app, kind)

    assert log == ["later"]


def test_removed_hooks_run_no_more(app: Quart, kind: str, log: list[str]) -> None:
    func = noting(log, "before", "async")
    hook(app, "before", kind)(func)
    route(app, kind)(lambda: "ok")
    exchange(app, kind)

    getattr(app, f"before_{kind}_funcs")[None].remove(func)
    exchange(app, kind)

    assert log == ["before"]


def test_a_view_may_be_replaced(app: Quart, kind: str) -> None:
    async def view() -> str:
        return "first"

    route(app, kind)(view)
    assert exchange(app, kind).text == "first"

    app.view_functions["view"] = lambda: "second"
    assert exchange(app, kind).text == "second"

    app.view_functions = {"view": lambda: "third"}
    assert exchange(app, kind).text == "third"


def test_teardown_appcontext_and_error_handlers_may_come_later(
    app: Quart, kind: str, log: list[str]
) -> None:
    @route(app, kind)
    async def view() -> None:
        raise KeyError

    assert exchange(app, kind).status == 500
    app.error_handler_spec[None][None][KeyError] = lambda error: "handled"
    app.teardown_appcontext_funcs.append(noting(log, "teardown", "plain"))

    assert exchange(app, kind).text == "handled"
    assert log == ["teardown"]


# --- Python's errors, with advice


async def answer() -> dict[str, str]:
    return {"key": "value"}


async def forgets_await() -> Any:
    coroutine: Any = answer()
    try:
        return coroutine["key"]
    finally:
        coroutine.close()


async def awaits_a_result() -> Any:
    result: Any = {"key": "value"}
    return await result


async def runs_a_loop() -> Any:
    coroutine = answer()
    try:
        return asyncio.run(coroutine)
    finally:
        coroutine.close()


def wants_a_loop() -> Any:
    return str(asyncio.get_running_loop())


@pytest.mark.parametrize(
    ("view", "advice"),
    [
        (forgets_await, "Did you forget `await`?"),
        (awaits_a_result, "leave `await` out"),
        (runs_a_loop, "`await` the coroutine"),
        (wants_a_loop, "Make it `async def`"),
    ],
)
def test_an_error_of_python_comes_with_advice(
    app: Quart, kind: str, view: Any, advice: str, caplog: pytest.LogCaptureFixture
) -> None:
    route(app, kind)(view)

    assert exchange(app, kind).status == 500
    assert caplog.text.count(advice) == 1


def test_other_errors_come_without(app: Quart, kind: str, caplog: pytest.LogCaptureFixture) -> None:
    @route(app, kind)
    async def view() -> None:
        raise RuntimeError("of the application")

    exchange(app, kind)
    (record,) = caplog.records
    assert record.exc_info is not None
    assert not hasattr(record.exc_info[1], "__notes__")


@pytest.mark.parametrize("colour", ["plain", "async"])
def test_an_after_hook_without_a_response_is_named(app: Quart, colour: str) -> None:
    app.testing = True

    def forgets(response: Any) -> Any:
        response.headers["X-Forgotten"] = "yes"

    async def forgets_too(response: Any) -> Any:
        forgets(response)

    app.after_request(forgets if colour == "plain" else forgets_too)
    app.after_request(lambda response: response)
    app.add_url_rule("/", view_func=lambda: "fine", endpoint="view")

    with pytest.raises(TypeError, match=r"Expected a response from '.*forgets.*'.* got None"):
        exchange(app, "request")
