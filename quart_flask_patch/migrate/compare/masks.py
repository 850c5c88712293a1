"""Mask what must not be shown: cookies, tokens, passwords, credentials."""

from __future__ import annotations

import html
import os
import re
from collections.abc import Iterable
from urllib.parse import parse_qsl, quote, quote_plus, unquote

from .cookies import sent_in
from .documents import as_dict
from .recorded import Recorded

MASK = "***"
#: Names of fields, keys, parameters and variables whose values are secrets.
SECRET_NAME = re.compile(
    r"(?i)pass(?:word|wd|phrase|code)?(?![a-z])|pwd|secret|token|api_?-?key|access_?-?key"
    r"|private_?-?key|auth(?!ors?(?:[^a-z]|$))|credential|session|csrf|xsrf|cookie|signature|^sig$|^key$|^code$|otp|jwt"
)
_NAMED = (
    r"[\w.-]*(?:passw(?:or)?d|passphrase|pwd|secret|token|api[_-]?key|private[_-]?key"
    r"|credential|csrf|xsrf|authorization|signature)[\w.-]*"
)
_QUOTE = "(?:&quot;|&#3[49];|[\"'])"
_PATTERNS = (
    re.compile(r"(?i)(\b(?:bearer|basic|digest)\s+)([\w.~+/=-]{6,})"),
    # name=value, "name": "value", name: value
    re.compile(rf"(?i)((?<![\w.-]){_NAMED}(?:{_QUOTE}|\])*\s*[=:]\s*{_QUOTE}?)([^\s\"'&;,<>]+)"),
    # <input name="password" value="...">, <meta name="csrf-token" content="...">
    re.compile(rf"(?i)(name=[\"']?{_NAMED}[\"']?[^<>]*?(?:value|content)=[\"']?)([^\"'\s<>]+)"),
    re.compile(r"(://[^\s/:@]*:)([^\s/@]+)(?=@)"),
    re.compile(r"()(\beyJ[\w-]{8,}\.[\w.-]+)"),
    re.compile(r"()((?<![\w.-])\.?[\w-]{4,}(?:\.[\w-]{6})?\.[\w-]{27}(?![\w-]))"),
)
#: Secrets of at least this length are masked everywhere; shorter ones may be words.
LEAST = 4
_WORDS = {"text", "true", "false", "null", "none"}
_SECRET_VARIABLE = re.compile(r"(?i)passw|pwd$|secret|token|credential|(?:^|_)key$|_dsn$")


class Masks:
    """Collects the secrets of a comparison, and masks them in what is shown."""

    def __init__(self) -> None:
        self._secrets: set[str] = set()
        values = os.environ.items()
        self.add(v for name, v in values if len(v) > LEAST * 2 and _SECRET_VARIABLE.search(name))

    def add(self, secrets: Iterable[str]) -> None:
        found = {written for secret in secrets for written in _written(secret)}
        self._secrets |= {each for each in found if len(each) >= LEAST and each not in _WORDS}

    def add_request(self, recorded: Recorded) -> None:
        for name, value in recorded.headers:
            if name.lower() == "cookie":
                self.add(sent_in(value).values())
            elif SECRET_NAME.search(name):
                self.add([value, value.partition(" ")[2]])
        self._add_pairs(recorded.path.partition("?")[2])
        if recorded.body is not None:
            self._add_body(recorded.body[:1_000_000], recorded.header("content-type").lower())

    def _add_body(self, body: bytes, kind: str) -> None:
        text = body.decode("utf-8", "replace")
        if "urlencoded" in kind:
            self._add_pairs(text)
        elif "json" in kind:
            pairs = re.findall(r'"([^"\\]{1,60})"\s*:\s*"((?:[^"\\]|\\.)*)"', text)
            self.add(value for name, value in pairs if SECRET_NAME.search(name))
        elif "multipart" in kind:
            pattern = r'name="([^"\r\n]+)"(?:\r\n[^\r\n]+)*\r\n\r\n([^\r\n]*)(?=\r\n--)'
            pairs = re.findall(pattern, text)
            self.add(value for name, value in pairs if SECRET_NAME.search(name))

    def _add_pairs(self, text: str) -> None:
        for name, value in parse_qsl(text, keep_blank_values=True):
            if SECRET_NAME.search(name):
                self.add([value])

    def over(self, text: str) -> str:
        """Return *text* with secrets masked."""
        found = [secret for secret in self._secrets if secret in text]
        for secret in sorted(found, key=len, reverse=True):
            text = text.replace(secret, MASK)
        for pattern in _PATTERNS:
            text = pattern.sub(_masked, text)
        return text

    def over_path(self, path: str) -> str:
        """Return *path* with secret values in its query masked."""
        before, mark, query = path.partition("?")
        parts = (part.partition("=") for part in query.split("&"))
        shown = [
            f"{name}={MASK}"
            if value and SECRET_NAME.search(unquote(name))
            else name + equals + value
            for name, equals, value in parts
        ]
        return self.over(before + mark + "&".join(shown))


def _masked(found: re.Match[str]) -> str:
    # Text that was masked already, such as <token>, is no secret.
    return found[0] if found[2].startswith("<") else found[1] + MASK


def _written(secret: str) -> set[str]:
    """Return the forms in which *secret* may appear in an answer."""
    return {
        secret,
        quote(secret, safe=""),
        quote_plus(secret),
        html.escape(secret),
        unquote(secret),
    }


def is_secret_key(key: object) -> bool:
    return isinstance(key, str) and SECRET_NAME.search(key) is not None


def masked_json(value: object) -> object:
    """Return *value* with the values of secret keys masked."""
    if isinstance(value, dict):
        return {
            key: MASK if is_secret_key(key) and each else masked_json(each)
            for key, each in as_dict(value).items()
        }
    return [masked_json(each) for each in value] if isinstance(value, list) else value
