"""Read requests from a file, whose kind is told from its content."""

from __future__ import annotations

import gzip
import json
import zlib
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TextIO

from .documents import as_dict, as_list
from .har import from_har, host_of
from .listed import from_list, looks_listed
from .logs import from_log, looks_logged
from .openapi import Document
from .recorded import CompareError, Recorded, Source

#: How many lines are tried before a file counts as no log.
LOOKED_AT = 50
_EXPECTED = (
    "an access log (common or combined), a HAR file, an OpenAPI document, or a list of METHOD /path"
)


def read_source(file: Path) -> Source:
    """Return the requests in *file*; a log, which may be large, is read bit by bit."""
    with _reading(file) as opened:
        beginning = opened.read(1 << 16)
    first = beginning.lstrip("\ufeff \t\r\n")[:1]
    if first == "{":
        return _of_document(_parsed(file), file)
    lines = [line for line in beginning.splitlines() if line.strip()][:LOOKED_AT]
    if any(looks_logged(line) for line in lines):
        skipped: Counter[str] = Counter()
        return Source("access log", from_log(_lines(file), file.name, skipped), skipped)
    meant = [line for line in lines if not line.startswith("#")]
    if meant and looks_listed(meant[0].strip()):
        with _reading(file) as opened:
            # Read it now, so that errors in it are reported before a server starts.
            return Source("list", iter(list(from_list(opened.read(), file))))
    if file.suffix in (".yaml", ".yml") or any(
        line.startswith(("openapi:", "swagger:")) for line in lines
    ):
        return _of_document(_yaml(file), file)
    shown = meant[0][:80] if meant else "an empty file"
    raise CompareError(f"{file}: expected {_EXPECTED}, got {shown!r}")


def of_routes(paths: Sequence[str]) -> Source:
    return Source("routes", iter([Recorded("GET", path, place="URL map") for path in paths]))


@contextmanager
def _reading(file: Path) -> Iterator[TextIO]:
    """Open *file*, unpacked if it is packed.

    Raises:
        CompareError: if it cannot be read to its end.
    """
    try:
        with file.open("rb") as found:
            is_zipped = found.read(2) == b"\x1f\x8b"
        how: Callable[..., TextIO] = gzip.open if is_zipped else open
        with how(file, "rt", encoding="utf-8", errors="replace") as opened:
            yield opened
    except (OSError, EOFError, zlib.error) as error:
        raise CompareError(f"{file}: expected a file that can be read, got: {error}") from None


def _lines(file: Path) -> Iterator[str]:
    with _reading(file) as opened:
        yield from opened


def _parsed(file: Path) -> dict[str, object]:
    try:
        with _reading(file) as opened:
            return as_dict(json.loads(opened.read().lstrip("\ufeff")))
    except (ValueError, RecursionError) as error:
        raise CompareError(
            f"{file}: expected {_EXPECTED}, got JSON that is broken: {error}"
        ) from None


def _yaml(file: Path) -> dict[str, object]:
    try:
        import yaml
    except ImportError:
        raise CompareError(
            f"{file}: expected PyYAML to read it, which is not installed. Run pip install"
            " pyyaml, or give the document as JSON."
        ) from None
    try:
        with _reading(file) as opened:
            return as_dict(yaml.safe_load(opened))
    except (yaml.YAMLError, ValueError, RecursionError) as error:
        raise CompareError(
            f"{file}: expected {_EXPECTED}, got YAML that is broken: {error}"
        ) from None


def _of_document(document: dict[str, object], file: Path) -> Source:
    skipped: Counter[str] = Counter()
    if as_list(as_dict(document.get("log")).get("entries")):
        found = from_har(document, file.name, skipped)
        return Source("HAR file", found, skipped, host_of(document))
    if "paths" in document and ("openapi" in document or "swagger" in document):
        return Source("OpenAPI document", Document(document, skipped).requests(file.name), skipped)
    keys = ", ".join(list(document)[:5]) or "nothing"
    raise CompareError(f"{file}: expected {_EXPECTED}, got a document with {keys}")
