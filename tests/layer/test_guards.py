"""The hooks of a Flask application guard its websockets, whoever speaks over them."""

from __future__ import annotations

from base64 import b64encode
from collections.abc import Callable
from functools import partial
from typing import Any

import pytest
from flask import (
    abort,
    after_this_request,
    Blueprint,
    Flask,
    g,
    got_request_exception,
    redirect,
    request,
    request_finished,
    request_started,
    request_tearing_down,
    Response,
    session,
)
from flask.sessions import SecureCookieSession, SessionInterface
from hypercorn.middleware import ProxyFixMiddleware
from werkzeug.middleware.dispatcher import DispatcherMiddleware
from werkzeug.middleware.proxy_fix import ProxyFix
from wsproto.events import TextMessage

import quart
from quart import websocket
from quart_flask_patch import wait

from ._asgi import fetch, Handshake, run
from ._speaker import Speaker

KEY = [("Authorization", "key")]


@pytest.fixture
def ran() -> list[str]:
    """What has run, in order."""
    return []


Route = Callable[[Any, str], None]


@pytest.fixture(params=["taken over", "plain", "async"])
def add_websocket(request: pytest.FixtureRequest, ran: list[str]) -> Route:
    """Adds a websocket in each way there is: `add_websocket(app_or_blueprint, path)`."""

    def take_over(**values: str) -> str:
        ran.append("view")
        speaker = Speaker(environ_of_request())
        speaker.tell(TextMessage(f"secret of {g.get('user')}"))
        return ""

    def plain(**values: str) -> None:
        ran.append("view")
        wait(websocket.send(f"secret of {g.get('user')}"))

    async def ws(**values: str) -> None:
        ran.append("view")
        await websocket.send(f"secret of {g.get('user')}")

    def add(target: Any, path: str) -> None:
        if request.param == "taken over":
            target.add_url_rule(path, "ws", take_over, websocket=True)
        else:
            target.add_websocket(path, "ws", plain if request.param == "plain" else ws)

    return add


def environ_of_request() -> dict[str, Any]:
    return request.environ


def knock(app: Any, path: str = "/ws", headers: Any = (), status: bool = True) -> Handshake:
    """Return a handshake with *app*, once that has done with it."""

    async def main() -> Handshake:
        connection = Handshake(app, path, headers)
        if not status:
            connection.scope["extensions"] = {}
        async with connection:
            return await connection.end()

    return run(main())


def lock(app: Any) -> None:
    @app.before_request
    def guard() -> None:
        if request.headers.get("Authorization") != "key":
            abort(401)
        g.user = "ann"


def test_who_is_not_let_in_sees_nothing(
    app: Flask, place: str, add_websocket: Route, ran: list[str]
) -> None:
    lock(app)
    add_websocket(app, "/ws")
    answer = knock(app)
    assert (answer.status, answer.said, ran) == (401, [], [])
    refused = knock(app, status=False)
    assert (refused.accepted, refused.code, ran) == (False, 1000, [])
    assert knock(app, headers=KEY).said == ["secret of ann"]


ANSWERS: dict[str, tuple[Callable[[], Any], int]] = {
    "a tuple": (lambda: ("no", 401, {"X-Why": "because"}), 401),
    "a response": (lambda: Response("no", 403, {"X-Why": "because"}), 403),
    "an async response": (lambda: quart.Response("no", 403, {"X-Why": "because"}), 403),
    "text": (lambda: "no", 200),
    "data": (lambda: {"no": True}, 200),
    "a redirect": (lambda: redirect("/log-in", 303), 303),
    "an abort": (lambda: abort(429), 429),
    "an aborted response": (lambda: abort(Response("no", 402)), 402),
    "a handled error": (lambda: int("no"), 418),
    "an error": (lambda: {}["no"], 500),
}


@pytest.mark.parametrize("answer", ANSWERS)
@pytest.mark.parametrize("hooks", ["before_request", "before_websocket"])
@pytest.mark.parametrize("is_async", [True, False], ids=["async", "plain"])
@pytest.mark.parametrize("scope", ["application", "blueprint", "nested", "every blueprint"])
def test_what_a_hook_gives_answers_the_handshake(
    app: Flask,
    add_websocket: Route,
    ran: list[str],
    answer: str,
    hooks: str,
    is_async: bool,
    scope: str,
) -> None:
    answering, status = ANSWERS[answer]

    async def answering_later() -> Any:
        return answering()

    outer, inner = Blueprint("outer", __name__), Blueprint("inner", __name__)
    target: Any = {"application": app, "blueprint": inner, "nested": outer}.get(scope, outer)
    name = hooks.replace("before", "before_app") if scope == "every blueprint" else hooks
    getattr(target, name)(answering_later if is_async else answering)
    app.register_error_handler(ValueError, lambda error: ("handled", 418))
    add_websocket(inner, "/ws")
    outer.register_blueprint(inner)
    app.register_blueprint(outer)
    refused = knock(app)
    assert (refused.status, refused.accepted, ran) == (status, False, [])
    if answer in ("a tuple", "a response", "an async response"):
        assert (refused.text, refused.headers["x-why"]) == ("no", "because")


def test_hooks_of_another_blueprint_do_not_guard(app: Flask, add_websocket: Route) -> None:
    mine, other = Blueprint("mine", __name__), Blueprint("other", __name__)
    other.before_request(lambda: ("no", 401))
    add_websocket(mine, "/ws")
    app.register_blueprint(mine)
    app.register_blueprint(other)
    assert knock(app).said == ["secret of None"]


@pytest.fixture
def traced(app: Flask, add_websocket: Route, ran: list[str]) -> Flask:
    """An application and a blueprint with hooks of every kind, which note that they run."""
    blueprint = Blueprint("bp", __name__)

    def note(name: str, gives: bool = False) -> Callable[..., Any]:
        def hook(*args: Any) -> Any:
            ran.append(name)
            return args[0] if gives else None

        return hook

    targets: list[tuple[Any, str]] = [(app, "app"), (blueprint, "bp")]
    for target, of in targets:
        for name in (
            "before_request",
            "before_websocket",
            "teardown_request",
            "teardown_websocket",
        ):
            getattr(target, name)(note(f"{of} {name}"))
        for name in ("after_request", "after_websocket"):
            getattr(target, name)(note(f"{of} {name}", gives=True))
        target.url_value_preprocessor(note(f"{of} preprocessor"))
    app.teardown_appcontext(note("teardown_appcontext"))
    add_websocket(blueprint, "/<name>")
    app.register_blueprint(blueprint)
    return app


def test_hooks_run_in_order(
    traced: Flask, place: str, ran: list[str], request: pytest.FixtureRequest
) -> None:
    knock(traced)
    has_response = "taken over" in request.node.name
    assert ran == [
        "app preprocessor",
        "bp preprocessor",
        "app before_request",
        "bp before_request",
        "app before_websocket",
        "bp before_websocket",
        "view",
        "bp after_websocket",
        "app after_websocket",
        *(["bp after_request", "app after_request"] if has_response else []),
        "bp teardown_websocket",
        "app teardown_websocket",
        "bp teardown_request",
        "app teardown_request",
        "teardown_appcontext",
    ]


def test_a_function_for_both_kinds_runs_once(
    app: Flask, place: str, add_websocket: Route, ran: list[str]
) -> None:
    def before() -> None:
        ran.append("before")

    def after(response: Any) -> Any:
        ran.append("after")
        return response

    def teardown(error: BaseException | None) -> None:
        ran.append("teardown")

    for name, func in {"before": before, "after": after, "teardown": teardown}.items():
        for kind in ("request", "websocket"):
            getattr(app, f"{name}_{kind}")(func)
    app.teardown_request(lambda error: ran.append("another"))
    add_websocket(app, "/ws")
    knock(app)
    assert ran == ["before", "view", "after", "teardown", "another"]


def test_a_refusal_is_a_response_to_functions_after_it(
    app: Flask, place: str, add_websocket: Route
) -> None:
    lock(app)

    @app.before_request
    def prepare() -> None:
        raise AssertionError("Nothing follows a refusal.")

    @app.after_request
    def name(response: Response) -> Response:
        response.headers["X-Served-By"] = "me"
        session["refused"] = True
        return response

    add_websocket(app, "/ws")
    refused = knock(app)
    assert (refused.status, refused.headers["x-served-by"]) == (401, "me")
    assert refused.headers["set-cookie"].startswith("session=")


def test_after_this_request_waits_for_a_response(
    app: Flask, place: str, add_websocket: Route, request: pytest.FixtureRequest
) -> None:
    statuses: list[int] = []

    @app.before_request
    def guard() -> None:
        @after_this_request
        def note(response: Response) -> Response:
            statuses.append(response.status_code)
            return response

        if "no" in environ_of_request()["QUERY_STRING"]:
            abort(403)

    add_websocket(app, "/ws")
    assert knock(app, "/ws?no").status == 403
    assert statuses == [403]
    knock(app)
    assert statuses == ([403, 200] if "taken over" in request.node.name else [403])


@pytest.mark.parametrize("fails", [False, True])
def test_to_signals_a_websocket_taken_over_is_a_request(
    app: Flask, place: str, ran: list[str], fails: bool
) -> None:
    @app.before_request
    def guard() -> None:
        ran.append("before")
        if fails:
            raise ValueError("The guard fails.")

    def view() -> str:
        ran.append("view")
        return ""

    app.add_url_rule("/ws", "ws", view, websocket=True)

    def hear(name: str) -> Callable[..., None]:
        def heard(sender: Any, **values: Any) -> None:
            assert sender is app
            ran.append(name)

        return heard

    receivers = [hear(name) for name in ("started", "failed", "finished", "tearing down")]
    signals = (request_started, got_request_exception, request_finished, request_tearing_down)
    for signal, receiver in zip(signals, receivers, strict=True):
        signal.connect(receiver, app)
    knock(app)
    middle = ["failed"] if fails else ["view"]
    assert ran == ["started", "before", *middle, "finished", "tearing down"]


def test_steps_of_requests_are_those_of_a_websocket_taken_over(place: str, ran: list[str]) -> None:
    class Mine(Flask):
        def preprocess_request(self) -> Any:
            ran.append("preprocess")
            return super().preprocess_request()

        def dispatch_request(self) -> Any:
            ran.append("dispatch")
            return "no", 451

        def process_response(self, response: Any) -> Any:
            ran.append("process")
            return super().process_response(response)

    app = Mine(__name__)
    app.config["SYNC_PLACE"] = place
    app.add_url_rule("/ws", "ws", lambda: "never", websocket=True)
    assert knock(app).status == 451
    assert ran == ["preprocess", "dispatch", "process"]


def test_a_path_without_a_route_is_guarded_as_well(app: Flask, place: str) -> None:
    lock(app)
    assert knock(app, "/nowhere").status == 401
    assert knock(app, "/nowhere", KEY).status == 404


def test_the_hooks_of_requests_can_be_left_out(
    app: Flask, place: str, add_websocket: Route, request: pytest.FixtureRequest
) -> None:
    """But not where plain code takes over: to that a websocket is a request."""
    app.config["WEBSOCKET_REQUEST_HOOKS"] = False
    app.before_request(lambda: ("no", 401))
    add_websocket(app, "/ws")
    answer = knock(app)
    if "taken over" in request.node.name:
        assert answer.status == 401
    else:
        assert answer.said == ["secret of None"]


@pytest.mark.parametrize("websocket_hook", [False, True])
def test_a_quart_application_keeps_quarts_rule(
    add_websocket: Route, request: pytest.FixtureRequest, websocket_hook: bool
) -> None:
    if "taken over" in request.node.name:
        return  # There is no socket to take over in a Quart application.
    app = quart.Quart(__name__)
    app.before_request(lambda: ("no", 401))
    if websocket_hook:
        app.before_websocket(lambda: ("no", 403))
    add_websocket(app, "/ws")
    if websocket_hook:
        assert knock(app).status == 403
    else:
        assert knock(app).said == ["secret of None"]


def test_hooks_added_while_it_is_served_count(app: Flask, place: str, add_websocket: Route) -> None:
    add_websocket(app, "/ws")
    assert knock(app).said
    app.before_request_funcs.setdefault(None, []).append(lambda: ("no", 401))
    assert knock(app).status == 401


def test_requests_of_the_same_application_are_as_ever(
    app: Flask, place: str, add_websocket: Route, ran: list[str]
) -> None:
    add_websocket(app, "/ws")
    app.before_websocket(lambda: ("no", 401))
    app.add_url_rule("/", "index", lambda: "index")
    assert run(fetch(app, "/")).text == "index"


@pytest.mark.parametrize("hooks", ["before_request", "before_websocket"])
def test_a_guard_may_close(
    app: Flask, place: str, add_websocket: Route, ran: list[str], hooks: str
) -> None:
    getattr(app, hooks)(lambda: wait(websocket.close(4003)))
    add_websocket(app, "/ws")
    closed = knock(app)
    assert (closed.accepted, closed.code, ran) == (False, 4003, [])


# Origins


def test_a_page_of_another_site_meets_nothing_of_the_application(
    app: Flask, place: str, add_websocket: Route, ran: list[str]
) -> None:
    app.config["WEBSOCKET_ORIGINS"] = "same"
    app.before_request(lambda: ran.append("hook"))
    app.teardown_request(lambda error: ran.append("teardown"))
    add_websocket(app, "/ws")
    for origin in ("https://localhost", "http://evil.example", "null"):
        refused = knock(app, headers=[("Origin", origin)])
        assert (refused.status, ran) == (403, [])
        assert not knock(app, headers=[("Origin", origin)], status=False).accepted
    assert ran == []
    assert knock(app, headers=[("Origin", "http://localhost")]).said
    assert knock(app).said


@pytest.mark.parametrize("middleware", ["WSGI", "ASGI"])
def test_behind_a_proxy_the_same_site_is_that_of_the_proxy(
    app: Flask, place: str, add_websocket: Route, middleware: str
) -> None:
    app.config["WEBSOCKET_ORIGINS"] = "same"
    if middleware == "WSGI":
        app.wsgi_app = ProxyFix(app.wsgi_app, x_host=1)  # type: ignore[method-assign]
    else:
        app.asgi_app = ProxyFixMiddleware(app.asgi_app)  # type: ignore[method-assign]
    add_websocket(app, "/ws")
    proxy = [("X-Forwarded-For", "1.2.3.4"), ("X-Forwarded-Proto", "https")]
    proxy.append(("X-Forwarded-Host", "example.com"))
    if middleware == "ASGI":
        proxy[1] = ("X-Forwarded-Proto", "wss")
    assert knock(app, headers=[*proxy, ("Origin", "https://example.com")]).said
    for origin in ("http://example.com", "http://localhost", "https://evil.example"):
        assert knock(app, headers=[*proxy, ("Origin", origin)]).status == 403


class Guard:
    """Hooks as methods and as objects that can be called."""

    def __call__(self) -> Any:
        return self.refuse(401)

    def refuse(self, status: int = 401) -> Any:
        return "no", status

    async def refuse_later(self) -> Any:
        return "no", 401


@pytest.mark.parametrize(
    "hook",
    [Guard(), Guard().refuse, Guard().refuse_later, partial(Guard().refuse, 401)],
    ids=["object", "method", "async method", "partial"],
)
def test_a_guard_may_be_anything_that_can_be_called(
    app: Flask, place: str, add_websocket: Route, ran: list[str], hook: Any
) -> None:
    app.before_request(hook)
    add_websocket(app, "/ws")
    assert (knock(app).status, ran) == (401, [])


@pytest.mark.parametrize("name", ["after_request", "teardown_request"])
def test_a_later_hook_that_fails_does_not_open_the_door(
    app: Flask, place: str, add_websocket: Route, ran: list[str], name: str
) -> None:
    lock(app)

    def fail(value: Any) -> Any:
        raise ValueError("This hook fails.")

    getattr(app, name)(fail)
    add_websocket(app, "/ws")
    refused = knock(app)
    assert (refused.accepted, refused.said, ran) == (False, [], [])


def test_an_application_mounted_in_another_guards_its_own(
    app: Flask, place: str, add_websocket: Route, ran: list[str]
) -> None:
    mounted = Flask("mounted")
    lock(mounted)
    add_websocket(mounted, "/ws")
    app.wsgi_app = DispatcherMiddleware(app.wsgi_app, {"/in": mounted})  # type: ignore[method-assign]

    @app.websocket("/ws")
    async def outer() -> None:
        await websocket.send("outer")

    assert (knock(app, "/in/ws").status, ran) == (401, [])
    assert knock(app, "/in/ws", KEY).said == ["secret of ann"]
    assert knock(app, "/ws").said == ["outer"]


# Sessions


@pytest.mark.parametrize("is_hook", [True, False])
def test_a_session_that_hooks_touch_each_time_is_not_warned_of(
    app: Flask, place: str, caplog: pytest.LogCaptureFixture, is_hook: bool
) -> None:
    def touch() -> None:
        session.permanent = True

    @app.websocket("/ws")
    async def ws() -> None:
        await websocket.send("hello")
        if not is_hook:
            touch()

    if is_hook:
        app.before_request(touch)
    assert knock(app).said == ["hello"]
    assert bool(caplog.records) != is_hook


class Kept(SessionInterface):
    """Sessions on the server, as extensions write them for Flask."""

    def __init__(self) -> None:
        self.saved: list[dict[str, Any]] = []

    def open_session(self, app: Any, request: Any) -> Any:
        return SecureCookieSession()

    def save_session(self, app: Any, session: Any, response: Any) -> None:
        self.saved.append(dict(session))
        response.set_cookie("id", "1")


def test_sessions_on_the_server_are_saved_for_websockets(
    app: Flask, place: str, add_websocket: Route
) -> None:
    kept = app.session_interface = Kept()
    app.before_request(lambda: session.update(seen="before"))
    add_websocket(app, "/ws")
    opened = knock(app)
    assert opened.said
    assert opened.code == 1000
    assert kept.saved == [{"seen": "before"}]


# Extensions


def test_flask_login_guards(app: Flask, place: str, add_websocket: Route) -> None:
    flask_login = pytest.importorskip("flask_login")
    manager = flask_login.LoginManager(app)

    class User(flask_login.UserMixin):  # type: ignore[misc]  # Flask-Login has no types
        id = "ann"

    manager.user_loader(lambda name: User())
    app.add_url_rule("/log-in", "log_in", lambda: str(flask_login.login_user(User())))

    @app.before_request
    def guard() -> Any:
        g.user = getattr(flask_login.current_user, "id", None)
        if request.endpoint == "ws" and not flask_login.current_user.is_authenticated:
            return manager.unauthorized()
        return None

    add_websocket(app, "/ws")
    assert knock(app).status == 401
    cookie = run(fetch(app, "/log-in")).headers["set-cookie"].partition(";")[0]
    assert knock(app, headers=[("Cookie", cookie)]).said == ["secret of ann"]


def test_flask_logins_decorator_guards_a_view(app: Flask, place: str, ran: list[str]) -> None:
    flask_login = pytest.importorskip("flask_login")
    manager = flask_login.LoginManager(app)
    manager.request_loader(
        lambda request: flask_login.UserMixin() if request.args.get("token") == "1" else None
    )

    @flask_login.login_required  # type: ignore[untyped-decorator]  # Flask-Login has no types
    def taken() -> str:
        Speaker(request.environ).tell(TextMessage("secret"))
        return ""

    @flask_login.login_required  # type: ignore[untyped-decorator]
    async def own() -> None:
        await websocket.send("secret")

    app.add_url_rule("/taken", "taken", taken, websocket=True)
    app.add_websocket("/own", "own", own)
    for path in ("/taken", "/own"):
        assert knock(app, path).status == 401
        assert knock(app, f"{path}?token=1").said == ["secret"]


@pytest.mark.parametrize("password", ["right", "wrong", None])
def test_flask_httpauth_guards(
    app: Flask, place: str, add_websocket: Route, ran: list[str], password: str | None
) -> None:
    flask_httpauth = pytest.importorskip("flask_httpauth")
    auth = flask_httpauth.HTTPBasicAuth()
    auth.verify_password(lambda name, given: name if given == "right" else None)
    app.before_request(auth.login_required(lambda: setattr(g, "user", auth.current_user())))
    add_websocket(app, "/ws")
    headers = []
    if password is not None:
        headers = [("Authorization", f"Basic {b64encode(f'ann:{password}'.encode()).decode()}")]
    answer = knock(app, headers=headers)
    if password == "right":
        assert answer.said == ["secret of ann"]
    else:
        assert (answer.status, ran) == (401, [])
        assert answer.headers["www-authenticate"].startswith("Basic")


def test_flask_principal_knows_who_is_there(app: Flask, place: str) -> None:
    principal = pytest.importorskip("flask_principal")
    principals = principal.Principal(app, use_sessions=False)

    @principals.identity_loader  # type: ignore[untyped-decorator]  # it has no types
    def load() -> Any:
        identity = principal.Identity(request.args.get("name"))
        if request.args.get("name") == "ann":
            identity.provides.add(principal.RoleNeed("member"))
        return identity

    members = principal.Permission(principal.RoleNeed("member"))

    def taken() -> str:
        with members.require(403):
            Speaker(request.environ).tell(TextMessage("secret"))
        return ""

    async def own() -> None:
        with members.require(403):
            await websocket.send("secret")

    app.add_url_rule("/taken", "taken", taken, websocket=True)
    app.add_websocket("/own", "own", own)
    for path in ("/taken", "/own"):
        assert knock(app, f"{path}?name=bob").status == 403
        assert knock(app, f"{path}?name=ann").said == ["secret"]
