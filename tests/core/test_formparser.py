"""Forms: what is parsed, however it arrives, and the limits."""

from __future__ import annotations

import asyncio
import gc
import io
import random
import sys
import time
import tracemalloc
from collections.abc import Iterable
from io import BytesIO
from tempfile import SpooledTemporaryFile
from types import FrameType
from typing import Any, IO

import pytest
from werkzeug.datastructures import Headers, ImmutableMultiDict
from werkzeug.exceptions import BadRequest, RequestEntityTooLarge
from werkzeug.formparser import MultiPartParser as WSGIMultiPartParser

from quart._formats.multipart import Decoder, MAX_HEAD
from quart.datastructures import FileStorage
from quart.formparser import FILE_MEMORY_SIZE, FormDataParser, MultiPartParser
from quart.wrappers import Body

BOUNDARY = b"boundary"
A_FILE = b"Content-Disposition: form-data; name=f; filename=f"


def part(head: str, content: bytes) -> bytes:
    return b"--boundary\r\n" + head.encode() + b"\r\n\r\n" + content + b"\r\n"


def field(name: str, content: bytes, more: str = "") -> bytes:
    return part(f'Content-Disposition: form-data; name="{name}"{more}', content)


def file(name: str, filename: str, content: bytes, more: str = "") -> bytes:
    return field(name, content, f'; filename="{filename}"{more}')


def form(*parts: bytes) -> bytes:
    return b"".join(parts) + b"--boundary--\r\n"


def in_pieces(data: bytes, size: int) -> list[bytes]:
    return [data[start : start + size] for start in range(0, len(data), size)]


def make_body(chunks: Iterable[bytes]) -> Body:
    body = Body(None, None)
    for chunk in chunks:
        body.append(chunk)
    body.set_complete()
    return body


def parse_multipart(data: bytes, size: int = 1 << 20, **options: Any) -> tuple[Any, Any]:
    parser = MultiPartParser(**options)
    return asyncio.run(parser.parse(make_body(in_pieces(data, size)), BOUNDARY, len(data)))


def parse_form(
    data: bytes, content_type: str, options: dict[str, str] | None = None, **parser: Any
) -> tuple[Any, Any]:
    body = make_body([data])
    return asyncio.run(FormDataParser(**parser).parse(body, content_type, len(data), options))


@pytest.mark.parametrize("size", [1, 7, 1000, 1 << 20])
def test_fields_and_files_in_pieces_of_any_size(size: int) -> None:
    content = bytes(range(256)) * 20 + b"\r\n--bound\r\n"
    data = form(
        field("a", b"one"),
        file("f", "name.bin", content, "\r\nContent-Type: image/png"),
        field("a", "zw\u00f6lf".encode()),
        field("empty", b""),
    )
    fields, files = parse_multipart(data, size)
    assert fields.to_dict(flat=False) == {"a": ["one", "zw\u00f6lf"], "empty": [""]}
    upload = files["f"]
    assert isinstance(upload, FileStorage)
    assert (upload.name, upload.filename, upload.mimetype) == ("f", "name.bin", "image/png")
    assert upload.read() == content
    upload.close()


@pytest.mark.parametrize("padding", [b"", b" \t"])
@pytest.mark.parametrize("buffer_size", [1 << 20, 40])
def test_a_form_may_be_cut_anywhere(buffer_size: int, padding: bytes) -> None:
    data = form(
        field("a", b"one\r\n--bo"), field("b", b""), field("c", b"\r\n\r"), field("d", b"x\n")
    )
    data = data.replace(b"--boundary", b"--boundary" + padding).replace(padding + b"--\r", b"--\r")
    expected = {"a": "one\r\n--bo", "b": "", "c": "\r\n\r", "d": "x\n"}
    for first in range(len(data)):
        for second in (first + 1, first + 2, first + 5):
            chunks = [data[:first], data[first:second], data[second:]]
            parser = MultiPartParser(buffer_size=buffer_size)
            fields, _ = asyncio.run(parser.parse(make_body(chunks), BOUNDARY, None))
            assert fields.to_dict() == expected, chunks


@pytest.mark.parametrize("size", [97, 1000, 4096, 1 << 20])
def test_content_that_looks_like_a_boundary(size: int) -> None:
    """In content that goes to its file without the decoder, and wherever it is cut."""
    filling = [b"x" * length for length in (1, 170, 300, 2000)]
    lines = [b"--boundary", b"\r--boundary", b"a\r\n--boundar", b"\n--", b"\r\n-", b"\r", b"\n\r\n"]
    content = b"".join(fill + line + b"x" for fill in filling for line in lines)
    data = form(file("f", "f", content), field("a", content[:500]), file("g", "g", b"\r" + content))
    fields, files = parse_multipart(data, size, buffer_size=256)
    assert files["f"].read() == content
    assert fields["a"] == content[:500].decode()
    assert files["g"].read() == b"\r" + content
    for upload in files.values():
        upload.close()


def test_large_content_is_the_same_as_werkzeugs() -> None:
    content = bytes(range(256)) * 4096
    data = form(field("a", b"x" * 100_000), file("f", "name", content), field("b", b"end"))
    fields, files = parse_multipart(data)
    expected, expected_files = WSGIMultiPartParser().parse(BytesIO(data), BOUNDARY, len(data))
    assert fields == expected
    assert files["f"].read() == expected_files["f"].read() == content
    files["f"].close()
    expected_files["f"].close()


HOSTILE = {
    "dashes within dashes": (b"-" * 40, b"x" + b"-" * 1000),
    "one dash": (b"-", b"\n---x" * 200),
    "lines of a boundary without their end": (b"b" * 200, b"\r\n--" + b"b" * 200 + b"x"),
    "a boundary with a period": (b"ab" * 30, b"\n--" + b"ab" * 500),
    "nearly the boundary": (b"-" * 34 + b"x" + b"-" * 35, b"-" * 1000),
    "a long boundary": (b"X" + b"-" * 8000, b"-" * 1000),
    "nothing but line breaks": (b"b", b"\r\n\r\r\n" * 100),
    "padding": (b"b", b"\r\n--b" + b" " * 5000),
}


@pytest.mark.parametrize("is_preamble", [False, True], ids=["content", "preamble"])
@pytest.mark.parametrize("name", HOSTILE)
def test_a_client_cannot_choose_how_many_steps_a_byte_takes(name: str, is_preamble: bool) -> None:
    """Not by its boundary, nor by what looks like one, before the form or in it."""
    boundary, piece = HOSTILE[name]

    def steps(size: int) -> int:
        filling = piece * (size // len(piece))
        head = b"" if is_preamble else b"--%b\r\n%b\r\n\r\n" % (boundary, A_FILE)
        return count_steps(boundary, [head, filling])

    assert steps(1 << 20) <= steps(1 << 16) + 20


DECODER = Decoder.feed.__code__.co_filename


def count_steps(boundary: bytes, chunks: list[bytes]) -> int:
    """Return how many lines of the decoder run to take *chunks* apart."""
    decoder, lines = Decoder(boundary), 0

    def trace(frame: FrameType, event: str, arg: object) -> Any:
        nonlocal lines
        # Not those that the garbage collector causes meanwhile.
        if frame.f_code.co_filename != DECODER:
            return None
        lines += event == "line"
        return trace

    before = sys.gettrace()
    sys.settrace(trace)
    try:
        for chunk in chunks:
            for _ in decoder.feed(chunk):
                pass
    finally:
        sys.settrace(before)
    return lines


@pytest.mark.parametrize("name", HOSTILE)
def test_a_hostile_form_takes_no_longer_than_an_ordinary_one(name: str) -> None:
    """As the processor counts it, which no other process disturbs; the factor is far from both."""
    boundary, piece = HOSTILE[name]

    def seconds(boundary: bytes, filling: bytes) -> float:
        head = b"--%b\r\n%b\r\n\r\n" % (boundary, A_FILE)
        decoder, start = Decoder(boundary), time.process_time()
        for chunk in in_pieces(head + filling, 1 << 16):
            for _ in decoder.feed(chunk):
                pass
        return time.process_time() - start

    theirs = seconds(b"b" * 60, random.Random(1).randbytes(1 << 20))
    ours = seconds(boundary, piece * ((1 << 20) // len(piece)))
    assert ours < max(100 * theirs, 0.2)


@pytest.mark.parametrize("buffer", [b"--b" + b" " * 5000, b"\r\n--b" + b"\t" * 5000, b"\r" * 5000])
def test_little_is_held_back(buffer: bytes) -> None:
    decoder = Decoder(b"b")
    for byte in b"--b\r\n%b\r\n\r\n" % A_FILE + buffer:
        list(decoder.feed(bytes([byte])))
    assert len(decoder._held) < 5000


@pytest.mark.parametrize(
    ("charset", "content", "expected"),
    [
        ("iso-8859-1", b"\xe4", "\u00e4"),
        ("US-ASCII", b"a", "a"),
        ("utf-8", b"\xff", "\N{REPLACEMENT CHARACTER}"),
        # Not on the list of what is believed.
        ("utf-7", b"+AOQ-", "+AOQ-"),
    ],
)
def test_the_charset_of_a_field(charset: str, content: bytes, expected: str) -> None:
    head = f"\r\nContent-Type: text/plain; charset={charset}"
    fields, _ = parse_multipart(form(field("a", content, head)))
    assert fields["a"] == expected
    headers = Headers({"Content-Type": "text/plain; charset=ASCII"})
    assert MultiPartParser().get_part_charset(headers) == "ascii"
    assert MultiPartParser().get_part_charset(Headers()) == "utf-8"


def test_the_memory_limit_is_for_each_field_and_not_for_files() -> None:
    data = form(field("a", b"x" * 100), file("f", "name", b"x" * 200_000), field("b", b"x" * 100))
    fields, files = parse_multipart(data, max_form_memory_size=100)
    assert len(files["f"].read()) == 200_000
    assert len(fields["b"]) == 100
    files["f"].close()
    for size in (1, 64, 1 << 20):
        with pytest.raises(RequestEntityTooLarge):
            parse_multipart(data, size, max_form_memory_size=99)


@pytest.mark.parametrize("size", [1, 1000, 1 << 20])
@pytest.mark.parametrize("is_over", [False, True])
def test_the_headers_of_a_part_are_limited(is_over: bool, size: int) -> None:
    head = 'Content-Disposition: form-data; name=a; x="'
    head += "x" * (MAX_HEAD - len(head) - 1 + is_over) + '"'
    data = form(part(head, b"1"))
    if is_over:
        for cut in (len(data), MAX_HEAD + 30):
            with pytest.raises(RequestEntityTooLarge):
                parse_multipart(data[:cut], size)
    else:
        assert parse_multipart(data, size)[0].to_dict() == {"a": "1"}


@pytest.mark.parametrize("size", [1, 50, 1 << 20])
@pytest.mark.parametrize(("padding", "is_line"), [(65, True), (4096, True), (4097, False)])
def test_blanks_after_a_boundary(padding: int, is_line: bool, size: int) -> None:
    data = form(field("a", b"1"), field("b", b"2"))
    data = data.replace(b"1\r\n--boundary", b"1\r\n--boundary" + b" " * padding)
    fields, _ = parse_multipart(data, size)
    assert list(fields) == (["a", "b"] if is_line else ["a"])


@pytest.mark.parametrize(
    ("boundary", "is_allowed"),
    [("b" * 200, True), ("b" * 201, False), ("b" * 8000, False), ("a\nb", False), ("a\rb", False)],
)
def test_a_boundary_is_short_and_on_one_line(boundary: str, is_allowed: bool) -> None:
    data = form(field("a", b"1")).replace(b"--boundary", b"--" + boundary.encode())
    options = {"boundary": boundary}
    if is_allowed:
        assert parse_form(data, "multipart/form-data", options)[0]["a"] == "1"
        return
    with pytest.raises(BadRequest, match="boundary"):
        parse_form(data, "multipart/form-data", options)


def test_the_number_of_parts_is_limited() -> None:
    data = form(*[field("a", b"")] * 3, file("f", "name", b""))
    parse_multipart(data, max_form_parts=4)[1]["f"].close()
    with pytest.raises(RequestEntityTooLarge):
        parse_multipart(data, max_form_parts=3)


@pytest.mark.filterwarnings("error::pytest.PytestUnraisableExceptionWarning")
@pytest.mark.parametrize("fault", ["too large", "cut off"])
def test_the_files_of_a_form_that_fails_are_closed(fault: str) -> None:
    opened: list[IO[bytes]] = []

    def open_file(*args: Any) -> IO[bytes]:
        opened.append(BytesIO())
        return opened[-1]

    last = field("a", b"12345") if fault == "too large" else b"--boundary\r\n"
    data = file("f", "first", b"x") + file("f", "second", b"x" * 100) + last
    with pytest.raises((RequestEntityTooLarge, ValueError)):
        parse_multipart(data, max_form_memory_size=4, stream_factory=open_file)
    gc.collect()
    assert [stream.closed for stream in opened] == [True, True]


def test_large_files_go_to_disk() -> None:
    _, files = parse_multipart(form(file("f", "small", b"x"), file("g", "large", b"x" * 1_100_000)))
    assert not files["f"].stream._rolled
    assert files["g"].stream._rolled
    for upload in files.values():
        upload.close()


@pytest.mark.parametrize("size", [1 << 22, 1 << 16, 20_000, 1000])
@pytest.mark.parametrize("length", [FILE_MEMORY_SIZE, FILE_MEMORY_SIZE + 1, 1_500_000])
def test_a_file_is_in_memory_up_to_its_size(length: int, size: int) -> None:
    content = random.Random(length).randbytes(length)
    _, files = parse_multipart(form(file("f", "name", content)), size)
    stream = files["f"].stream
    assert isinstance(stream, SpooledTemporaryFile)
    assert stream._rolled == (length > FILE_MEMORY_SIZE)
    assert stream.tell() == 0
    assert stream.read() == content
    stream.close()


@pytest.mark.parametrize("size", [1 << 16, 4096, 3])
def test_a_large_file_takes_little_memory_to_receive(size: int) -> None:
    class Arriving(Body):
        async def read_chunk(self) -> bytes:
            return next(chunks, b"")

    content = bytes(range(255)) * 20
    start = b"--boundary\r\n" + form(file("f", "name", b"")).partition(b"\r\n")[2]
    head = start.rpartition(b"\r\n--boundary--")[0]
    pieces = in_pieces(content, size)
    times = (3 << 20 if size > 100 else 250_000) // len(content)
    chunks = iter([head, *(piece for _ in range(times) for piece in pieces), b"\r\n--boundary--"])
    tracemalloc.start()
    try:
        _, files = asyncio.run(MultiPartParser().parse(Arriving(None, None), BOUNDARY, None))
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert files["f"].read() == content * times
    files["f"].close()
    assert peak < 2_500_000


@pytest.mark.parametrize("length", [0, 10, FILE_MEMORY_SIZE])
def test_a_file_in_memory_is_one_to_read_and_write(length: int) -> None:
    content = bytes(length)
    _, files = parse_multipart(form(file("a", "a.bin", content)), 64 * 1024)
    stream = files["a"].stream
    assert (stream.tell(), stream.read()) == (0, content)
    assert stream.seek(0, io.SEEK_END) == length
    stream.write(b"more")
    stream.seek(0)
    assert stream.read() == content + b"more"
    assert isinstance(stream, SpooledTemporaryFile)
    assert stream._rolled == (length == FILE_MEMORY_SIZE)
    stream.truncate(2)
    stream.seek(0)
    assert stream.read() == (content + b"more")[:2]
    stream.close()


def test_a_file_of_another_kind_is_handed_bytes_as_they_arrive() -> None:
    class Own(SpooledTemporaryFile[bytes]):
        written: list[Any]

        def write(self, data: Any) -> int:
            self.written.append(data)
            return super().write(data)

    streams: list[Own] = []

    def open_file(*args: Any) -> IO[bytes]:
        streams.append(Own(max_size=100))
        streams[-1].written = []
        return streams[-1]

    content = b"x" * 300_000
    parse_multipart(
        form(file("f", "n", content)), 100_000, stream_factory=open_file, buffer_size=1 << 16
    )
    (stream,) = streams
    assert {type(data) for data in stream.written} == {bytes}
    assert max(map(len, stream.written)) <= 1 << 16
    assert b"".join(stream.written) == stream.read() == content
    stream.close()


def test_a_file_that_never_goes_to_disk_may_be_chosen() -> None:
    def open_file(*args: Any) -> IO[bytes]:
        return SpooledTemporaryFile(max_size=0)

    content = b"x" * 700_000
    _, files = parse_multipart(form(file("f", "n", content)), 1 << 16, stream_factory=open_file)
    assert not files["f"].stream._rolled
    assert files["f"].read() == content
    files["f"].close()


def test_the_classes_and_the_stream_factory_can_be_chosen() -> None:
    class Upload(FileStorage):
        pass

    class Parser(FormDataParser):
        file_storage_class = Upload

    asked = []

    def open_file(*args: Any) -> IO[bytes]:
        asked.append(args)
        return BytesIO()

    data = form(field("a", b"1"), file("f", "n", b"x", "\r\nContent-Length: 1"))
    parser = Parser(cls=ImmutableMultiDict, stream_factory=open_file)
    options = {"boundary": "boundary"}
    fields, files = asyncio.run(
        parser.parse(make_body([data]), "multipart/form-data", 999, options)
    )
    assert type(fields) is ImmutableMultiDict
    assert type(files) is ImmutableMultiDict
    assert type(files["f"]) is Upload
    assert asked == [(999, None, "n", 1)]


@pytest.mark.parametrize("mimetype", [FORM := "application/x-www-form-urlencoded"])
def test_urlencoded(mimetype: str) -> None:
    fields, files = parse_form(b"a=1&a=%C3%A4&b=&c=%FF", mimetype)
    assert fields.to_dict(flat=False) == {"a": ["1", "\u00e4"], "b": [""], "c": ["%FF"]}
    assert not files


def test_another_type_is_not_read() -> None:
    async def main() -> None:
        body = make_body([b"a=1"])
        fields, files = await FormDataParser().parse(body, "text/plain", 3)
        assert not fields
        assert not files
        assert await body.read_chunk() == b"a=1"

    asyncio.run(main())


@pytest.mark.parametrize(
    ("data", "content_type", "options"),
    [
        (b"a=\xff", FORM, {}),
        (form(field("a", b"1")), "multipart/form-data", {}),
        (field("a", b"1"), "multipart/form-data", {"boundary": "boundary"}),
        (form(part("X-Other: 1", b"1")), "multipart/form-data", {"boundary": "boundary"}),
    ],
    ids=["not utf-8", "no boundary", "no end", "no disposition"],
)
def test_a_malformed_form_is_empty_unless_asked_to_raise(
    data: bytes, content_type: str, options: dict[str, str]
) -> None:
    fields, files = parse_form(data, content_type, options)
    assert not fields
    assert not files
    with pytest.raises(ValueError):  # noqa: PT011
        parse_form(data, content_type, options, silent=False)


def test_a_parse_function_can_be_added() -> None:
    async def parse_csv(
        parser: FormDataParser, body: Body, mimetype: str, length: int | None, options: Any
    ) -> Any:
        lines = (await body).decode().splitlines()
        return parser.cls(dict(line.split(",") for line in lines)), parser.cls()

    class Parser(FormDataParser):
        parse_functions = {**FormDataParser.parse_functions, "text/csv": parse_csv}  # noqa: RUF012

    fields, _ = asyncio.run(Parser().parse(make_body([b"a,1\nb,2"]), "text/csv", None))
    assert fields.to_dict() == {"a": "1", "b": "2"}
    with pytest.raises(ValueError, match="broken"):
        MultiPartParser().fail("broken")
