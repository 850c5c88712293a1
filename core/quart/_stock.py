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


class _Counted:
    """Counts changes of its attributes, for a metaclass or a class of modules."""

    __slots__ = ()

    def __setattr__(self, name: str, value: object) -> None:
        super().__setattr__(name, value)
        count_change()

    def __delattr__(self, name: str) -> None:
        super().__delattr__(name)
        count_change()


class Watched(_Counted, _Meta):
    """The metaclass of classes that count their changes.

    `class App(Quart, ABC)` and `class App(Quart, SomeProtocol)` must find one metaclass for both.
    """

    # The protocol's own method would expect attributes that only protocols have.
    __instancecheck__ = ABCMeta.__instancecheck__
    __subclasscheck__ = ABCMeta.__subclasscheck__


class WatchedModule(_Counted, ModuleType):
    """A module that counts its changes; see `watch`."""


def watch(module: ModuleType) -> None:
    """Count each change of *module* from now on."""
    module.__class__ = WatchedModule


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
    #: Whether an object's class has them, and the object does not hide one by an attribute.
    within: Callable[[Any], bool]

    def __init__(
        self, owner: Owner, *names: str, besides: Besides = (), lasts: bool = False
    ) -> None:
        """Create it for *names* of *owner*, and *besides* for attributes of other owners.

        If an object *lasts*, and many requests ask about it, its `__dict__` is what to ask.
        """
        self.owner, self.names, self.besides = owner, frozenset(names), besides
        self._came = [getattr(owner, name) for name in names if is_genuine(owner, name)]
        self._ids = frozenset(map(id, self._came))
        self._questions = _questions(owner, names, besides, lasts)
        # Compile on first use: many are never used, and compiling all is a tenth of the import's
        # time. A `__getattr__` for that would make each later use slower.
        self.of, self.within = self._of_at_first, self._within_at_first
        self._is_compiled = False
        Stock.known.append(self)

    def _of_at_first(self, cls: type) -> bool:
        return self.compiled().of(cls)

    def _within_at_first(self, thing: object) -> bool:
        return self.compiled().within(thing)

    def compiled(self) -> Stock:
        """Compile `of` and `within` now, for callers that keep one of them; return this object."""
        if not self._is_compiled:
            self.of, self.within = _compile(self._questions)
            self._is_compiled = True
        return self

    def has(self, value: object) -> bool:
        """Whether *value* is one of the original attributes."""
        return id(value) in self._ids


class _Questions(NamedTuple):
    """Expressions that compare with the originals, and the values in them."""

    of_class: list[str]
    of_object: list[str]
    values: dict[str, object]


def _questions(
    owner: Owner, names: Sequence[str], besides: Besides, lasts: bool
) -> _Questions | None:
    """Return the expressions that check all attributes; None if one is not original now."""
    asked: list[str] = []
    values: dict[str, object] = {}
    for number, (place, attributes) in enumerate([(owner, names), *besides]):
        values[f"owner{number}"] = place
        asked_of = f"owner{number}" if number else "cls"
        for name in attributes:
            if not is_genuine(place, name):
                return None
            value, found = getattr(place, name), f"{asked_of}.{name}"
            if type(value) is MethodType:  # Each access to a class method makes another object.
                values["MethodType"], value = MethodType, value.__func__
                asked.append(
                    f"type(it := {found}) is MethodType and it.__func__ is {name}_{number}"
                )
            else:
                asked.append(f"{found} is {name}_{number}")
            values[f"{name}_{number}"] = value
    own = [question for name in names if (question := _asked_of_object(values, name, lasts))]
    if lasts and own:  # Most have no attributes of their own.
        own = [f"(not thing.__dict__ or ({' and '.join(own)}))"]
    return _Questions(asked, own, values)


def _compile(
    questions: _Questions | None,
) -> tuple[Callable[[Any], bool], Callable[[Any], bool]]:
    if questions is None:
        return _never, _never
    asked, own, values = questions
    # Written out, since a loop takes five times as long. Compared by identity, since wrapt's
    # wrappers claim to equal what they wrap.
    of = " and ".join(asked)
    # Check the class first: asking the object could call what has replaced a method.
    first = asked[0].replace("cls", "(cls := type(thing))", 1)
    within = " and ".join([first, *asked[1:], *own])
    exec(_QUESTIONS.format(of=of, within=within), values)  # names of ours
    return cast(Any, values["of"]), cast(Any, values["within"])


#: An object without the attribute, such as a proxy of another class, is not original either.
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


def _asked_of_object(values: dict[str, Any], name: str, lasts: bool) -> str | None:
    """Return the expression that checks that an object does not hide *name*; None if it cannot.

    It avoids `__dict__` if possible, unless the object *lasts*. Python makes a dict for it, and
    reading the object's attributes is slower from then on. Cost: "dict" in docs/performance.md.
    """
    value = values[f"{name}_0"]
    if type(value) is FunctionType and not lasts:
        # Check the type first: wrapt's wrappers have the `__func__` of what they wrap.
        values["MethodType"] = MethodType
        return f"type(it := thing.{name}) is MethodType and it.__func__ is {name}_0"
    if type(value) is property:  # An object's attribute cannot hide a property.
        return None
    if not hasattr(type(value), "__get__"):
        return f"thing.{name} is {name}_0"
    return f"{name!r} not in thing.__dict__"


def _never(cls: object) -> bool:
    return False


#: The packages beneath. A class of one package may use a method of another one unchanged.
_FOUNDATIONS = frozenset(
    {"_json", "flask", "itsdangerous", "jinja2", "quart", "urllib", "werkzeug"}
)


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
    # A class belongs to its own package; another object, such as a wrapper, to its class's.
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
