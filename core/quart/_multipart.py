"""Werkzeug's decoder of multipart forms, and what spares it work."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

from werkzeug.sansio.multipart import MultipartDecoder, State

# What Werkzeug's decoder takes for the rest of a boundary's line, after the boundary.
_REST_OF_LINE = re.compile(rb"(--[^\S\n\r]*(?:\r\n|\n|\r)?|[^\S\n\r]*(?:\r\n|\n|\r))")
# A line without its end, after the line break before it. A CR may be half of its end.
_LAST_LINE = re.compile(rb"(?:\r\n|\r|(?<!\r)\n)([^\r\n]*)\r?\Z")
# RFC 2046 allows spaces after a boundary. More than these do not count.
_MAX_PADDING = 64
_PADDING = b" \t\v\f"
# How much the decoder is handed from a boundary on: its line and, mostly, the part's headers.
_HEAD = 1024


class Decoder(MultipartDecoder):
    """Werkzeug's decoder, less the two expressions that it compiles for its boundary.

    Browsers make up a boundary for each form, and to compile takes as long as to parse a form of
    a mebibyte.
    """

    def __init__(
        self, boundary: bytes, max_form_memory_size: int | None, max_parts: int | None
    ) -> None:
        # These two expressions are always the same, so they are found compiled.
        super().__init__(b"", max_form_memory_size, max_parts=max_parts)
        self.boundary = boundary
        preamble: Any = _BoundaryLine(boundary, is_first=True)
        later: Any = _BoundaryLine(boundary, is_first=False)
        self.preamble_re, self.boundary_re = preamble, later


class _BoundaryLine:
    """Finds the line of a boundary as Werkzeug's expressions do; the first may begin anywhere."""

    def __init__(self, boundary: bytes, *, is_first: bool) -> None:
        self._boundary = b"--" + boundary
        self._is_first = is_first

    def search(self, data: bytes | bytearray, start: int = 0) -> _Line | None:
        at = data.find(self._boundary, start)
        while at != -1:
            rest = _REST_OF_LINE.match(data, at + len(self._boundary))
            begin = _line_break_before(data, start, at)
            if rest is not None and (begin < at or self._is_first):
                return _Line(begin, rest)
            at = data.find(self._boundary, at + 1)
        return None


def _line_break_before(data: bytes | bytearray, start: int, at: int) -> int:
    """Return where the line break begins that ends at *at*, or *at* if there is none."""
    before = data[max(at - 2, start) : at]
    return at - 2 if before == b"\r\n" else at - before.endswith((b"\r", b"\n"))


class _Line:
    """What the decoder asks a match of its expressions for."""

    def __init__(self, start: int, rest: re.Match[bytes]) -> None:
        self._start = start
        self.group = rest.group
        self.end = rest.end

    def start(self) -> int:
        return self._start


class Pieces:
    """Cuts what arrives into what the decoder has to see, and content that it need not.

    The decoder searches its buffer anew for each part and copies it thrice. And where it is handed
    a boundary without the end of the boundary's line, it takes the CR before the boundary for
    content (Werkzeug 3.1). So a line that is not over is held back if it may be a boundary's.
    """

    def __init__(self, decoder: MultipartDecoder, size: int) -> None:
        self.held = b""
        self._has_begun = False
        self._decoder = decoder
        self._boundary = b"--" + decoder.boundary
        self._reach = len(self._boundary) + _MAX_PADDING
        # Larger than what may be held back, so that there is always a piece to hand over.
        self._size = max(size, 2 * self._reach)
        self._head = max(_HEAD, 2 * self._reach)

    def cut(self, chunk: bytes) -> Iterator[tuple[bytes | memoryview, bool]]:
        """Yield pieces, and of each whether it is content, with nothing for the decoder in it.

        The decoder has to be handed its piece before the next one is asked for.
        """
        data = self.held + chunk if self.held else chunk
        view = memoryview(data)
        start = stop = 0
        first, end = self._boundaries(data, 0)
        while stop < len(data):
            is_content = start < first and self._is_amid_content()
            stop = first if start < first else end
            if not is_content:
                stop = min(start + self._size, stop)
            settled = stop
            if not is_content or stop == len(data):
                settled = max(self._unfinished(data, stop), start)
            if settled > start:
                yield (view if is_content else data)[start:settled], is_content
                self._has_begun = True
            start = settled
            if stop == first:
                first = settled
            if stop == end:
                first, end = self._boundaries(data, start)
        self.held = data[start:]

    def _is_amid_content(self) -> bool:
        return self._decoder.state is State.DATA and not self._decoder.buffer

    def _boundaries(self, data: bytes, start: int) -> tuple[int, int]:
        """Return from where to where *data* has boundaries; its end, twice, if it has none.

        That is from where the line break before the first one may begin.
        """
        # Backwards takes half the time: CPython searches forwards in a way that suits long needles.
        for window in range(start, len(data), self._size):
            beyond = window + self._size + len(self._boundary) - 1
            last = data.rfind(self._boundary, window, beyond)
            if last != -1:
                first = data.find(self._boundary, window, beyond)
                return max(first - 2, start), min(last + self._head, len(data))
        return len(data), len(data)

    def _unfinished(self, data: bytes, stop: int) -> int:
        """Return where the line begins, before *stop*, that may yet become a boundary's."""
        found = _LAST_LINE.search(data, max(stop - self._reach, 0), stop)
        if found is None:
            return stop
        line = found[1]
        if line.startswith(self._boundary) or self._boundary.startswith(line):
            # A line break that ends the line of a boundary is not the one before the next.
            is_over = self._is_line_of_boundary(
                data[max(found.start() - self._reach, 0) : found.start()]
            )
            return found.start(1) if is_over else found.start()
        return stop - data.endswith(b"\r", 0, stop)

    def _is_line_of_boundary(self, text: bytes) -> bool:
        """Return whether the last line of *text* is a boundary's."""
        line = text.rstrip(_PADDING)
        if not line.endswith(self._boundary):
            return False
        start = len(line) - len(self._boundary)
        return line[:start].endswith((b"\r", b"\n")) or (start == 0 and not self._has_begun)
