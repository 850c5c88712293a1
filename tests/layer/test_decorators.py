"""Decorators of extensions guard `async def` views: who may not see the data does not get it.

The decorators are plain code that knows nothing of async views. What matters is not only the answer
but that the view never ran.
"""

from __future__ import annotations

import asyncio
import base64
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any

import flask_httpauth
import flask_jwt_extended
import flask_limiter
import flask_login
import pytest
from flask_limiter.util import get_remote_address

from quart._flask import REDIRECT
from quart_flask_patch import runs_in, wait
from quart_flask_patch.app import Flask

from ._asgi import fetch, run

# Of the extensions, which use what Python and Flask deprecate.
pytestmark = pytest.mark.filterwarnings("default::DeprecationWarning")

DATA = "the data"


@dataclass
class Guarded:
    """An application with one guarded view, and how to be let in."""

    app: Any
    path: str
    ran: list[str] = field(default_factory=list)

    def view(self) -> str:
        self.ran.append(self.path)
        return DATA

    def get(self, **headers: str) -> Any:
        pairs = [(name.replace("_", "-"), value) for name, value in headers.items()]
        return run(fetch(self.app, self.path, headers=pairs))

    def refuses(self, status: int, **headers: str) -> Any:
        """Hold that a request is refused, and that the view has not run for it."""
        ran = list(self.ran)
        answer = self.get(**headers)
        assert answer.status == status, answer.text
        assert DATA not in answer.text
        assert self.ran == ran
        return answer

    def admits(self, **headers: str) -> None:
        ran = len(self.ran)
        answer = self.get(**headers)
        assert (answer.status, answer.text) == (200, DATA)
        assert len(self.ran) == ran + 1


Guard = Callable[..., Guarded]


@pytest.fixture(params=["async", "async in a thread", "sync in a thread", "sync on the loop"])
def guard(request: pytest.FixtureRequest, app: Flask) -> Guard:
    """Put a view behind a decorator, in one of the places."""

    def put(decorate: Callable[[Any], Any], path: str = "/") -> Guarded:
        guarded = Guarded(app, path)

        async def async_view() -> str:
            await asyncio.sleep(0.001)
            return guarded.view()

        def sync_view() -> str:
            wait(asyncio.sleep(0.001))
            return guarded.view()

        view = decorate(async_view if request.param.startswith("async") else sync_view)
        if " " in request.param:
            view = runs_in("loop" if request.param.endswith("loop") else "thread")(view)
        app.add_url_rule(path, f"guarded-{path}", view)
        return guarded

    return put


class User(flask_login.UserMixin):
    def __init__(self, name: str) -> None:
        self.id = name


@pytest.fixture
def login(app: Flask) -> flask_login.LoginManager:
    manager = flask_login.LoginManager(app)

    @manager.user_loader
    def load(name: str) -> User | None:
        return User(name) if name == "ada" else None

    @app.get("/login/<name>")
    async def log_in(name: str) -> str:
        return str(flask_login.login_user(User(name)))

    return manager


def cookie_of(answer: Any) -> str:
    return str(answer.headers["set-cookie"].partition(";")[0])


def test_login_required(guard: Guard, login: flask_login.LoginManager) -> None:
    guarded = guard(flask_login.login_required)
    guarded.refuses(401)
    guarded.refuses(401, cookie="session=forged")
    guarded.admits(cookie=cookie_of(run(fetch(guarded.app, "/login/ada"))))
    # Known to nobody any more.
    guarded.refuses(401, cookie=cookie_of(run(fetch(guarded.app, "/login/eve"))))


def test_login_required_redirects(guard: Guard, login: flask_login.LoginManager) -> None:
    login.login_view = "log_in_page"
    guarded = guard(flask_login.login_required)
    guarded.app.add_url_rule("/log-in-page", "log_in_page", lambda: "")
    answer = guarded.refuses(REDIRECT)
    assert answer.headers["location"].startswith("/log-in-page?next=")


def test_fresh_login_required(guard: Guard, login: flask_login.LoginManager) -> None:
    guarded = guard(flask_login.fresh_login_required)
    guarded.refuses(401)
    guarded.admits(cookie=cookie_of(run(fetch(guarded.app, "/login/ada"))))


def basic(name: str, password: str) -> str:
    return "Basic " + base64.b64encode(f"{name}:{password}".encode()).decode()


@pytest.mark.parametrize("kind", ["sync", "async"])
def test_http_basic_auth(guard: Guard, kind: str) -> None:
    """With a plain function that checks the password, and with an async one."""
    auth = flask_httpauth.HTTPBasicAuth()

    def verify(name: str, password: str) -> str | None:
        return name if (name, password) == ("ada", "right") else None

    async def verify_async(name: str, password: str) -> str | None:
        await asyncio.sleep(0.001)
        return verify(name, password)

    auth.verify_password(verify if kind == "sync" else verify_async)
    guarded = guard(auth.login_required)
    assert guarded.refuses(401).headers["www-authenticate"].startswith("Basic")
    guarded.refuses(401, authorization=basic("ada", "wrong"))
    guarded.admits(authorization=basic("ada", "right"))


def test_http_token_auth_with_roles(guard: Guard) -> None:
    auth = flask_httpauth.HTTPTokenAuth()
    auth.verify_token({"1": "user", "2": "admin"}.get)
    auth.get_user_roles(lambda user: user)
    guarded = guard(auth.login_required(role="admin"))
    guarded.refuses(401)
    guarded.refuses(401, authorization="Bearer 3")
    guarded.refuses(403, authorization="Bearer 1")
    guarded.admits(authorization="Bearer 2")


@pytest.fixture
def jwt(app: Flask) -> flask_jwt_extended.JWTManager:
    app.config["JWT_SECRET_KEY"] = "a key that is long enough for the algorithm in use"
    return flask_jwt_extended.JWTManager(app)


def token_of(app: Flask, **options: Any) -> str:
    with app.app_context():
        token = flask_jwt_extended.create_access_token("ada", **options)
    return f"Bearer {token}"


def test_jwt_required(guard: Guard, jwt: flask_jwt_extended.JWTManager) -> None:
    guarded = guard(flask_jwt_extended.jwt_required())
    guarded.refuses(401)
    right = token_of(guarded.app)
    guarded.refuses(422, authorization=right[:-8] + "forgedAA")
    guarded.refuses(401, authorization=token_of(guarded.app, expires_delta=timedelta(seconds=-1)))
    guarded.admits(authorization=right)


def test_jwt_required_fresh_and_revoked(guard: Guard, jwt: flask_jwt_extended.JWTManager) -> None:
    revoked = []
    jwt.token_in_blocklist_loader(lambda header, payload: payload["jti"] in revoked)
    guarded = guard(flask_jwt_extended.jwt_required(fresh=True))
    guarded.refuses(401, authorization=token_of(guarded.app))
    fresh = token_of(guarded.app, fresh=True)
    guarded.admits(authorization=fresh)
    with guarded.app.app_context():
        revoked.append(flask_jwt_extended.decode_token(fresh.split()[1])["jti"])
    guarded.refuses(401, authorization=fresh)


@pytest.fixture
def limiter(app: Flask) -> flask_limiter.Limiter:
    return flask_limiter.Limiter(get_remote_address, app=app, storage_uri="memory://")


def test_limiter(guard: Guard, limiter: flask_limiter.Limiter) -> None:
    guarded = guard(limiter.limit("2 per hour"))
    guarded.admits()
    guarded.admits()
    guarded.refuses(429)
    guarded.refuses(429)


def test_limiter_with_requests_at_once(guard: Guard, limiter: flask_limiter.Limiter) -> None:
    guarded = guard(limiter.limit("3 per hour"))

    async def main() -> list[int]:
        answers = await asyncio.gather(*(fetch(guarded.app, "/") for _ in range(10)))
        return sorted(answer.status for answer in answers)

    assert run(main()) == [200] * 3 + [429] * 7
    assert len(guarded.ran) == 3


def test_one_beneath_the_other(
    guard: Guard, login: flask_login.LoginManager, limiter: flask_limiter.Limiter
) -> None:
    def both(view: Any) -> Any:
        return flask_login.login_required(limiter.limit("1 per hour")(view))

    guarded = guard(both)
    guarded.refuses(401)
    cookie = cookie_of(run(fetch(guarded.app, "/login/ada")))
    guarded.admits(cookie=cookie)
    guarded.refuses(429, cookie=cookie)
    guarded.refuses(401)


def test_users_of_requests_at_once_stay_apart(app: Flask, login: Any) -> None:
    login.user_loader(User)

    @app.get("/me")
    @flask_login.login_required
    async def me() -> str:
        before = flask_login.current_user.id
        await asyncio.sleep(0.001)
        assert flask_login.current_user.id == before
        return str(before)

    async def visit(name: str) -> str:
        cookie = cookie_of(await fetch(app, f"/login/{name}"))
        return (await fetch(app, "/me", headers=[("cookie", cookie)])).text

    async def main() -> list[str]:
        return await asyncio.gather(*map(visit, "abcdefgh"))

    assert run(main()) == list("abcdefgh")
