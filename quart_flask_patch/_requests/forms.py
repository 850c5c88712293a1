"""Parse the forms of a Flask application by the core's rules, whichever face asks first."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any, cast, IO

from werkzeug import formparser
from werkzeug.datastructures import FileStorage, MultiDict
from werkzeug.wrappers import Request as WerkzeugRequest

from quart._stock import Stock
from quart.formparser import (
    boundary_of,
    default_stream_factory,
    MultiPartParser,
    Parts,
    StreamFactory,
)
from quart.globals import _cv_app
from quart.wrappers import Request as CoreRequest

from .._waiting import bridge

_FORMS = Stock(CoreRequest, "form_data_parser_class", "make_form_data_parser")

Parsed = tuple[Any, MultiDict[str, str], MultiDict[str, FileStorage]]


def _by_name(open_file: Callable[..., IO[bytes]]) -> StreamFactory:
    """Return *open_file* as a function that passes keywords, as Werkzeug does."""

    def call(
        total: int | None, content_type: str | None, filename: str | None, length: int | None
    ) -> IO[bytes]:
        return open_file(
            total_content_length=total,
            content_type=content_type,
            filename=filename,
            content_length=length,
        )

    return call


class FormDataParser(formparser.FormDataParser):
    """Werkzeug's parser of forms, with the core's rules for multipart forms."""

    def _parse_multipart(
        self,
        stream: IO[bytes],
        mimetype: str,
        content_length: int | None,
        options: dict[str, str],
    ) -> Parsed:
        parser = MultiPartParser(
            cls=self.cls,
            file_storage_cls=cast(Any, FileStorage),
            max_form_memory_size=self.max_form_memory_size,
            max_form_parts=self.max_form_parts,
            stream_factory=_by_name(self.stream_factory),
        )
        with Parts(parser, boundary_of(mimetype, options), content_length) as parts:
            for chunk in iter(partial(stream.read, parser.buffer_size), b""):
                parts.feed(chunk)
            return stream, *cast(Any, parts.end())


def open_file(request: object, *args: Any, **options: Any) -> IO[bytes]:
    """Open the file for an upload in *request*'s form, in the same place for both faces."""
    return default_stream_factory(*args, **options)


def parses_by_itself(cls: type[WerkzeugRequest]) -> bool:
    """Whether *cls*, a class of Flask's requests, has replaced how forms are parsed."""
    from ..wrappers import FORMS

    return not FORMS.of(cls)


def of_a_quart_application(request: object) -> CoreRequest | None:
    """Return the async face of *request* if its class has replaced how forms are parsed."""
    core = _cv_app.get(None)
    connection = None if core is None else core.connection
    if not isinstance(connection, CoreRequest) or connection.__dict__ is not request.__dict__:
        return None
    return None if _FORMS.within(connection) else connection


class Connection(CoreRequest):
    """The async face of a Flask application's request."""

    # What Flask gives if the environ has no address.
    no_address = None
    warns_as = "flask.app"

    async def _load_form_data(self) -> None:
        core = _cv_app.get(None)
        if "form" not in self.__dict__ and core is not None and core.connection is self:
            from ..wrappers import face_of

            face: Any = face_of(core)
            if parses_by_itself(type(face)):
                async with self._parsing_lock:
                    await bridge.bridged(face._load_form_data)()
        await super()._load_form_data()
