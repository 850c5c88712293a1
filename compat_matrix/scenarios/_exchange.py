"""What a client sends and what it should see; a scenario is a list of these."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urlencode

from compat_matrix.scenarios._engine import ALWAYS, EXPIRES, LENGTH, Named, SIGNED_AT

__all__ = ["ALWAYS", "EXPIRES", "LENGTH", "SIGNED_AT", "Named"]

BOUNDARY = "boundary-of-the-scenario"


@dataclass(frozen=True, slots=True)
class Found:
    """Stands for what the group of *pattern* matched in the latest answer in which it does.

    It is put in place of the ``{}`` of *text*.
    """

    pattern: str
    text: str = "{}"


@dataclass(frozen=True, slots=True)
class Exchange:
    """One request, and what its answer must be on both sides, beyond being equal."""

    method: str
    path: str | Found
    shows: tuple[str, ...] = ()
    status: int = 200
    headers: Mapping[str, str | Found] = field(default_factory=dict)
    form: Mapping[str, str | Found] | None = None
    body: bytes = b""

    @property
    def title(self) -> str:
        path = self.path if isinstance(self.path, str) else self.path.text
        return f"{self.method} {path}"[:60]

    def content(self, resolve: Callable[[str | Found], str]) -> bytes:
        if self.form is None:
            return self.body
        return urlencode({name: resolve(value) for name, value in self.form.items()}).encode()


def get(path: str | Found, *shows: str, **values: Any) -> Exchange:
    """GET *path*: its answer must show each text of *shows*, in a header line or in its body."""
    return Exchange("GET", path, shows, **values)


def request(method: str, path: str | Found, *shows: str, **values: Any) -> Exchange:
    return Exchange(method, path, shows, **values)


def post(path: str | Found, *shows: str, **values: Any) -> Exchange:
    """POST a *form*, or a *body*; `send_json` and `send_files` make other kinds."""
    if values.get("form") is not None:
        kind = {"Content-Type": "application/x-www-form-urlencoded"}
        values["headers"] = kind | values.get("headers", {})
    return Exchange("POST", path, shows, **values)


def send_json(
    path: str | Found, data: object, *shows: str, method: str = "POST", **values: Any
) -> Exchange:
    values["headers"] = {"Content-Type": "application/json"} | values.get("headers", {})
    return Exchange(method, path, shows, body=json.dumps(data).encode(), **values)


def send_files(
    path: str | Found, files: Mapping[str, tuple[str, bytes]], *shows: str, **values: Any
) -> Exchange:
    """POST *files*, {field: (file name, content)}, as a browser uploads them."""
    kind = {"Content-Type": f"multipart/form-data; boundary={BOUNDARY}"}
    values["headers"] = kind | values.get("headers", {})
    parts = [
        f'--{BOUNDARY}\r\nContent-Disposition: form-data; name="{name}"; filename="{file}"\r\n'
        f"Content-Type: application/octet-stream\r\n\r\n".encode()
        + content
        + b"\r\n"
        for name, (file, content) in files.items()
    ]
    body = b"".join([*parts, f"--{BOUNDARY}--\r\n".encode()])
    return Exchange("POST", path, shows, body=body, **values)


def follow(*shows: str, **values: Any) -> Exchange:
    """GET where the latest redirect pointed to."""
    return get(Found(r"(?m)^location: (?:http://[^/]*)?(\S+)$"), *shows, **values)


def titles(exchanges: Sequence[Exchange]) -> list[str]:
    """What the tests are called: the number of each exchange and its request."""
    return [f"{number:02} {exchange.title}" for number, exchange in enumerate(exchanges, 1)]
