"""Prepare bodies for comparing: decompress them, and read them as JSON, text or bytes."""

from __future__ import annotations

import codecs
import json
import re
import zlib
from dataclasses import dataclass

from .answers import Answer

_TEXTS = re.compile(r"(?i)^text/|[/+](?:json|xml|html)|javascript|ecmascript|urlencoded|graphql")
MISSING = object()


@dataclass
class Body:
    """A body, or its first part; *data* is MISSING unless it is JSON."""

    content: bytes
    text: str | None
    data: object
    size: int
    digest: str
    is_cut: bool
    problem: str = ""


def body_of(answer: Answer, most: int) -> Body:
    content, problem = _decompressed(answer, most)
    is_cut = answer.size > len(answer.body) or len(content) >= most
    kind = answer.one("content-type")
    text = None if problem else _text(content, kind, is_cut)
    data = MISSING
    if text is not None and "json" in kind and not is_cut:
        try:
            data = json.loads(text)
        except (ValueError, RecursionError):
            problem = ""
    return Body(content, text, data, answer.size, answer.digest, is_cut, problem)


def _decompressed(answer: Answer, most: int) -> tuple[bytes, str]:
    encoding = answer.one("content-encoding").strip().lower()
    if encoding not in ("gzip", "x-gzip", "deflate") or not answer.body:
        return answer.body, ""
    for bits in (47, -15):  # gzip or zlib by the header; deflate without one.
        engine = zlib.decompressobj(bits)
        try:
            content = engine.decompress(answer.body, most)
        except zlib.error:
            continue
        whole = engine.eof or bool(engine.unconsumed_tail) or answer.size > len(answer.body)
        return content, "" if whole else f"{encoding} that ends too early"
    return answer.body, f"no {encoding}"


def _text(content: bytes, kind: str, is_cut: bool) -> str | None:
    found = re.search(r"(?i)charset=[\"']?([\w.:-]+)", kind)
    try:
        decoder = codecs.getincrementaldecoder(found[1] if found else "utf-8")("strict")
        text = decoder.decode(content, not is_cut)
    except (LookupError, UnicodeDecodeError, UnicodeError):
        return None
    return text if _TEXTS.search(kind) or "\0" not in text else None
