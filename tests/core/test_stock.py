"""Short ways are open while what they stand for is as it came, and they ask each time."""

from __future__ import annotations

import ast
import importlib
import pkgutil
from collections.abc import Iterator
from pathlib import Path
from types import FunctionType, ModuleType
from typing import Any

import pytest

import quart
import quart_flask_patch
from _patches import static, WAYS
from quart._stock import is_genuine, Stock, unwatched_before, Watched
from quart._threads import strategy
from quart_flask_patch.app import Flask

for package in (quart, quart_flask_patch):
    for found in pkgutil.walk_packages(package.__path__, f"{package.__name__}."):
        if not found.name.endswith(("__main__", "pytest_plugin")):
            importlib.import_module(found.name)
# The layer has installed itself. The core's other tests, in the same process, see the core alone.
strategy.install(strategy.Strategy())

#: Each attribute that a short way stands for, by whose it is.
PARTS = [
    pytest.param(stock, place, name, id=f"{place.__name__}.{name}")
    for stock in Stock.known
    if not stock.owner.__module__.startswith(("core.", "layer."))  # type: ignore[union-attr]  # a module has one too
    for place, names in [(stock.owner, stock.names), *stock.besides]
    for name in sorted(names)
]


def original_of(place: Any, name: str) -> Any:
    return vars(place)[name] if isinstance(place, ModuleType) else static(place, name)


@pytest.fixture
def replaced(monkeypatch: pytest.MonkeyPatch) -> Any:
    def replace(place: Any, name: str, way: str) -> None:
        original, note = original_of(place, name), lambda: None
        if isinstance(original, property):
            monkeypatch.setattr(place, name, property(lambda self: original.fget))
        elif isinstance(original, FunctionType) and not isinstance(place, ModuleType):
            monkeypatch.setattr(place, name, WAYS[way](place, name, note))
        else:
            monkeypatch.setattr(place, name, object())

    return replace


def made_of(owner: Any) -> Any:
    """Return an object that has not been through its constructor; None for a module."""
    if isinstance(owner, ModuleType):
        return None
    base: Any = BaseException if issubclass(owner, BaseException) else object
    return base.__new__(owner)


@pytest.mark.parametrize(("stock", "place", "name"), PARTS)
def test_it_is_open_as_everything_came(stock: Stock, place: Any, name: str) -> None:
    assert is_genuine(place, name)
    assert stock.of(stock.owner)


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize(("stock", "place", "name"), PARTS)
def test_it_closes_when_a_class_is_patched(
    stock: Stock, place: Any, name: str, way: str, replaced: Any, monkeypatch: Any
) -> None:
    if name == "__new__":
        pytest.skip("Python does not forget that a class had one")
    thing = made_of(stock.owner)
    replaced(place, name, way)
    assert not stock.of(stock.owner)
    assert thing is None or not stock.within(thing)
    monkeypatch.undo()
    assert stock.of(stock.owner)


@pytest.mark.parametrize(("stock", "place", "name"), PARTS)
def test_it_closes_for_a_subclass_that_overrides(stock: Stock, place: Any, name: str) -> None:
    if isinstance(stock.owner, ModuleType) or name not in stock.names:
        pytest.skip("it is the class itself that is asked")
    subclass = type(stock.owner)("Sub", (stock.owner,), {})
    assert stock.of(subclass)
    setattr(subclass, name, lambda *args: None)
    assert not stock.of(subclass)


@pytest.mark.parametrize(("stock", "place", "name"), PARTS)
def test_it_closes_for_an_object_with_its_own(stock: Stock, place: Any, name: str) -> None:
    if isinstance(stock.owner, ModuleType) or name not in stock.names or name.startswith("__"):
        pytest.skip("an object cannot have it")
    thing = made_of(stock.owner)
    if not hasattr(thing, "__dict__"):
        pytest.skip("it has slots")
    assert stock.within(thing)
    thing.__dict__[name] = lambda *args: None
    # A property comes before what an object has of that name.
    is_hidden = type(original_of(stock.owner, name)) is property
    assert stock.within(thing) is is_hidden


def test_what_was_put_into_a_class_is_not_called_to_ask(monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(self: object) -> None:
        raise AssertionError("asked by calling it")

    stock, response = Stock(quart.Response, "close", "get_data"), quart.Response()
    assert stock.within(response)
    monkeypatch.setattr(quart.Response, "close", property(fail))
    assert not stock.within(response)


def test_what_had_been_replaced_before_is_no_stock(replaced: Any) -> None:
    class Base:
        def method(self) -> None: ...

    assert Stock(Base, "method").of(Base)
    replaced(Base, "method", "wrapt")
    assert not Stock(Base, "method").of(Base)
    Stock.known[-2:] = []


def test_classes_that_do_not_say_when_they_change_are_known() -> None:
    class Mixin: ...

    class Watching(metaclass=Watched): ...

    class Mixed(Mixin, Watching): ...

    assert unwatched_before(Mixed) == (Mixin,)
    assert unwatched_before(Watching) == ()


@pytest.mark.parametrize("kind", [quart.Quart, Flask])
def test_applications_say_when_they_change(kind: type) -> None:
    """What does not is looked at several times for each request."""
    assert unwatched_before(kind) == ()


# Nothing else may compare with what came

#: Whose members are values, to be compared with; and so are those of constants.
ENUMS = {"ParameterSource", "State"}


def sources() -> Iterator[Path]:
    for package in (quart, quart_flask_patch):
        yield from Path(package.__path__[0]).rglob("*.py")


def is_attribute_of_a_class(node: ast.expr) -> bool:
    return (
        isinstance(node, ast.Attribute)
        and isinstance(node.value, ast.Name)
        and node.value.id[:1].isupper()
        and not node.value.id.isupper()
        and node.value.id not in ENUMS
    )


def compares_with_what_came(node: ast.AST) -> bool:
    if not isinstance(node, ast.Compare):
        return False
    sides = [node.left, *node.comparators]
    sides += [part for side in sides if isinstance(side, ast.Tuple) for part in side.elts]
    return any(map(is_attribute_of_a_class, sides))


def remembers_by_class(node: ast.AST) -> bool:
    """Whether it is a function that keeps its answers by a class that it is given."""
    if not isinstance(node, ast.FunctionDef):
        return False
    cached = any("cache" in ast.unparse(decorator) for decorator in node.decorator_list)
    annotations = [ast.unparse(a.annotation) for a in node.args.args if a.annotation]
    answers = ast.unparse(node.returns) if node.returns else ""
    return cached and answers == "bool" and any("type" in text for text in annotations)


def test_nobody_else_compares_or_remembers() -> None:
    found = [
        f"{path.name}:{node.lineno}"
        for path in sources()
        if path.name != "_stock.py"
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
        if compares_with_what_came(node) or remembers_by_class(node)
    ]
    assert found == []


def test_an_object_without_the_attribute_is_not_as_it_came() -> None:
    """Such as a proxy, whose own class has none."""

    class Owner:
        def method(self) -> None: ...

    stock = Stock(Owner, "method")
    Stock.known.remove(stock)
    assert stock.within(Owner())
    assert not stock.within(object())
    assert not stock.of(object)


def test_a_class_method_is_asked_for_what_is_behind_it() -> None:
    class Owner:
        @classmethod
        def make(cls) -> None: ...

    class Derived(Owner): ...

    class Overriding(Owner):
        @classmethod
        def make(cls) -> None: ...

    stock = Stock(Owner, "make")
    Stock.known.remove(stock)
    assert stock.of(Derived)
    assert stock.within(Derived())
    assert not stock.of(Overriding)
    assert not stock.within(Overriding())


def test_a_question_that_was_kept_before_it_was_first_asked_is_compiled_once() -> None:
    stock = Stock(Stock, "has")
    Stock.known.remove(stock)
    kept = stock.within
    assert kept(stock)
    compiled = stock.within
    assert kept(stock)
    assert stock.within is compiled
