"""Carry cookies and tokens from a side's answers to its next requests, as a browser does."""

from __future__ import annotations

import re
from dataclasses import dataclass, field

from .answers import Answer
from .cookies import Jar, sent_in
from .recorded import Headers, Recorded
from .tokens import TOKEN_HEADER, Tokens

#: Headers to set anew, as the recorded ones belong to another conversation or connection.
_REPLACED = {
    *(
        "host",
        "cookie",
        "content-length",
        "transfer-encoding",
        "connection",
        "keep-alive",
        "expect",
    ),
    *("accept-encoding", "upgrade", "te"),
}
#: Headers for a token from a JSON answer of this side.
TOKEN_MARK = "{token}"
#: The encodings that can be decoded here.
_ENCODINGS = {"gzip", "deflate", "identity", "x-gzip"}


@dataclass(frozen=True, slots=True)
class Prepared:
    """A request as it is sent to one side."""

    method: str
    path: str
    headers: Headers
    body: bytes | None


@dataclass
class Conversation:
    """The conversation of one client with one side."""

    tokens: Tokens
    jar: Jar = field(default_factory=Jar)
    etags: dict[str, str] = field(default_factory=dict)

    def prepare(self, recorded: Recorded, host: str, added: Headers) -> Prepared:
        path = self._path(recorded.path)
        given = {name.lower() for name, _ in added}
        headers = [("Host", host), ("Accept-Encoding", _readable(recorded))]
        for name, value in recorded.headers:
            if name.lower() not in _REPLACED and name.lower() not in given:
                headers.append((name, self._header(recorded, name, value)))
        if cookie := self.jar.header(path, recorded.header("cookie")):
            headers.append(("Cookie", cookie))
        headers += [(name, self._with_token(value)) for name, value in added]
        return Prepared(recorded.method, path, tuple(headers), self._body(recorded))

    def heed(self, recorded: Recorded, answer: Answer) -> None:
        self.jar.heed(answer)
        self.tokens.heed(recorded.path, answer)
        if etag := answer.one("etag"):
            self.etags[recorded.path] = etag

    def _path(self, path: str) -> str:
        before, mark, query = path.partition("?")
        return before + mark + self.tokens.into_query(path, query) if query else path

    def _header(self, recorded: Recorded, name: str, value: str) -> str:
        lower = name.lower()
        if TOKEN_MARK in value:
            return self._with_token(value)
        if lower == "if-none-match":
            return self.etags.get(recorded.path, value)
        if lower == "authorization" and value.startswith("Bearer ") and self.tokens.bearer:
            return f"Bearer {self.tokens.bearer}"
        if TOKEN_HEADER.search(name):
            return self._sent_twice(recorded, value) or self.tokens.any() or value
        return value

    def _with_token(self, value: str) -> str:
        return value.replace(TOKEN_MARK, self.tokens.bearer)

    def _sent_twice(self, recorded: Recorded, value: str) -> str:
        """Return this side's value of a cookie that a recorded header repeats."""
        sent = sent_in(recorded.header("cookie"))
        named = [name for name, cookie in sent.items() if cookie == value]
        named += [name for name in sorted(self.jar.known) if TOKEN_HEADER.search(name)]
        return next(filter(None, map(self.jar.value, named)), "")

    def _body(self, recorded: Recorded) -> bytes | None:
        body, kind = recorded.body, recorded.header("content-type").lower()
        if body is None or not (self.tokens.by_name or self.tokens.meta):
            return body
        if "urlencoded" in kind:
            return self.tokens.into_query(recorded.path, body.decode("latin-1")).encode("latin-1")
        if "multipart" in kind:
            return self.tokens.into_parts(recorded.path, body)
        if "json" in kind:
            text = body.decode("utf-8", "surrogateescape")
            return self.tokens.into_json(recorded.path, text).encode("utf-8", "surrogateescape")
        return body


def _readable(recorded: Recorded) -> str:
    asked = re.findall(r"[\w*-]+(?:;q=[\d.]+)?", recorded.header("accept-encoding"))
    return ", ".join(each for each in asked if each.partition(";")[0] in _ENCODINGS) or "identity"
