"""Authlib's Flask client: log in with a provider, ask it for more, refresh its token."""

from __future__ import annotations

import asyncio
from urllib.parse import parse_qs, urlsplit

from authlib.integrations.base_client import OAuthError
from authlib.integrations.flask_client import OAuth
from flask import Blueprint, Flask, redirect, request, session, url_for
from flask.typing import ResponseReturnValue

from compat_matrix.scenarios import _provider
from compat_matrix.scenarios._exchange import (
    follow,
    Found,
    get,
    Named,
    post,
    request as send,
    SIGNED_AT,
)

oauth = OAuth()
pages = Blueprint("pages", __name__)


@pages.get("/login")
def login() -> ResponseReturnValue:
    where = url_for(".authorized", _external=True)
    answer = oauth.provider.authorize_redirect(where, **request.args.to_dict())
    query = parse_qs(urlsplit(answer.location).query)
    # As the provider would note when the browser comes by.
    _provider.challenges["good"] = query["code_challenge"][0]
    return answer


@pages.get("/authorized")
def authorized() -> ResponseReturnValue:
    session["token"] = oauth.provider.authorize_access_token()
    return redirect(url_for(".me"))


@pages.get("/me")
def me() -> ResponseReturnValue:
    answer = oauth.provider.get("me")
    return answer.json(), answer.status_code


@pages.get("/me-async")
async def me_async() -> ResponseReturnValue:
    answer = await asyncio.to_thread(oauth.provider.get, "me", token=session["token"])
    return answer.json()


@pages.get("/token")
def token() -> ResponseReturnValue:
    keys = ("access_token", "refresh_token", "verified")
    return {key: session["token"].get(key) for key in keys}


@pages.post("/logout")
def logout() -> ResponseReturnValue:
    session.pop("token", None)
    return "", 204


@pages.get("/first/login")
def login_first() -> ResponseReturnValue:
    return oauth.first.authorize_redirect(url_for(".authorized_first", _external=True))


@pages.get("/first/authorized")
def authorized_first() -> ResponseReturnValue:
    return oauth.first.authorize_access_token()


@pages.get("/seen")
def seen() -> ResponseReturnValue:
    return {"seen": _provider.seen}


@pages.app_errorhandler(OAuthError)
def refused(error: OAuthError) -> ResponseReturnValue:
    return {"error": error.error, "description": error.description}, 401


def keep(name: str, token: dict[str, object], **old: object) -> None:
    session["token"] = token


def create_app() -> Flask:
    app = Flask(__name__)
    app.secret_key = "of the scenario"
    url = _provider.start()
    oauth.init_app(app, fetch_token=lambda name: session.get("token"), update_token=keep)
    oauth.register(
        "provider",
        client_id="me",
        client_secret="secret",
        access_token_url=f"{url}/token",
        authorize_url=f"{url}/authorize",
        api_base_url=f"{url}/",
        client_kwargs={"scope": "profile email", "code_challenge_method": "S256"},
    )
    oauth.register(
        "first",
        client_id="me",
        client_secret="secret",
        request_token_url=f"{url}/oauth1/request",
        access_token_url=f"{url}/oauth1/access",
        authorize_url=f"{url}/oauth1/authorize",
    )
    app.register_blueprint(pages)
    return app


# The state and what goes with it are random, and kept in the session's cookie.
DIFFERENCES = [
    Named("session", r"(?<=session=)[\w.-]+"),
    Named("port of the provider", r"(?<=http://127\.0\.0\.1:)\d+"),
    Named("port of the provider, quoted", r"(?<=127\.0\.0\.1%3A)\d+"),
    Named("state", r"(?<=state=)\w+"),
    Named("challenge", r"(?<=code_challenge=)[\w-]+"),
    SIGNED_AT,
]

STATE = r"state=(\w+)"

EXCHANGES = [
    get("/me", "missing_token", status=401),
    get("/login", "response_type=code", "scope=profile+email", status=302),
    get(Found(STATE, "/authorized?code=good&state={}"), "location: /me", status=302),
    follow('"sub":"ann"'),
    get("/me-async", '"email":"ann@b.example"'),
    get("/token", '"verified":true', '"access_token":"token-authorization_code"'),
    get(Found(STATE, "/authorized?code=good&state={}"), "mismatching_state", status=401),
    get("/login?prompt=consent", "prompt=consent", status=302),
    get(Found(STATE, "/authorized?code=bad&state={}"), "no such code", status=401),
    get("/login", status=302),
    get("/authorized?error=access_denied&error_description=no", "access_denied", status=401),
    get("/authorized?code=good&state=forged", "mismatching_state", status=401),
    get("/login", status=302),
    get(Found(STATE, "/authorized?code=good-expired&state={}"), status=302),
    get("/me", '"sub":"ann"'),
    get("/token", "token-refresh_token"),
    post("/logout", status=204),
    get("/me", "missing_token", status=401),
    get("/first/login", "oauth_token=request-token", status=302),
    get("/first/authorized?oauth_token=request-token&oauth_verifier=v", "access-token"),
    get("/first/authorized", "Missing", status=401),
    get("/seen", "POST /token refresh_token"),
    send("HEAD", "/login", status=302),
]
