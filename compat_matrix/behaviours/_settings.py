"""Settings, sessions, logging and JSON."""

from __future__ import annotations

import datetime
import logging
import os
import tempfile
import uuid
from decimal import Decimal
from pathlib import Path
from typing import Any

from _kit import fetch, make_app, page, returns
from markupsafe import Markup

from quart import Config, current_app, Quart, render_template_string, request, Response, session
from quart.json import dumps, loads
from quart.logging import default_handler
from quart.sessions import SecureCookieSessionInterface, SessionInterface, SessionMixin


@page("how_to_guides/configuration")
async def settings_by_inheritance() -> Any:
    class Base:
        DEBUG = False
        SECRET_KEY = "secret"

    class Development(Base):
        DEBUG = True

    class Production(Base):
        SECRET_KEY = "an actually secret key"

    found = []
    for mode in (Development, Production):
        app = Quart("configured")
        app.config.from_object(mode)
        found.append([app.debug, app.secret_key, app.config["SECRET_KEY"]])
    return found


@page("how_to_guides/configuration")
async def settings_of_the_environment() -> Any:
    named = {
        "OTHER_TESTING": "true",
        "OTHER_NUMBER": "5",
        "OTHER_TEXT": "text",
        "OTHER_NESTED__a__b": "[1]",
        "QUART_TESTING": "false",
    }
    os.environ.update(named)
    try:
        app = Quart("configured")
        app.config.from_prefixed_env("OTHER")
    finally:
        for name in named:
            del os.environ[name]
    return [app.config[name] for name in ("TESTING", "NUMBER", "TEXT", "NESTED")]


@page("reference/cheatsheet")
async def settings_of_files() -> Any:
    import tomllib

    with tempfile.TemporaryDirectory() as folder:
        Path(folder, "a.toml").write_text('A = "toml"')  # noqa: ASYNC240 - nothing else runs
        Path(folder, "b.py").write_text("B = 'python'\nlower = 1")  # noqa: ASYNC240 - as above
        app = Quart("configured", root_path=folder)
        os.environ["BEHAVIOURS_FILE"] = "b.py"
        app.config.from_file("a.toml", tomllib.load, text=False)
        found = [app.config.from_pyfile("b.py"), app.config.from_envvar("BEHAVIOURS_FILE")]
        found.append(app.config.from_file("missing", tomllib.load, silent=True))
        relative = Quart("x", root_path=folder, instance_path=folder, instance_relative_config=True)
        found.append(relative.config.from_pyfile("b.py"))
    return [*found, app.config["A"], app.config["B"], "lower" in app.config]


@page("how_to_guides/configuration")
async def a_config_of_ones_own() -> Any:
    class Mine(Config):
        def shout(self) -> str:
            return str(self["NAME"]).upper()

    class App(Quart):
        config_class = Mine
        default_config = {**Quart.default_config, "NAME": "mine"}  # noqa: RUF012

    app: Any = App("configured")
    app.config.update(IMAGE_A=1, IMAGE_B=2)
    return [app.config.shout(), app.config.get_namespace("IMAGE_")]


@page("how_to_guides/configuration")
async def where_the_instance_is() -> Any:
    with tempfile.TemporaryDirectory() as folder:
        app = Quart("instance", root_path=folder, instance_path=folder)
        try:
            Quart("instance", instance_path="relative")
        except ValueError:
            return [app.instance_path == folder, "refused"]
    return None


@page("how_to_guides/logging")
async def the_logger() -> Any:
    app = Quart("behaviours.logged")
    logger = app.logger
    found = [logger.name, default_handler in logger.handlers, logger is app.logger]
    logging.getLogger(app.name).removeHandler(default_handler)
    found.append(default_handler in app.logger.handlers)
    logging.getLogger("behaviours.other").setLevel("ERROR")
    found.append(Quart("behaviours.other").logger.level)
    debugged = Quart("behaviours.debugged")
    debugged.debug = True
    return [*found, debugged.logger.level]


@page("how_to_guides/session_storage")
async def sessions_that_last() -> Any:
    app = make_app()

    @app.before_request
    def make_session_permanent() -> None:
        session.permanent = True

    @app.get("/")
    async def view() -> Any:
        session["count"] = session.get("count", 0) + 1
        return [session["count"], session.new, session.modified, session.permanent]

    client = app.test_client()
    answers = [await client.get("/") for _ in range(2)]
    return [[await answer.get_json(), "Expires" in str(answer.headers)] for answer in answers]


@page("how_to_guides/session_storage")
async def settings_of_the_session() -> Any:
    app = make_app()
    app.config.update(
        SESSION_COOKIE_NAME="mine",
        SESSION_COOKIE_PATH="/path",
        SESSION_COOKIE_DOMAIN="a.test",
        SESSION_COOKIE_SECURE=True,
        SESSION_COOKIE_HTTPONLY=False,
        SESSION_COOKIE_SAMESITE="Strict",
        SESSION_COOKIE_PARTITIONED=True,
    )

    @app.get("/")
    async def view() -> str:
        session["a"] = 1
        return ""

    response = await app.test_client().get("/")
    cookie = response.headers["Set-Cookie"].split("; ")
    return [cookie[0].partition("=")[0], sorted(cookie[1:])]


@page("how_to_guides/session_storage")
async def what_a_session_keeps() -> Any:
    app = make_app()
    value = {
        "tuple": (1, "a"),
        "date": datetime.datetime(2020, 1, 2, tzinfo=datetime.UTC),
        "bytes": b"\xff",
        "uuid": uuid.UUID(int=5),
        "markup": Markup("<b>"),
        "nested": {"a": [None, True]},
    }

    @app.get("/set")
    async def set_all() -> str:
        session.update(value)
        return ""

    @app.get("/")
    async def view() -> Any:
        return {key: repr(kept) for key, kept in session.items()}

    client = app.test_client()
    await client.get("/set")
    return await (await client.get("/")).get_json()


@page("how_to_guides/session_storage")
async def sessions_that_are_not_accepted() -> Any:
    app = make_app()

    @app.get("/")
    async def view() -> Any:
        session.setdefault("a", 1)
        return sorted(session)

    @app.get("/clear")
    async def clear() -> str:
        session.clear()
        return ""

    client = app.test_client()
    await client.get("/")
    cleared = (await client.get("/clear")).headers["Set-Cookie"]
    forged = await fetch(app, headers={"Cookie": "session=eyJhIjoyfQ.forged.forged"})
    app.secret_key = "another"
    app.config["SECRET_KEY_FALLBACKS"] = ["secret"]
    return [cleared.startswith("session=;"), forged, await (await client.get("/")).get_json()]


@page("how_to_guides/session_storage")
async def sessions_without_a_key() -> Any:
    app = Quart("no key")

    @app.get("/read")
    async def read() -> Any:
        return session.get("a", "nothing")

    @app.get("/write")
    async def write() -> Any:
        session["a"] = 1
        return ""

    return [(await fetch(app, path))[0] for path in ("/read", "/write")]


@page("how_to_guides/sync_code")
async def session_interfaces() -> Any:
    class Mine(dict[str, Any], SessionMixin):
        pass

    kept: dict[str, Any] = {}

    class Plain(SessionInterface):
        def open_session(self, app: Any, request: Any) -> Any:
            return Mine(kept)

        def save_session(self, app: Any, session: Any, response: Any) -> Any:
            kept.update(session)
            response.headers["X-Saved"] = str(sorted(session))

    class Asynchronous(SessionInterface):
        async def open_session(self, app: Any, request: Any) -> Any:
            return None if "null" in request.args else Mine(kept)

        async def save_session(self, app: Any, session: Any, response: Any) -> Any:
            kept.update(session)

    found = []
    for interface in (Plain(), Asynchronous(), SecureCookieSessionInterface()):
        app = make_app()
        app.session_interface = interface

        @app.get("/")
        async def view() -> Any:
            session["count"] = session.get("count", 0) + 1
            return session["count"]

        @app.get("/count")
        async def count() -> Any:
            return {"count": session.get("count")}

        client = app.test_client()
        answers = [await client.get(path) for path in ("/count", "/count?null=1")]
        found.append([await answer.get_json() for answer in answers])
    return found


@page("how_to_guides/json_encoding")
async def what_json_does() -> Any:
    app = make_app()
    value = {
        "date": datetime.date(2020, 1, 2),
        "decimal": Decimal("1.50"),
        "uuid": uuid.UUID(int=1),
        "html": Markup("<b>"),
        "ü": "ü",
    }

    @app.get("/")
    async def view() -> Any:
        return value

    found = [await fetch(app)]
    app.json.sort_keys = False  # type: ignore[attr-defined]
    app.json.ensure_ascii = False  # type: ignore[attr-defined]
    app.json.compact = False  # type: ignore[attr-defined]
    app.json.mimetype = "application/x-json"  # type: ignore[attr-defined]
    found.append(await fetch(app))
    async with app.app_context():
        found += [dumps({"b": 1, "a": 2}), loads('{"a": [1]}'), app.json.dumps([1])]
    return found


@page("how_to_guides/templating")
async def json_in_templates() -> Any:
    app = make_app()

    @app.get("/")
    async def view() -> str:
        source = "{{ value | tojson }} {{ '<b>' | escape }} {{ '<b>' | safe }}"
        return await render_template_string(source, value={"a": "</script>'"})

    return await fetch(app)


@page("how_to_guides/configuration")
async def hosts_that_are_trusted() -> Any:
    app = make_app()
    app.config["TRUSTED_HOSTS"] = ["a.test", ".b.test"]
    app.add_url_rule("/", "view", returns("view"))
    hosts = ("a.test", "x.b.test", "evil.test", "a.test:8000")
    return [(await fetch(app, headers={"Host": host}))[0] for host in hosts]


@page("discussion/dos_mitigations")
async def timeouts_of_answers() -> Any:
    app = make_app()
    app.config["RESPONSE_TIMEOUT"] = 7

    @app.get("/")
    async def view() -> Any:
        default = await app.make_response("x")
        other: Any = Response("x")
        other.timeout = None
        return {"default": default.timeout, "config": current_app.config["RESPONSE_TIMEOUT"],
                "other": other.timeout, "args": request.args.to_dict()}  # fmt: skip

    return await fetch(app, "/?a=1")


@page("reference/api")
async def response_classes() -> Any:
    class Mine(Response):
        default_mimetype = "application/xml"
        default_status = 201

    class App(Quart):
        response_class = Mine

    app = App("responses")
    app.add_url_rule("/", "text", returns("<a/>"))
    app.add_url_rule("/json", "json", returns({"a": 1}))
    app.add_url_rule("/own", "own", returns(Response("own", headers={"X-A": "b"})))
    return [await fetch(app, path) for path in ("/", "/json", "/own")]
