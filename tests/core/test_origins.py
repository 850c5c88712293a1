"""From which sites browsers may open websockets."""

from __future__ import annotations

from typing import Any

import pytest

from quart import Quart, url_for, websocket as current

from .driver import Client, connect, run, scope_for, websocket


@pytest.fixture
def ran() -> list[str]:
    return []


@pytest.fixture
def app(ran: list[str]) -> Quart:
    app = Quart("origins")
    app.config["WEBSOCKET_ORIGINS"] = ["https://example.com", "http://other.example:8000"]
    app.before_websocket(lambda: ran.append("hook"))

    @app.websocket("/")
    async def view() -> None:
        ran.append("view")
        await current.send("secret")

    return app


def opened(app: Quart, *origins: str, **values: Any) -> Client:
    headers = [(b"origin", origin.encode("latin-1")) for origin in origins]
    return run(websocket(app, headers=headers, **values))


ALLOWED = [
    "https://example.com",
    "https://example.com:443",
    "HTTPS://EXAMPLE.COM",
    "http://other.example:8000",
]
REFUSED = [
    "http://example.com",
    "https://example.com:444",
    "https://example.com.evil.example",
    "https://evil.example/https://example.com",
    "https://example.com@evil.example",
    "https://sub.example.com",
    "https://example.com.",
    "https://example.co",
    "http://other.example",
    "http://other.example:80000",
    "null",
    "",
    "example.com",
    "//example.com",
    "https://example.com/",
    "https://example.com ",
    "https://",
    "https://[",
    "https://example.com:x",
    "https://\u00e4.example",
    "same",
    "file://",
]


@pytest.mark.parametrize("origin", ALLOWED)
def test_a_page_of_a_site_in_the_list_is_let_in(app: Quart, ran: list[str], origin: str) -> None:
    assert opened(app, origin).frames == ["secret"]
    assert ran == ["hook", "view"]


@pytest.mark.parametrize("origin", REFUSED)
@pytest.mark.parametrize("configured", ["list", "same"])
def test_any_other_is_refused_before_anything_runs(
    app: Quart, ran: list[str], caplog: pytest.LogCaptureFixture, origin: str, configured: str
) -> None:
    if configured == "same":
        app.config["WEBSOCKET_ORIGINS"] = "same"
    client = opened(app, origin)
    assert (client.status, client.accepted, ran) == (403, False, [])
    (record,) = caplog.records
    assert "WEBSOCKET_ORIGINS" in record.getMessage()
    assert opened(app, origin, extensions={}).types == ["websocket.close"]


def test_two_origins_are_no_origin(app: Quart, ran: list[str]) -> None:
    assert opened(app, *ALLOWED[:2]).status == 403
    assert opened(app, ALLOWED[0], REFUSED[0]).status == 403
    assert ran == []


def test_who_names_no_origin_is_no_browser(app: Quart) -> None:
    assert opened(app).frames == ["secret"]


@pytest.mark.parametrize("origin", [*ALLOWED, *REFUSED])
def test_unless_it_is_configured_anybody_is_let_in(app: Quart, origin: str) -> None:
    app.config["WEBSOCKET_ORIGINS"] = Quart.default_config["WEBSOCKET_ORIGINS"]
    assert opened(app, origin).frames == ["secret"]


def test_an_empty_list_is_a_list(app: Quart) -> None:
    app.config["WEBSOCKET_ORIGINS"] = []
    assert opened(app, "https://example.com").status == 403
    assert opened(app).frames == ["secret"]


def test_no_site_has_to_be_listed(app: Quart) -> None:
    app.config["WEBSOCKET_ORIGINS"] = ["same", "null"]
    assert opened(app, "null").frames == ["secret"]
    assert opened(app, "https://example.com").status == 403


def test_names_beyond_ascii_are_those_that_browsers_send(app: Quart) -> None:
    app.config["WEBSOCKET_ORIGINS"] = ["https://b\u00fccher.example"]
    assert opened(app, "https://xn--bcher-kva.example").frames == ["secret"]


@pytest.mark.parametrize("configured", ["https://example.com", "https://example.com/"])
def test_one_origin_needs_no_list(app: Quart, configured: str) -> None:
    app.config["WEBSOCKET_ORIGINS"] = configured
    assert opened(app, "https://example.com").frames == ["secret"]
    assert opened(app, "https://other.example").status == 403


@pytest.mark.parametrize(
    "value", ["*", "example.com", "https://example.com/path", "https://*.example.com"]
)
def test_a_value_that_means_nothing_is_said_at_start(app: Quart, value: str) -> None:
    app.config["WEBSOCKET_ORIGINS"] = [value]
    client = Client({"type": "lifespan.startup"}, {"type": "lifespan.shutdown"})
    run(connect(app, {"type": "lifespan"}, client))
    assert client.types[0] == "lifespan.startup.failed"
    assert repr(value) in client.messages[0]["message"]
    with pytest.raises(ValueError, match="WEBSOCKET_ORIGINS"):
        opened(app, "https://example.com")


# The application's own site


@pytest.mark.parametrize(
    ("scheme", "host", "origin"),
    [
        ("ws", "localhost", "http://localhost"),
        ("ws", "localhost:80", "http://localhost"),
        ("ws", "LocalHost:5000", "http://localhost:5000"),
        ("wss", "example.com", "https://example.com"),
        ("wss", "example.com:443", "https://example.com"),
        ("wss", "example.com:8443", "https://example.com:8443"),
        ("ws", "[::1]:5000", "http://[::1]:5000"),
    ],
)
def test_the_same_site_is_that_of_url_for(app: Quart, scheme: str, host: str, origin: str) -> None:
    app.config["WEBSOCKET_ORIGINS"] = "same"

    @app.websocket("/url")
    async def url() -> None:
        await current.send(url_for("view", _external=True))

    own: dict[str, Any] = {"scheme": scheme, "headers": [(b"host", host.encode())]}

    def ask(origin: str, path: str = "/") -> Client:
        scope = scope_for("websocket", path) | own
        scope["headers"] = [*own["headers"], (b"origin", origin.encode())]
        return run(connect(app, scope, Client({"type": "websocket.connect"})))

    assert ask(origin).frames == ["secret"]
    assert ask(origin.replace("://", "://not.")).status == 403
    other = "https" if scheme == "ws" else "http"
    assert ask(f"{other}:{origin.partition(':')[2]}").status == 403


def test_the_name_of_the_server_is_that_of_its_site(app: Quart) -> None:
    app.config.update(WEBSOCKET_ORIGINS="same", SERVER_NAME="localhost:80")
    assert opened(app, "http://localhost").frames == ["secret"]
    assert opened(app, "http://localhost:81").status == 403
    app.config["SERVER_NAME"] = "example.com"
    with pytest.warns(UserWarning, match="example.com"):
        assert opened(app, "http://localhost").status == 403


def test_a_host_that_is_not_trusted_is_nobodys_site(app: Quart, ran: list[str]) -> None:
    app.config.update(WEBSOCKET_ORIGINS="same", TRUSTED_HOSTS=["example.com"])
    assert opened(app, "http://localhost").status == 403
    assert ran == []


def test_a_subdomain_is_a_site_of_its_own(ran: list[str]) -> None:
    app = Quart("origins", subdomain_matching=True)
    app.config.update(WEBSOCKET_ORIGINS="same", SERVER_NAME="example.com")

    @app.websocket("/", subdomain="api")
    async def view() -> None:
        await current.send("secret")

    def ask(origin: bytes) -> Client:
        scope = scope_for("websocket", host=b"api.example.com", headers=[(b"origin", origin)])
        return run(connect(app, scope, Client({"type": "websocket.connect"})))

    assert ask(b"http://api.example.com").frames == ["secret"]
    assert ask(b"http://example.com").status == 403
