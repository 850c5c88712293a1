"""Carry over what was done to Flask before the layer was imported, or warn about it.

Monitoring agents start before the program does. They replace methods of Flask's class, or put a
derived class in its place. Both are carried over to the layer's class. A replacement usually keeps
the original in a closure or wraps it; the original is exchanged for the layer's method. For
applications of genuine Flask it still calls Flask's.
"""

from __future__ import annotations

import gc
import logging
import sys
from collections.abc import Iterator
from functools import partial, wraps
from types import CellType, FunctionType
from typing import Any

from quart._stock import is_genuine, origin_of
from quart._types import Function

from . import genuine
from .app import Flask

_OURS = ("quart", "quart_flask_patch")
_logger = logging.getLogger("quart_flask_patch")
#: Attributes that belong to one class, and must not be copied to a class made in its place.
_OF_THE_CLASS_ITSELF = frozenset({"__dict__", "__weakref__", "__abstractmethods__", "_abc_impl"})


def carry_over(theirs: type, ours: type) -> Iterator[str]:
    """Copy into *ours* what somebody has replaced in *theirs*, where *ours* hides it.

    Yields a sentence for each replacement that cannot be made to call ours.
    """
    for name, value in list(vars(theirs).items()):
        if is_genuine(theirs, name) or (own := _hiding(theirs, ours, name)) is None:
            continue
        swap = _Swap(name, own, ours)
        setattr(ours, name, swap.carried(value))
        _logger.debug("Carried over %s.%s: %r", theirs.__name__, name, value)
        if not swap.found and callable(value) and not isinstance(value, type):
            yield (
                f"flask.{theirs.__name__}.{name} was replaced by {_module_of(value)} before"
                " quart.flask_patch was imported. The replacement is kept; if it calls Flask's own,"
                " it does so around the layer. Import quart.flask_patch first."
            )


def _hiding(theirs: type, ours: type, name: str) -> Any:
    """Return the attribute of *ours* that hides *theirs*, or None."""
    for cls in ours.__mro__:
        if cls is theirs:
            return None
        # Constructors call each other by `super()`, so Flask's own is called anyway.
        if name in vars(cls) and name not in {"__init__", "__init_subclass__"}:
            return getattr(cls, name)
    return None


def _module_of(value: object) -> str:
    found = getattr(value, "_self_wrapper", value)
    return str(getattr(found, "__module__", None) or type(value).__module__)


class _Swap:
    """Replaces Flask's own method by ours inside a replacement of *name*."""

    def __init__(self, name: str, own: Function, ours: type) -> None:
        self.name, self.own, self.ours = name, own, ours
        #: Whether the replacement refers to Flask's own method.
        self.found = False
        self._seen: set[int] = set()

    def carried(self, value: Any) -> Any:
        """Return *value* for our class: wrappers are made anew, functions are changed in place."""
        if id(value) in self._seen:
            return value
        self._seen.add(id(value))
        if type(value) is FunctionType:
            if self._is_flasks(value):
                self.found = True
                return self._stand_in(value)
            self._change(value)
        elif isinstance(value, partial):
            return type(value)(self.carried(value.func), *value.args, **value.keywords)
        elif hasattr(value, "_self_wrapper"):  # A wrapper made by wrapt.
            return type(value)(self.carried(value.__wrapped__), value._self_wrapper)
        return value

    def _is_flasks(self, function: FunctionType) -> bool:
        return function.__name__ == self.name and origin_of(function) == "flask"

    def _stand_in(self, flasks: FunctionType) -> Function:
        own, ours = self.own, self.ours

        @wraps(flasks)
        def method(self: object, *args: object, **kwargs: object) -> object:
            function = own if issubclass(type(self), ours) else flasks
            return function(self, *args, **kwargs)

        return method

    def _change(self, function: FunctionType) -> None:
        """Change what *function* refers to: in its closure, its defaults and its module."""
        for cell in function.__closure__ or ():
            self._change_cell(cell)
        if function.__defaults__:
            function.__defaults__ = tuple(map(self.carried, function.__defaults__))
        names = function.__globals__
        for name in function.__code__.co_names:
            value = names.get(name)
            if type(value) is FunctionType and self._is_flasks(value):
                names[name] = self.carried(value)

    def _change_cell(self, cell: CellType) -> None:
        try:
            value = cell.cell_contents
        except ValueError:  # The cell is empty.
            return
        if callable(value) and not isinstance(value, type):
            cell.cell_contents = self.carried(value)


def rebased(cls: Any) -> object:
    """Return a copy of *cls*, a class derived from Flask's, that is derived from ours.

    Raises:
        TypeError: if a metaclass of its own prevents that.
    """
    if cls is genuine.Flask:
        return Flask
    bases = tuple(
        rebased(base) if issubclass(base, genuine.Flask) else base for base in cls.__bases__
    )
    namespace = {n: value for n, value in vars(cls).items() if n not in _OF_THE_CLASS_ITSELF}
    make: Any = type(Flask)
    made = make(cls.__name__, bases, {**namespace, "_stands_for_flask": True})
    for function in filter(None, map(_function_in, namespace.values())):
        for name, cell in zip(
            function.__code__.co_freevars, function.__closure__ or (), strict=True
        ):
            if name == "__class__" and cell.cell_contents is cls:
                cell.cell_contents = made  # `super()` looks here.
    return made


def _function_in(value: object) -> FunctionType | None:
    if isinstance(value, (classmethod, staticmethod)):
        value = value.__func__
    elif isinstance(value, property):
        value = value.fget
    return value if type(value) is FunctionType else None


def early_classes() -> list[type]:
    """Return the classes that are derived from Flask's class and not from ours."""
    found: list[type] = []
    to_do: list[type] = [genuine.Flask]
    while to_do:
        derived: list[type] = to_do.pop().__subclasses__()
        theirs = [cls for cls in derived if cls.__module__.partition(".")[0] not in _OURS]
        found += theirs
        to_do += theirs
    return found


def early_applications() -> list[Any]:
    """Return the applications of genuine Flask, which the layer cannot serve."""
    early = early_classes()
    if not early and _foreign_references(genuine.Flask) == _foreign_references(_WithoutObjects):
        return []
    classes: list[type] = [genuine.Flask, *early]
    return [found for found in gc.get_referrers(*classes) if type(found) in classes]


class _WithoutObjects:
    """A class without objects: its count of references is that of a class alone."""

    __slots__ = ()


def _foreign_references(cls: Any) -> int:
    """Return how many references to *cls* come from neither a module of Flask or ours nor *cls*.

    Each object refers to its class, so a higher count hints at objects. Looking for them among all
    objects of the process takes as long as importing twenty modules; this count decides whether to.
    """
    known = sum(
        cell.cell_contents is cls for cell in getattr(cls.__init__, "__closure__", None) or ()
    )
    to_do: list[type] = cls.__subclasses__()
    while to_do:
        derived = to_do.pop()
        # The class refers to its base in `__mro__`, in `__bases__` and perhaps in `__base__`.
        known += 1 + derived.__bases__.count(cls) + (derived.__base__ is cls)
        to_do += derived.__subclasses__()
    for name, module in list(sys.modules.items()):
        if name.partition(".")[0] in {"flask", *_OURS}:
            known += sum(value is cls for value in list(vars(module).values()))
    return sys.getrefcount(cls) - known


def explain_asgi_calls() -> None:
    """Make an application of genuine Flask say what is wrong when an ASGI server calls it."""
    original: Any = genuine.Flask.__call__

    @wraps(original)
    def explaining(self: object, *args: object, **kwargs: object) -> Any:
        if len(args) + len(kwargs) == 2:
            return original(self, *args, **kwargs)
        raise RuntimeError(
            f"Expected an application on the layer, got a call as ASGI of {self!r}, which is"
            " Flask's own and so WSGI: its class was taken from flask before quart.flask_patch"
            " was imported. Import quart.flask_patch before that, or start the application with"
            " `python -m quart_flask_patch`."
        )

    genuine.Flask.__call__ = explaining  # type: ignore[method-assign]  # on purpose
