"""A person with a browser, as far as HTTP goes."""

import html
import re
import secrets
from types import TracebackType
from typing import Self

import httpx
from websockets.sync.client import ClientConnection, connect
from websockets.typing import Origin

PASSWORD = "correct horse battery"


class Person:
    """One user of the notes: a name, a cookie jar, and what a person does with forms."""

    def __init__(self, url: str) -> None:
        self.name = f"user-{secrets.token_hex(4)}"
        self.url = url
        self.http = httpx.Client(base_url=url, timeout=10, trust_env=False, verify=False)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.http.close()

    def token(self) -> str:
        """The CSRF token that every page carries."""
        page = self.http.get("/auth/login", follow_redirects=True).text
        found = re.search(r'name="csrf-token" content="([^"]+)"', page)
        assert found, f"no CSRF token in:\n{page}"
        return found[1]

    def submit(self, path: str, **fields: str) -> httpx.Response:
        """Fill in a form and send it, following where it leads."""
        data = {"csrf_token": self.token(), **fields}
        return self.http.post(path, data=data, follow_redirects=True)

    def register(self, **fields: str) -> httpx.Response:
        data = {"name": self.name, "password": PASSWORD, "confirm": PASSWORD, **fields}
        return self.submit("/auth/register", **data)

    def log_in(self, path: str = "/auth/login", password: str = PASSWORD) -> httpx.Response:
        return self.submit(path, name=self.name, password=password)

    def write(self, title: str, body: str = "", **fields: str) -> httpx.Response:
        return self.submit("/new", title=title, body=body, **fields)

    def call(self, method: str, path: str, json: object = None) -> httpx.Response:
        """Call the JSON API."""
        headers = {"X-CSRFToken": self.token()}
        return self.http.request(method, path, json=json, headers=headers)

    def open_socket(self, path: str = "/live/ws", origin: str | None = None) -> ClientConnection:
        cookies = "; ".join(f"{cookie.name}={cookie.value}" for cookie in self.http.cookies.jar)
        return connect(
            self.url.replace("http", "ws", 1) + path,
            additional_headers={"Cookie": cookies} if cookies else None,
            origin=Origin(origin) if origin else None,
            proxy=None,
            open_timeout=10,
        )


def notes_in(page: httpx.Response) -> dict[str, int]:
    """The titles of the notes on a page, with their ids."""
    found = re.findall(r'id="note-(\d+)">\s*<h2>(.*?)</h2>', page.text)
    return {html.unescape(title): int(note_id) for note_id, title in found}


def flashes_in(page: httpx.Response) -> list[str]:
    return [html.unescape(text) for text in re.findall(r'class="flash \w+">(.*?)</p>', page.text)]


def errors_in(page: httpx.Response) -> list[str]:
    lists = re.findall(r'<ul class="errors".*?</ul>', page.text, re.DOTALL)
    return [html.unescape(text) for part in lists for text in re.findall("<li>(.*?)</li>", part)]
