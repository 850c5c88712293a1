"""Tell whether code of Flask, Werkzeug or ours is still the original, and not replaced.

A short way does the work of several public methods without calling them. So it may be taken only
while each of those is the original; anybody may replace one, at any time, in the class, in a
subclass or in an object. Each short way asks here whenever it is about to be taken, and nobody
keeps the answer. This is the only file that compares anything with its original.

A `Stock` stands for the methods that a short way skips. It is made when its module is imported.
`Stock.of` asks about a class, `Stock.within` about an object. If somebody had replaced a method
before that, the short way is never taken.

An application has too many methods for that. Its classes count their changes instead (`Watched`,
`changes`), so that what was compiled from them is compiled again.
"""

from __future__ import annotations

from abc import ABCMeta
from collections.abc import Callable, Sequence
from types import FunctionType, MethodType, ModuleType
from typing import Any, cast, ClassVar, NamedTuple, Protocol, TYPE_CHECKING

if TYPE_CHECKING:
    _Meta = ABCMeta
else:
    _Meta = type(Protocol)

Owner = type | ModuleType
#: Owners (classes or modules), each with names of its attributes.
Besides = Sequence[tuple[Owner, Sequence[str]]]

#: How often watched classes have changed. Read it as `_stock.changes`, as it is assigned anew.
changes = 0


class Watched(_Meta):
    """The metaclass of classes that count their changes.

    `class App(Quart, ABC)` and `class App(Quart, SomeProtocol)` must find one metaclass for both.
    """

    # The protocol's own method would expect attributes that only protocols have.
    __instancecheck__ = ABCMeta.__instancecheck__
    __subclasscheck__ = ABCMeta.__subclasscheck__

    def __setattr__(cls, name: str, value: object) -> None:
        super().__setattr__(name, value)
        count_change()

    def __delattr__(cls, name: str) -> None:
        super().__delattr__(name)
        count_change()


class WatchedModule(ModuleType):
    """A module that counts its changes; one that is there becomes one by its `__class__`."""

    def __setattr__(self, name: str, value: object) -> None:
        super().__setattr__(name, value)
        count_change()

    def __delattr__(self, name: str) -> None:
        super().__delattr__(name)
        count_change()


def count_change() -> None:
    """Make everything be compiled again."""
    global changes
    changes += 1


def unwatched_before(cls: type) -> tuple[type, ...]:
    """Return the unwatched classes that come before the last watched one in *cls*'s MRO."""
    watched = [isinstance(found, Watched) for found in cls.__mro__]
    last = len(watched) - watched[::-1].index(True)
    return tuple(found for found in cls.__mro__[:last] if not isinstance(found, Watched))


class Stock:
    """Original attributes of a class, or functions of a module."""

    #: All instances, for the test that tries each.
    known: ClassVar[list[Stock]] = []

    #: Whether a class, which may be derived from the owner, has all these original attributes.
    of: Callable[[Any], bool]
    #: Whether they are in the class of an object, and it has no such attribute itself.
    within: Callable[[Any], bool]

    def __init__(self, owner: Owner, *names: str, besides: Besides = ()) -> None:
        """Take *names* of *owner*, and *besides* them what some other owners have."""
        self.owner, self.names, self.besides = owner, frozenset(names), besides
        self._came = [getattr(owner, name) for name in names if is_genuine(owner, name)]
        self._questions = _questions(owner, names, besides)
        Stock.known.append(self)

    def __getattr__(self, name: str) -> Callable[[Any], bool]:
        # Compiled when first asked: many never are, and all would be a tenth of an import's time.
        if name not in {"of", "within"}:
            raise AttributeError(f"{type(self).__name__!r} has no attribute {name!r}")
        self.of, self.within = _compile(self._questions)
        return self.of if name == "of" else self.within

    def has(self, value: object) -> bool:
        """Whether *value* is one of these, as it came."""
        return any(value is part for part in self._came)


class _Questions(NamedTuple):
    """What asks, as expressions, and the values that these compare with."""

    of_class: list[str]
    of_object: list[str]
    values: dict[str, object]


def _questions(owner: Owner, names: Sequence[str], besides: Besides) -> _Questions | None:
    """Return what asks whether all of these are as they are now; None if they are no stock now."""
    asked: list[str] = []
    values: dict[str, object] = {}
    for number, (place, attributes) in enumerate([(owner, names), *besides]):
        values[f"owner{number}"] = place
        asked_of = f"owner{number}" if number else "cls"
        for name in attributes:
            if not is_genuine(place, name):
                return None
            value, found = getattr(place, name), f"{asked_of}.{name}"
            if type(value) is MethodType:  # A class method is another object each time.
                values["MethodType"], value = MethodType, value.__func__
                asked.append(
                    f"type(it := {found}) is MethodType and it.__func__ is {name}_{number}"
                )
            else:
                asked.append(f"{found} is {name}_{number}")
            values[f"{name}_{number}"] = value
    own = [question for name in names if (question := _asked_of_object(values, name))]
    return _Questions(asked, own, values)


def _compile(
    questions: _Questions | None,
) -> tuple[Callable[[Any], bool], Callable[[Any], bool]]:
    if questions is None:
        return _never, _never
    asked, own, values = questions
    # Written out, since a loop takes five times as long. Compared by identity: a wrapper of wrapt's
    # says that it equals what it wraps.
    of = " and ".join(asked)
    # The class comes first: what it has been given instead may be called when an object is asked.
    first = asked[0].replace("cls", "(cls := type(thing))", 1)
    within = " and ".join([first, *asked[1:], *own])
    exec(_QUESTIONS.format(of=of, within=within), values)  # names of ours
    return cast(Any, values["of"]), cast(Any, values["within"])


#: What has no such attribute at all, as a proxy of another class may, is not as it came either.
_QUESTIONS = """
def of(cls):
    try:
        return {of}
    except AttributeError:
        return False

def within(thing):
    try:
        return {within}
    except AttributeError:
        return False
"""


def _asked_of_object(values: dict[str, Any], name: str) -> str | None:
    """Return what asks an object whether its *name* is that of its class; None if it has to be.

    Its `__dict__` is not looked at where there is another way. Python makes one for that, and an
    object that has had one costs more to read from ever after.
    """
    value = values[f"{name}_0"]
    if type(value) is FunctionType:
        # By type first: a wrapper of wrapt's has the `__func__` of what it wraps.
        values["MethodType"] = MethodType
        return f"type(it := thing.{name}) is MethodType and it.__func__ is {name}_0"
    if type(value) is property:  # No attribute of an object comes before one.
        return None
    if not hasattr(type(value), "__get__"):
        return f"thing.{name} is {name}_0"
    return f"{name!r} not in thing.__dict__"


def _never(cls: object) -> bool:
    return False


#: What is built upon. A class of one package may have a method of another's, taken as it is.
_FOUNDATIONS = frozenset({"flask", "itsdangerous", "jinja2", "quart", "werkzeug"})


def is_genuine(owner: Owner, name: str) -> bool:
    """Whether the attribute *name* of *owner* is its package's own, and no replacement."""
    places = [owner] if isinstance(owner, ModuleType) else owner.__mro__
    for place in places:
        if name in vars(place):
            package = place.__name__ if isinstance(place, ModuleType) else place.__module__
            return origin_of(vars(place)[name]) in {None, _root(package), *_FOUNDATIONS}
    return False


def origin_of(value: object) -> str | None:
    """Return the package that *value*'s code belongs to; None if it is no code."""
    function = _behind(value)
    if function is not None:
        # Do not use `__module__`, which `functools.wraps` copies.
        return _root(function.__globals__["__name__"])
    # A class is of its own package; anything else, such as what wraps a function, of its class's.
    cls = value if isinstance(value, type) else type(value)
    return None if cls.__module__ == "builtins" else _root(cls.__module__)


def _root(module: str) -> str:
    return module.partition(".")[0]


def _behind(value: object) -> FunctionType | None:
    """Return the function behind *value*, a function, a method or a property; else None."""
    if isinstance(value, (staticmethod, classmethod)):
        return _behind(value.__func__)
    if isinstance(value, property):  # Werkzeug's `cached_property` is one too.
        return _behind(value.fget)
    return value if type(value) is FunctionType else None
