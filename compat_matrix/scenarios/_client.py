"""A client with cookies that sends a scenario's exchanges to one server."""

from __future__ import annotations

import re

from compat_matrix.scenarios._engine import Answer, ask, cookies_of, difference, Patience
from compat_matrix.scenarios._exchange import Exchange, Found

__all__ = ["Answer", "Client", "difference"]

# Both servers are called so, that the links they make are the same.
HOST = "scenario.test"
PATIENCE = 40.0  # seconds for one answer; the first waits for its server to start


class Client:
    """Sends exchanges, each over a connection of its own, and keeps the answers."""

    def __init__(self, port: int) -> None:
        self.port = port
        self.cookies: dict[str, str] = {}
        self.answers: list[Answer] = []

    def send(self, exchange: Exchange) -> Answer:
        """Send *exchange*, keep its answer, and return it; no answer is one of status 0."""
        headers = {name: self.resolve(value) for name, value in exchange.headers.items()}
        headers |= {"Host": HOST, "Accept-Encoding": "identity"}
        if self.cookies:
            headers["Cookie"] = "; ".join(f"{k}={v}" for k, v in self.cookies.items())
        content, path = exchange.content(self.resolve) or None, self.resolve(exchange.path)
        pairs = list(headers.items())
        answer = ask(self.port, exchange.method, path, pairs, content, Patience(PATIENCE))
        self.keep_cookies(answer)
        self.answers.append(answer)
        return answer

    def keep_cookies(self, answer: Answer) -> None:
        for name, value in cookies_of(answer).items():
            if value is None:
                self.cookies.pop(name, None)
            else:
                self.cookies[name] = value

    def resolve(self, value: str | Found) -> str:
        if isinstance(value, str):
            return value
        for answer in reversed(self.answers):
            if match := re.search(value.pattern, answer.text):
                return value.text.format(match[1])
        raise LookupError(
            f"no answer so far has {value.pattern!r}; the scenario expects it of an earlier one"
        )
