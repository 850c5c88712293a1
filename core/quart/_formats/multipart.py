"""Parse multipart forms as they arrive, without I/O.

The result is what Werkzeug's decoder finds in the whole form, however the form is cut into chunks.
No step of Python looks at a single byte: a client chooses the boundary and the content, and must
not be able to choose how long parsing takes.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from functools import cached_property
from typing import cast, NamedTuple

from werkzeug.datastructures import Headers
from werkzeug.exceptions import RequestEntityTooLarge
from werkzeug.http import parse_options_header
from werkzeug.sansio.multipart import Field, File, State

#: How many bytes the headers of a part may have.
MAX_HEAD = 16 * 1024
# How many blanks may follow a boundary on its line. RFC 2046 allows any number, but they must be
# kept until the line ends.
_MAX_PADDING = 4096

_LINE_BREAK = rb"(?:\r\n|\n|\r)"
# What may follow a boundary: the mark of the last one, or the end of its line.
_REST = rb"(--|[ \t\v\f]{0,%d}%s)" % (_MAX_PADDING, _LINE_BREAK)
_REST_OF_LINE = re.compile(_REST)
_UNFINISHED_REST = re.compile(rb"-|[ \t\v\f]{0,%d}" % _MAX_PADDING)
_FIRST_LINE_BREAK = re.compile(_LINE_BREAK)
_BLANK_LINE = re.compile(rb"\r\n\r\n|\r\r|\n\n")
_FOLDED = re.compile(_LINE_BREAK + rb"[ \t]")

#: The beginning of a part, a piece of its content, or None for its end.
Event = Field | File | memoryview | None


class _Line(NamedTuple):
    """The position of a boundary's line, including the line break before it."""

    start: int
    end: int
    is_last: bool


class Decoder:
    """Parses one form with this *boundary* and at most *max_parts* parts."""

    def __init__(self, boundary: bytes, max_parts: int | None = None) -> None:
        self._boundary = b"--" + boundary
        self._max_parts = max_parts
        self._parts = 0
        self._state = State.PREAMBLE
        # What has arrived and was not parsed yet, and how much of it was searched already.
        self._held = b""
        self._searched = 0

    def feed(self, chunk: bytes) -> Iterator[Event]:
        """Yield the events that *chunk* completes; take them all before you feed the next chunk.

        Raises:
            RequestEntityTooLarge: if there are too many parts, or a part's headers are too long.
            ValueError: if this is not a multipart form.
        """
        data = self._held + chunk if self._held else chunk
        at = 0
        while self._state is not State.EPILOGUE:
            if self._state is State.PART:
                head = self._end_of_head(data, at)
                if head is None:
                    break
                yield self._begin_part(data[at : head[0]])
                at, self._state = head[1], State.DATA_START
                continue
            line, settled = self._next_line(data, at)
            if self._state is not State.PREAMBLE:
                start = self._start_of_content(data, at, settled)
                if start < settled:
                    yield memoryview(data)[start:settled]
                if line is not None:
                    yield None
            if line is None:
                at = settled
                break
            at, self._state = line.end, State.EPILOGUE if line.is_last else State.PART
        self._held = b"" if self._state is State.EPILOGUE else data[at:]

    def end(self) -> None:
        """Note that nothing more arrives.

        Raises:
            ValueError: if the last boundary is missing.
        """
        if self._state is not State.EPILOGUE:
            raise ValueError(
                "Expected the form to end with its boundary and '--', got the end in the state"
                f" {self._state.name}. Send all of it."
            )

    def _end_of_head(self, data: bytes, at: int) -> tuple[int, int] | None:
        """Return where a part's headers end, and where the line break before its content is."""
        blank = _BLANK_LINE.search(data, at + self._searched)
        if (len(data) - 3 if blank is None else blank.start()) - at > MAX_HEAD:
            raise RequestEntityTooLarge
        if blank is None:
            # The blank line may have begun in the last three bytes.
            self._searched = max(len(data) - 3 - at, 0)
            return None
        self._searched = 0
        return blank.start(), (blank.start() + blank.end()) // 2

    def _begin_part(self, head: bytes) -> Field | File:
        headers = _headers(head)
        if "content-disposition" not in headers:
            raise ValueError(
                f"Expected each part to have a Content-Disposition header, got {headers!r}."
            )
        options = parse_options_header(headers["content-disposition"])[1]
        self._parts += 1
        if self._max_parts is not None and self._parts > self._max_parts:
            raise RequestEntityTooLarge
        name, filename = cast(str, options.get("name")), options.get("filename")
        if filename is None:
            return Field(name=name, headers=headers)
        return File(name=name, filename=filename, headers=headers)

    def _start_of_content(self, data: bytes, at: int, settled: int) -> int:
        """Return where content begins: the first piece, after a line break."""
        # That line break may also be the one before a boundary, so look at it with what follows.
        if self._state is State.DATA_START and settled > at:
            self._state = State.DATA
            return cast("re.Match[bytes]", _FIRST_LINE_BREAK.match(data, at)).end()
        return at

    # Boundaries

    def _next_line(self, data: bytes, at: int) -> tuple[_Line | None, int]:
        """Return the next boundary's line if it is complete, and up to where no line begins."""
        line = self._first_line(data, at)
        if line is None:
            return None, self._first_unsettled(data, at)
        # A CR may be the first half of the line's end.
        if not line.is_last and line.end == len(data) and data.endswith(b"\r"):
            return None, line.start
        return line, line.start

    def _first_line(self, data: bytes, at: int) -> _Line | None:
        found = data.find(self._boundary, at)
        if found == -1:
            return None
        start = _line_break_before(data, at, found)
        rest = _REST_OF_LINE.match(data, found + len(self._boundary))
        if rest is not None and (start < found or self._state is State.PREAMBLE):
            return _Line(start, rest.end(), rest[1] == b"--")
        # A client may send a lot of text that only looks like a boundary.
        match = self._expression.search(data, at)
        return match and _Line(match.start(), match.end(), match[1] == b"--")

    @property
    def _expression(self) -> re.Pattern[bytes]:
        # Compiled only if needed. Cost: "expression" in docs/performance.md.
        return self._first_expression if self._state is State.PREAMBLE else self._later_expression

    @cached_property
    def _first_expression(self) -> re.Pattern[bytes]:
        return re.compile(b"%s?%s%s" % (_LINE_BREAK, re.escape(self._boundary), _REST))

    @cached_property
    def _later_expression(self) -> re.Pattern[bytes]:
        return re.compile(b"%s%s%s" % (_LINE_BREAK, re.escape(self._boundary), _REST))

    def _first_unsettled(self, data: bytes, at: int) -> int:
        """Return where a boundary's line may begin whose end has not arrived."""
        if self._state is State.PREAMBLE:
            # The first boundary need not follow a line break.
            return max(len(data) - len(self._boundary) - _MAX_PADDING - 1, at)
        last = max(data.rfind(b"\r", at), data.rfind(b"\n", at))
        if last == -1:
            return len(data)
        rest = last + 1 + len(self._boundary)
        if rest <= len(data):
            may_be_one = (
                data.startswith(self._boundary, last + 1)
                and _UNFINISHED_REST.fullmatch(data, rest) is not None
            )
        else:
            may_be_one = self._boundary.startswith(data[last + 1 :])
        return _line_break_before(data, at, last + 1) if may_be_one else len(data)


def _line_break_before(data: bytes, at: int, end: int) -> int:
    """Return the start of the line break that ends at *end*, or *end* if there is none."""
    before = data[max(end - 2, at) : end]
    return end - 2 if before == b"\r\n" else end - before.endswith((b"\r", b"\n"))


def _headers(head: bytes) -> Headers:
    lines = [line.strip(b" \t") for line in _FOLDED.sub(b" ", head).splitlines()]
    pairs = [line.decode().partition(":") for line in lines if line]
    return Headers([(name.strip(" \t"), value.strip(" \t")) for name, _, value in pairs])
