"""Sessions in signed cookies, and session interfaces in general."""

from __future__ import annotations

import asyncio
from datetime import datetime, timedelta, UTC
from typing import Any

import flask
import pytest
from flask.sessions import SecureCookieSessionInterface as FlaskInterface
from werkzeug.http import parse_cookie

from quart import Quart, Response, session, websocket
from quart.sessions import (
    NullSession,
    SecureCookieSession,
    SecureCookieSessionInterface,
    SessionInterface,
    SessionMixin,
)

from .driver import exchange


def make_app(**config: Any) -> Quart:
    app = Quart(__name__)
    app.config.update(SECRET_KEY="k", **config)
    app.testing = True

    @app.get("/count")
    async def count() -> str:
        session["count"] = session.get("count", 0) + 1
        return str(session["count"])

    @app.get("/look")
    async def look() -> str:
        return str(session.get("count"))

    @app.get("/clear")
    async def clear() -> str:
        session.clear()
        return ""

    @app.get("/keep")
    async def keep() -> str:
        session.permanent = True
        session["kept"] = True
        return ""

    @app.get("/nothing")
    async def nothing() -> str:
        return ""

    return app


def texts(app: Quart, *paths: str) -> list[str]:
    async def main() -> list[str]:
        client = app.test_client()
        return [await (await client.get(path)).get_data(as_text=True) for path in paths]

    return asyncio.run(main())


def last_response(app: Quart, *paths: str) -> Response:
    async def main() -> Any:
        client = app.test_client()
        for path in paths:
            response = await client.get(path)
        return response

    response: Response = asyncio.run(main())
    return response


def test_a_session_lasts_from_request_to_request() -> None:
    assert texts(make_app(), "/look", "/count", "/count", "/look") == ["None", "1", "2", "2"]


def test_a_cookie_that_is_not_ours_is_no_session() -> None:
    async def main() -> str:
        client = make_app().test_client()
        client.set_cookie("localhost", "session", "eyJjb3VudCI6NX0.forged")
        return await (await client.get("/look")).get_data(as_text=True)

    assert asyncio.run(main()) == "None"


def test_the_cookie_is_set_as_configured() -> None:
    app = make_app(
        SESSION_COOKIE_NAME="s",
        SESSION_COOKIE_DOMAIN="example.com",
        SESSION_COOKIE_PATH="/count",
        SESSION_COOKIE_SECURE=True,
        SESSION_COOKIE_SAMESITE="Lax",
        SESSION_COOKIE_PARTITIONED=True,
    )
    cookie = last_response(app, "/count").headers["Set-Cookie"]
    assert cookie.startswith("s=")
    parts = set(cookie.split("; ")[1:])
    assert parts == {
        "Domain=example.com",
        "Path=/count",
        "Secure",
        "SameSite=Lax",
        "Partitioned",
        "HttpOnly",
    }


@pytest.mark.parametrize(
    ("path", "vary", "sets"),
    [("/nothing", None, False), ("/look", "Cookie", False), ("/count", "Cookie", True)],
)
def test_vary_tells_caches_that_the_session_was_used(path: str, vary: Any, sets: bool) -> None:
    response = last_response(make_app(), path)
    assert response.headers.get("Vary") == vary
    assert ("Set-Cookie" in response.headers) is sets


def test_an_emptied_session_deletes_its_cookie() -> None:
    cookie = last_response(make_app(), "/count", "/clear").headers["Set-Cookie"]
    assert "session=;" in cookie
    assert "Max-Age=0" in cookie


@pytest.mark.parametrize("refresh", [True, False])
def test_a_permanent_session_expires_later_and_is_refreshed(refresh: bool) -> None:
    app = make_app(
        SESSION_REFRESH_EACH_REQUEST=refresh, PERMANENT_SESSION_LIFETIME=timedelta(days=2)
    )
    cookie = last_response(app, "/keep").headers["Set-Cookie"]
    expires = dict(part.split("=", 1) for part in cookie.split("; ") if "=" in part)["Expires"]
    left = datetime.strptime(expires, "%a, %d %b %Y %H:%M:%S GMT").replace(
        tzinfo=UTC
    ) - datetime.now(UTC)
    assert timedelta(days=1, hours=23) < left <= timedelta(days=2)
    assert ("Set-Cookie" in last_response(app, "/keep", "/nothing").headers) is refresh


def test_without_a_secret_key_it_can_be_read_but_not_written() -> None:
    app = make_app()
    app.secret_key = None
    assert texts(app, "/look") == ["None"]
    with pytest.raises(RuntimeError, match="no secret key"):
        texts(app, "/count")


def test_an_old_secret_key_still_opens() -> None:
    async def main() -> str:
        client = make_app().test_client()
        await client.get("/count")
        client.app.config.update(SECRET_KEY="new", SECRET_KEY_FALLBACKS=["k"])
        return await (await client.get("/look")).get_data(as_text=True)

    assert asyncio.run(main()) == "1"


def test_flask_reads_our_cookie_and_we_read_flasks() -> None:
    values = {"count": 3, "when": datetime(2024, 2, 29, tzinfo=UTC), "pair": (1, b"2")}
    flask_app = flask.Flask(__name__)
    app = make_app()
    flask_app.secret_key = app.secret_key
    ours = SecureCookieSessionInterface().get_signing_serializer(app)
    theirs = FlaskInterface().get_signing_serializer(flask_app)
    assert ours is not None
    assert theirs is not None
    assert theirs.loads(ours.dumps(values)) == values
    assert ours.loads(theirs.dumps(values)) == values


def test_a_change_in_an_open_websocket_is_reported(caplog: pytest.LogCaptureFixture) -> None:
    app = make_app()
    changed = SecureCookieSession()
    changed["a"] = 1

    async def main() -> None:
        interface = SecureCookieSessionInterface()
        await interface.save_session(app, SecureCookieSession(), None)
        assert not caplog.records
        await interface.save_session(app, changed, None)

    asyncio.run(main())
    assert "websocket" in caplog.text


def make_changing(accepts: bool) -> Quart:
    app = make_app()

    @app.websocket("/ws")
    async def talk() -> Any:
        session["count"] = 1
        if not accepts:
            return "not you", 403
        await websocket.send("hello")
        return None

    return app


def test_a_refused_websocket_sets_the_cookie(caplog: pytest.LogCaptureFixture) -> None:
    client = exchange(make_changing(accepts=False), "websocket", "/ws")
    assert client.status == 403
    assert "session=" in dict(client.headers)["set-cookie"]
    assert not caplog.records


@pytest.mark.parametrize(
    ("accepts", "reason"),
    [
        (True, "nothing sent after `accept` can set the cookie"),
        (False, "this server does not send the response of a websocket that is refused"),
    ],
)
def test_a_change_that_no_cookie_can_carry_is_said_once_with_what_to_do(
    caplog: pytest.LogCaptureFixture, accepts: bool, reason: str
) -> None:
    exchange(make_changing(accepts), "websocket", "/ws", extensions={})
    (record,) = caplog.records
    said = record.getMessage()
    assert said.startswith(
        f"The websocket view 'talk' changed the session, and the change is lost: {reason}. "
    )
    assert "Change the session in a request" in said


class Dictionary(dict[str, Any], SessionMixin):
    pass


class Stored(SessionInterface):
    """Keeps sessions in this process, under an identity from a cookie."""

    def __init__(self) -> None:
        self.stored: dict[str, Dictionary] = {}

    async def open_session(self, app: Any, request: Any) -> SessionMixin:
        await asyncio.sleep(0)
        return self.stored.setdefault(request.cookies.get("id", "new"), Dictionary())

    async def save_session(self, app: Any, session: SessionMixin, response: Any) -> None:
        await asyncio.sleep(0)
        response.set_cookie("id", "new")


class PlainStored(Stored):
    """The same by plain functions, as Flask's extensions have them."""

    def open_session(self, app: Any, request: Any) -> SessionMixin:  # type: ignore[override]
        return self.stored.setdefault(request.cookies.get("id", "new"), Dictionary())

    def save_session(self, app: Any, session: SessionMixin, response: Any) -> None:  # type: ignore[override]
        response.set_cookie("id", "new")


@pytest.mark.parametrize("interface", [Stored, PlainStored])
def test_another_interface(interface: type[Stored]) -> None:
    app = make_app()
    app.session_interface = interface()
    response = last_response(app, "/count", "/count")
    assert asyncio.run(response.get_data(as_text=True)) == "2"
    assert parse_cookie(response.headers["Set-Cookie"])["id"] == "new"


def test_what_a_subclass_has_to_define() -> None:
    app, interface = make_app(), SessionInterface()

    async def main() -> None:
        with pytest.raises(NotImplementedError, match="define open_session"):
            await interface.open_session(app, None)  # type: ignore[arg-type]
        with pytest.raises(NotImplementedError, match="define save_session"):
            await interface.save_session(app, SecureCookieSession(), None)
        null = await interface.make_null_session(app)
        assert isinstance(null, NullSession)
        assert interface.is_null_session(null)

    asyncio.run(main())


def test_the_digest_can_be_told_what_it_is_for() -> None:
    method = SecureCookieSessionInterface.digest_method
    assert method(b"a").hexdigest() == method(b"a", usedforsecurity=False).hexdigest()
