"""A page over HTTP/2 that brings its stylesheet along."""

import asyncio
from collections.abc import Callable
from pathlib import Path

import pytest

from _http2 import Client, connected
from _tls import Certificate, make_certificate
from quart import make_push_promise, make_response, Quart, url_for
from quart.wrappers import Response

from ._program import browsing, serving

CSS = "body { color: rebeccapurple }"
PAGES = ["/helper", "/attribute", "/both"]


@pytest.fixture(scope="module")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> Certificate:
    return make_certificate(tmp_path_factory.mktemp("tls"))


@pytest.fixture
def app(tmp_path: Path) -> Quart:
    folder = tmp_path / "static"
    folder.mkdir()
    (folder / "style.css").write_text(CSS)
    app = Quart(__name__, root_path=str(tmp_path))

    def style() -> str:
        return url_for("static", filename="style.css")

    @app.get("/helper")
    async def by_helper() -> str:
        await make_push_promise(style())
        return "<link rel=stylesheet href=/static/style.css>"

    @app.get("/attribute")
    async def by_attribute() -> Response:
        response = await make_response("<link rel=stylesheet href=/static/style.css>")
        assert isinstance(response, Response)
        response.push_promises.add(style())
        return response

    @app.get("/both")
    async def both() -> Response:
        await make_push_promise("/made")
        return await by_attribute()

    @app.get("/made")
    async def made() -> str:
        return "made"

    return app


def ask(app: Quart, certificate: Certificate, questions: Callable[[Client], None]) -> None:
    async def main() -> None:
        async with serving(app, certificate) as port:
            await asyncio.to_thread(converse, port)

    def converse(port: int) -> None:
        with connected(port, certificate.client_context("h2")) as client:
            questions(client)

    asyncio.run(main())


def pushed(client: Client, number: int) -> dict[str, str]:
    """The paths that were promised on a stream, with the bodies that followed."""
    bodies = {}
    for promised, headers in client.streams[number].promises.items():
        assert headers[":method"] == "GET"
        assert headers[":scheme"] == "https"
        response = client.response(promised)
        assert response.status == 200
        bodies[headers[":path"]] = response.data.decode()
    return bodies


@pytest.mark.parametrize("path", PAGES)
def test_a_page_pushes(app: Quart, certificate: Certificate, path: str) -> None:
    expected = {"/static/style.css": CSS}
    if path == "/both":
        expected["/made"] = "made"

    def questions(client: Client) -> None:
        number = client.request(path, headers={"accept-encoding": "gzip", "accept": "text/html"})
        page = client.response(number)
        assert page.status == 200
        assert b"stylesheet" in page.data
        assert pushed(client, number) == expected
        # What the client accepts holds for what is pushed too.
        for headers in page.promises.values():
            assert headers["accept-encoding"] == "gzip"

    ask(app, certificate, questions)


def test_the_pushed_stylesheet_is_a_whole_response(app: Quart, certificate: Certificate) -> None:
    def questions(client: Client) -> None:
        number = client.request("/helper")
        client.response(number)
        (promised,) = client.streams[number].promises
        headers = client.response(promised).headers
        assert headers["content-type"] == "text/css; charset=utf-8"
        assert headers["content-length"] == str(len(CSS))
        assert "etag" in headers

    ask(app, certificate, questions)


@pytest.mark.parametrize("path", PAGES)
def test_a_client_of_http_1_gets_the_page_alone(app: Quart, path: str) -> None:
    async def main() -> None:
        async with browsing(app) as client:
            answer = await client.get(path)
            assert answer.http_version == "HTTP/1.1"
            assert answer.is_success

    asyncio.run(main())
