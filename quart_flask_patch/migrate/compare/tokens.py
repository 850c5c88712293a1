"""Anti-forgery tokens: find them in a side's pages, and put them into recorded forms."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass, field
from html.parser import HTMLParser
from urllib.parse import parse_qsl, quote_plus, urlsplit

from .answers import Answer

#: Names of fields, `meta` tags, headers and cookies that contain a token.
TOKEN_NAME = re.compile(
    r"(?i)csrf|xsrf|authenticity.?token|request.?verification|anti.?forgery|^_?token$|^nonce$"
)
#: Names of headers in which a page's script sends a token.
TOKEN_HEADER = re.compile(r"(?i)csrf|xsrf")


class _Page(HTMLParser):
    """Collects hidden fields, each with its form's action, and `meta` tags."""

    def __init__(self, is_token: Callable[[str], bool]) -> None:
        super().__init__()
        self.is_token, self.action = is_token, ""
        self.fields: list[tuple[str, str, str]] = []
        self.metas: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        values = {name: value or "" for name, value in attrs}
        name, value = values.get("name", ""), values.get("value", "")
        if tag == "form":
            self.action = values.get("action", "")
        elif tag == "input" and value and self.is_token(name):
            self.fields.append((self.action, name, value))
        elif tag == "meta" and values.get("content") and self.is_token(name):
            self.metas.append(values["content"])

    handle_startendtag = handle_starttag

    def handle_endtag(self, tag: str) -> None:
        if tag == "form":
            self.action = ""


@dataclass
class Tokens:
    """The tokens that one side's pages have given to one client."""

    names: frozenset[str] = frozenset()
    by_action: dict[tuple[str, str], str] = field(default_factory=dict)
    by_name: dict[str, str] = field(default_factory=dict)
    meta: str = ""
    bearer: str = ""
    #: All tokens, to be masked in what is shown.
    seen: set[str] = field(default_factory=set)

    def is_token(self, name: str) -> bool:
        return name in self.names or TOKEN_NAME.search(name) is not None

    def heed(self, path: str, answer: Answer) -> None:
        if "html" in answer.one("content-type"):
            self._heed_page(path, answer.body.decode("utf-8", "replace"))
        elif "json" in answer.one("content-type"):
            text = answer.body[:1_000_000].decode("utf-8", "replace")
            if found := re.search(r'"(?:access_?token|token|jwt)"\s*:\s*"([^"\\]{16,})"', text):
                self.bearer = found[1]
                self.seen.add(found[1])

    def _heed_page(self, path: str, text: str) -> None:
        page = _Page(self.is_token)
        page.feed(text)
        here = path.partition("?")[0]
        for action, name, value in page.fields:
            self.by_name[name] = value
            self.by_action[urlsplit(action).path or here, name] = value
        if page.metas:
            self.meta = page.metas[-1]
        self.seen.update(value for _, _, value in page.fields)
        self.seen.update(page.metas)

    def field(self, path: str, name: str) -> str:
        """Return the token of the form that posts to *path*, or else the latest with this name."""
        return self.by_action.get((path.partition("?")[0], name)) or self.by_name.get(name, "")

    def current(self) -> set[str]:
        """Return the tokens that a current page may show."""
        return {*self.by_name.values(), *self.by_action.values(), self.meta, self.bearer} - {""}

    def any(self) -> str:
        return self.meta or next(reversed(self.by_name.values()), "")

    def into_query(self, path: str, query: str) -> str:
        """Replace tokens in a query string or a form, and leave everything else unchanged."""
        parts = []
        for part in query.split("&"):
            pair = next(iter(parse_qsl(part, keep_blank_values=True)), None)
            token = self.field(path, pair[0]) if pair and self.is_token(pair[0]) else ""
            parts.append(f"{part.partition('=')[0]}={quote_plus(token)}" if token else part)
        return "&".join(parts)

    def into_parts(self, path: str, body: bytes) -> bytes:
        """Replace tokens in a multipart form."""

        def replaced(found: re.Match[bytes]) -> bytes:
            name = found["name"].decode("utf-8", "replace")
            token = self.field(path, name) if self.is_token(name) else ""
            return found["head"] + token.encode() if token else found[0]

        head = rb'(?P<head>name="(?P<name>[^"\r\n]+)"(?:\r\n[^\r\n]+)*\r\n\r\n)[^\r\n]*(?=\r\n--)'
        return re.sub(head, replaced, body)

    def into_json(self, path: str, text: str) -> str:
        def replaced(found: re.Match[str]) -> str:
            token = (self.field(path, found[2]) or self.any()) if self.is_token(found[2]) else ""
            return f'{found[1]}"{token}"' if token and '"' not in token else found[0]

        return re.sub(r'("([\w-]{1,60})"\s*:\s*)"[^"\\]*"', replaced, text)
