"""Forms: what is parsed, however it arrives, and the limits."""

from __future__ import annotations

import asyncio
import gc
from collections.abc import Iterable
from io import BytesIO
from typing import Any, IO

import pytest
from werkzeug.datastructures import Headers, ImmutableMultiDict
from werkzeug.exceptions import RequestEntityTooLarge
from werkzeug.formparser import MultiPartParser as WSGIMultiPartParser

from quart.datastructures import FileStorage
from quart.formparser import FormDataParser, MultiPartParser
from quart.wrappers import Body

BOUNDARY = b"boundary"


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


def test_headers_that_never_end_are_refused() -> None:
    data = b"--boundary\r\nContent-Disposition: form-data; x=" + b"x" * 300_000
    with pytest.raises(RequestEntityTooLarge):
        parse_multipart(data, max_form_memory_size=1000)


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
    _, files = parse_multipart(form(file("f", "small", b"x"), file("g", "large", b"x" * 600_000)))
    assert not files["f"].stream._rolled
    assert files["g"].stream._rolled
    for upload in files.values():
        upload.close()


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
