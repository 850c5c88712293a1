"""A request's query, parsed by a short way."""

from __future__ import annotations

from werkzeug.sansio import request as sansio_request
from werkzeug.sansio.request import Request

from .._stock import Stock
from ..formparser import fields_of


class Args:
    """Stands for Werkzeug's `args` in a subclass of *base*: the query, parsed when first asked for.

    Kept where Werkzeug keeps it, so each face of a request finds what the other one has parsed.
    """

    def __init__(self, base: type) -> None:
        self._base = base
        self._parsing = Stock(base, "args", besides=[(sansio_request, ["parse_qsl"])])

    def __set_name__(self, owner: type, name: str) -> None:
        self._owner = owner

    def __get__(self, request: Request | None, owner: type | None = None) -> object:
        if request is None:
            return self
        state = request.__dict__
        if "args" in state:  # As a subclass may ask by `super().args`.
            return state["args"]
        if not self._parsing.of(self._base):
            return super(self._owner, request).args  # type: ignore[arg-type]  # it is a class
        args = request.parameter_storage_class(fields_of(request.query_string.decode()))
        state["args"] = args
        return args
