"""A client with cookies that sends a scenario's exchanges to one server."""

from __future__ import annotations

import re
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from functools import cached_property
from http.client import HTTPConnection, HTTPException
from http.cookies import SimpleCookie

from compat_matrix.scenarios._exchange import Exchange, Found, Named

# Both servers are called so, that the links they make are the same.
HOST = "scenario.test"
PATIENCE = 40.0  # seconds for one answer; the first waits for its server to start

# They belong to the connection, not to the answer (RFC 9110, 7.6.1).
OF_THE_CONNECTION = {"connection", "keep-alive", "transfer-encoding"}


@dataclass
class Answer:
    """One answer, and all of it as text: status, headers by name, body."""

    status: int
    headers: list[tuple[str, str]]
    body: bytes

    @cached_property
    def text(self) -> str:
        lines = [f"{name}: {value}" for name, value in self.headers]
        body = self.body.decode("utf-8", "backslashreplace")
        return "\n".join([str(self.status), *lines, "", body])

    def normal(self, differences: Sequence[Named]) -> str:
        text = self.text
        for difference in differences:
            text = difference.apply(text)
        return text


class Client:
    """Sends exchanges, each over a connection of its own, and keeps the answers."""

    def __init__(self, port: int) -> None:
        self.port = port
        self.cookies: dict[str, str] = {}
        self.answers: list[Answer] = []

    def send(self, exchange: Exchange) -> Answer:
        """Send *exchange*, keep its answer, and return it; no answer is one of status 0."""
        try:
            answer = self.ask(exchange)
        except (OSError, HTTPException) as error:
            answer = Answer(0, [], f"no answer: {error!r}".encode())
        self.keep_cookies(answer)
        self.answers.append(answer)
        return answer

    def ask(self, exchange: Exchange) -> Answer:
        headers = {name: self.resolve(value) for name, value in exchange.headers.items()}
        headers["Host"] = HOST
        if self.cookies:
            headers["Cookie"] = "; ".join(f"{k}={v}" for k, v in self.cookies.items())
        content = exchange.content(self.resolve) or None
        connection = HTTPConnection("127.0.0.1", self.port, timeout=PATIENCE)
        try:
            with suppress(BrokenPipeError, ConnectionResetError):  # refused before it is read
                connection.request(exchange.method, self.resolve(exchange.path), content, headers)
            response = connection.getresponse()
            found = [(name.lower(), value) for name, value in response.getheaders()]
            kept = sorted((h for h in found if h[0] not in OF_THE_CONNECTION), key=lambda h: h[0])
            return Answer(response.status, kept, response.read())
        finally:
            connection.close()

    def keep_cookies(self, answer: Answer) -> None:
        for name, value in answer.headers:
            if name != "set-cookie":
                continue
            for key, cookie in SimpleCookie(value).items():
                if cookie["max-age"] == "0" or "1970" in cookie["expires"]:
                    self.cookies.pop(key, None)
                else:
                    self.cookies[key] = cookie.coded_value

    def resolve(self, value: str | Found) -> str:
        if isinstance(value, str):
            return value
        for answer in reversed(self.answers):
            if match := re.search(value.pattern, answer.text):
                return value.text.format(match[1])
        raise LookupError(
            f"no answer so far has {value.pattern!r}; the scenario expects it of an earlier one"
        )


def difference(one: str, other: str) -> str:
    """The first line in which two answers differ, or nothing."""
    if one == other:
        return ""
    for first, second in zip(one.split("\n"), other.split("\n"), strict=False):
        if first != second:
            same = next(
                (i for i, (a, b) in enumerate(zip(first, second, strict=False)) if a != b),
                min(len(first), len(second)),
            )
            part = slice(max(same - 100, 0), same + 200)
            return f"- {first[part]}\n+ {second[part]}"
    longer = max(one, other, key=len)[min(len(one), len(other)) :]
    return f"{'-' if len(one) > len(other) else '+'} {longer[:300]}"
