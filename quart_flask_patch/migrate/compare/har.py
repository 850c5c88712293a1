"""Read requests from a HAR file, which a browser's network panel saves."""

from __future__ import annotations

import base64
import re
from collections import Counter
from collections.abc import Iterator
from contextlib import suppress
from urllib.parse import urlencode

from .documents import as_dict, as_list, as_text
from .listed import FORM
from .recorded import Headers, METHOD, path_of, Recorded, sendable, split

_HOST = re.compile(r"[A-Za-z0-9.:_\[\]-]+")
#: Headers that are set anew for each side, or that belong to the connection.
_NOT_SENT = {
    *("host", "content-length", "connection", "transfer-encoding", "keep-alive", "te", "upgrade"),
    *("proxy-connection", "http2-settings", "priority"),
}


def host_of(document: dict[str, object]) -> str:
    """Return the host of the first request, which is the page's."""
    for entry in _entries(document):
        host = split(_url(entry)).netloc.rpartition("@")[2]
        if _HOST.fullmatch(host):
            return host
    return ""


def from_har(document: dict[str, object], name: str, skipped: Counter[str]) -> Iterator[Recorded]:
    host = host_of(document)
    for number, entry in enumerate(_entries(document), 1):
        request = as_dict(entry.get("request"))
        url = _url(entry)
        method = as_text(request.get("method")).upper()
        if split(url).netloc.rpartition("@")[2] != host:
            skipped["requests to other hosts"] += 1
        elif split(url).scheme.startswith("ws") or entry.get("_resourceType") == "websocket":
            skipped["websockets"] += 1
        elif (path := path_of(url)) is None or not METHOD.fullmatch(method):
            skipped["entries that are no request"] += 1
        else:
            data = as_dict(request.get("postData"))
            body = _body(data)
            if data.get("params") and body is None:
                skipped["bodies that the file does not have"] += 1
            yield Recorded(method, path, _headers(request), body, place=f"{name}:{number}")


def _entries(document: dict[str, object]) -> list[dict[str, object]]:
    return [as_dict(entry) for entry in as_list(as_dict(document.get("log")).get("entries"))]


def _url(entry: dict[str, object]) -> str:
    return as_text(as_dict(entry.get("request")).get("url"))


def _headers(request: dict[str, object]) -> Headers:
    pairs = [as_dict(header) for header in as_list(request.get("headers"))]
    named = ((as_text(pair.get("name")), as_text(pair.get("value"))) for pair in pairs)
    return sendable(tuple(pair for pair in named if pair[0].lower() not in _NOT_SENT))


def _body(data: dict[str, object]) -> bytes | None:
    if not data:
        return None
    text = data.get("text")
    if isinstance(text, str) and text:
        if data.get("encoding") != "base64":
            return text.encode("utf-8", "replace")
        with suppress(ValueError):
            return base64.b64decode(text)
        return None
    params = [as_dict(each) for each in as_list(data.get("params"))]
    if as_text(data.get("mimeType")).startswith(FORM):
        pairs = [(as_text(each.get("name")), as_text(each.get("value"))) for each in params]
        return urlencode(pairs).encode()
    return None
