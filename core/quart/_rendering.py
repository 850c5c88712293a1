"""Compile templates as plain code that may wait.

For async use, Jinja compiles a template into async generators, with an `await` around each call and
each attribute, which takes half as long again as plain code. So `render_template` renders templates
that are compiled as plain code, which checks the type of what each call and attribute gives. The
rare value that is awaitable is waited for, through the bridge beneath which the template is
rendered.

The plain code belongs to another face of the environment: the same instance dict, except for what
must differ. The environment itself stays as async as its users know it.

All templates are compiled this way. A loop of three rows gains by it; a template without a loop
loses two or three microseconds. Cost: "template" in docs/performance.md. Such a template could
stay async code. But plain code cannot include or extend async code, so it would be compiled and
kept twice, and that is more than the microseconds are worth.

The classes here are put before the classes of the environment, the template and the generator,
which an application chooses. So their bases are known only at run time.
"""

from __future__ import annotations

from collections.abc import AsyncGenerator, AsyncIterator, Iterator
from datetime import date, datetime, time, timedelta
from decimal import Decimal
from functools import cache
from inspect import isasyncgenfunction, iscoroutinefunction
from types import BuiltinFunctionType, FunctionType, MethodType
from typing import Any, cast, TypeVar

from jinja2 import BytecodeCache, Environment, nodes, pass_eval_context, Template
from jinja2.compiler import CodeGenerator
from jinja2.runtime import LoopContext, Macro
from markupsafe import Markup

from ._stock import Stock
from ._threads import strategy
from ._threads.bridge import call_bridged
from ._types import Result, Stepping

# The base for classes that go before one of the application's classes.
_Before: Any = object

T = TypeVar("T")
_END: Any = object()
_FACE = "_quart_plain_face"


# Functions that the plain code calls


def settled(value: Result) -> Result:
    """Return *value*, or the result of waiting for it if it is awaitable."""
    # Check the type first, as some objects seem to have any attribute. Then the value: a proxy's
    # type has `__await__` even if the object behind it has not.
    if hasattr(type(value), "__await__") and hasattr(value, "__await__"):
        return strategy.current().wait(value)
    return value


def iterable(value: object) -> object:
    """Return *value* so that plain code can loop over it."""
    return _each(value) if hasattr(value, "__aiter__") else value


def _each(items: Any) -> Iterator[object]:
    iterator: AsyncIterator[object] = items.__aiter__()
    wait = strategy.current().wait
    while (item := wait(anext(iterator, _END))) is not _END:
        yield item


class _Awaitable:
    """Text that may be awaited, as Jinja's async code does."""

    def __await__(self: T) -> Stepping[T]:
        return self
        yield


class _Text(_Awaitable, str):
    pass


class _SafeText(_Awaitable, Markup):
    pass


class _Caller(Macro):
    """The content of a `{% call %}` block; plain code calls it, async code awaits the result."""

    @pass_eval_context
    def __call__(self, *args: object, **kwargs: object) -> str:
        text = super().__call__(*args, **kwargs)
        return _SafeText(text) if isinstance(text, Markup) else _Text(text)


def caller(macro: Macro) -> Macro:
    """Return *macro* as Python code sees it."""
    macro.__class__ = _Caller
    return macro


#: Types of values that are never awaited.
PLAIN: frozenset[type] = frozenset(
    {bool, bytes, date, datetime, Decimal, dict, float, frozenset, int, list, set, str, time}
    | {timedelta, tuple, type, type(None), LoopContext, Markup, _Text, _SafeText}
    | {BuiltinFunctionType, FunctionType, MethodType}
)


# Generating the code


_ATTRIBUTES_OF_DICTS = frozenset(dir(dict))
_LOOKING_UP = Stock(Environment, "getattr")


def looks_up_keys(environment: Environment, node: nodes.Getattr) -> bool:
    """Whether `write_look_up` finds what Jinja would find: nobody has replaced Jinja's look-up."""
    return _LOOKING_UP.within(environment) and node.attr not in _ATTRIBUTES_OF_DICTS


def write_look_up(code: CodeGenerator, node: nodes.Getattr, frame: object) -> None:
    """Write code that looks up an attribute, but first a key if the object is a dict.

    Jinja tries the attribute first. The AttributeError takes half of the time for a table's row.
    """
    code.write(f"(_of[{node.attr!r}] if type(_of := ")
    code.visit(node.node, frame)
    code.write(f") is dict and {node.attr!r} in _of else environment.getattr(_of, {node.attr!r}))")


class _Generating(_Before):  # type: ignore[misc]  # chosen at run time
    """Generates plain code that checks whether values are awaitable."""

    def visit_Template(self, node: nodes.Template, frame: object = None) -> None:
        self.writeline(f"from {__name__} import PLAIN as _plain, settled as _settled")
        self.writeline(f"from {__name__} import caller as _caller, iterable as _iterable")
        super().visit_Template(node, frame)

    def visit_Call(self, node: nodes.Call, frame: object, **options: object) -> None:
        if node.node is _ITERABLE:
            self.write("_iterable(")
            self.visit(node.args[0], frame)
            self.write(")")
        else:
            self._look_at("visit_Call", node, frame, **options)

    def visit_Getattr(self, node: nodes.Getattr, frame: object) -> None:
        if not looks_up_keys(self.environment, node):
            self._look_at("visit_Getattr", node, frame)
            return
        self.write("(_got if type(_got := ")
        write_look_up(self, node, frame)
        self.write(") in _plain else _settled(_got))")

    def visit_Filter(self, node: nodes.Filter, frame: object) -> None:
        self._look_at("visit_Filter", node, frame)

    def visit_Test(self, node: nodes.Test, frame: object) -> None:
        self._look_at("visit_Test", node, frame)

    def _look_at(self, visit: str, *args: object, **options: object) -> None:
        # Written in line, without a call for each value. Cost: "call" in docs/performance.md.
        self.write("(_got if type(_got := ")
        getattr(super(), visit)(*args, **options)
        self.write(") in _plain else _settled(_got))")

    def macro_def(self, macro_ref: Any, frame: object) -> None:
        of_call_block = isinstance(macro_ref.node, nodes.CallBlock)
        self.write("_caller(" if of_call_block else "(")
        super().macro_def(macro_ref, frame)
        self.write(")")


# A node that names `iterable` without clashing with names in the template.
_ITERABLE = nodes.EnvironmentAttribute("iterable")


def _as_iterable(node: nodes.Expr) -> nodes.Call:
    return nodes.Call(_ITERABLE, [node], [], None, None, lineno=node.lineno)


def _prepare(template: nodes.Template, environment: Environment) -> None:
    """Wrap the iterables of loops in *template*, as plain code cannot loop over async ones."""
    for loop in list(template.find_all(nodes.For)):
        loop.iter = _as_iterable(cast(nodes.Expr, loop.iter))
    for call in list(template.find_all(nodes.Call)):
        if isinstance(call.node, nodes.Name) and call.node.name == "loop" and call.args:
            call.args[0] = _as_iterable(call.args[0])
    for node in list(template.find_all(nodes.Filter)):
        func = environment.filters.get(node.name)
        if getattr(func, "jinja_async_variant", False) is True and node.node is not None:
            node.node = _as_iterable(node.node)
        _keep(node, func)
    for test in list(template.find_all(nodes.Test)):
        _keep(test, environment.tests.get(test.name))


def _keep(node: nodes.Filter | nodes.Test, func: object) -> None:
    # Jinja folds constants at compile time. Keep it from calling async functions then.
    if iscoroutinefunction(func) and node.dyn_args is None:
        node.dyn_args = nodes.EnvironmentAttribute("no_arguments")


# The face that owns the code


class _Shelf:
    """The environment's cache, which keeps the plain twin beside each template."""

    def __init__(self, cache: Any) -> None:
        self._cache = cache

    def get(self, key: tuple[object, ...]) -> object:
        return self._cache.get((*key, _FACE))

    def __setitem__(self, key: tuple[object, ...], template: Template) -> None:
        self._cache[(*key, _FACE)] = template


class _BytecodeShelf:
    """The same for bytecode that is kept between processes."""

    def __init__(self, cache: BytecodeCache) -> None:
        self.set_bucket = cache.set_bucket
        self._get_bucket = cache.get_bucket

    def get_bucket(self, environment: Any, name: str, filename: str | None, source: str) -> object:
        return self._get_bucket(environment, name + _FACE, filename, source)


class _PlainTemplate(_Before):  # type: ignore[misc]  # chosen at run time
    """The async methods of a template, for plain code."""

    async def render_async(self, *args: object, **kwargs: object) -> object:
        return await call_bridged(self.render, *args, **kwargs)

    async def generate_async(self, *args: object, **kwargs: object) -> AsyncGenerator[str, object]:
        pieces = self.generate(*args, **kwargs)
        try:
            while (piece := await call_bridged(next, pieces, _END)) is not _END:
                yield piece
        finally:
            await call_bridged(pieces.close)

    async def make_module_async(self, *args: object, **kwargs: object) -> object:
        return await call_bridged(self.make_module, *args, **kwargs)


class _PlainFace(_Before):  # type: ignore[misc]  # chosen at run time
    """An environment that shares the instance dict of the async one; this is what differs."""

    is_async = property(lambda self: False)
    no_arguments = ()

    @property
    def cache(self) -> object:
        cache = self.__dict__["cache"]
        return None if cache is None else _Shelf(cache)

    @property
    def bytecode_cache(self) -> object:
        cache = self.__dict__["bytecode_cache"]
        return None if cache is None else _BytecodeShelf(cache)

    @property
    def template_class(self) -> object:
        return _before(_PlainTemplate, self._given("template_class"))

    @property
    def code_generator_class(self) -> object:
        return _before(_Generating, self._given("code_generator_class"))

    def _given(self, name: str) -> object:
        return self.__dict__[name] if name in self.__dict__ else getattr(super(), name)

    def _generate(self, source: nodes.Template, *args: object, **kwargs: object) -> object:
        _prepare(source, self)
        return super()._generate(source, *args, **kwargs)

    def overlay(self, *args: object, **kwargs: object) -> object:
        environment: Any = object.__new__(type(self).__bases__[1])
        environment.__dict__ = self.__dict__
        return plain_face(environment.overlay(*args, **kwargs))

    # Filters use these to look things up and to call each other.

    def getitem(self, *args: object) -> object:
        return settled(super().getitem(*args))

    def call_filter(self, *args: object, **kwargs: object) -> object:
        return settled(super().call_filter(*args, **kwargs))

    def call_test(self, *args: object, **kwargs: object) -> object:
        return settled(super().call_test(*args, **kwargs))

    # A template may extend or include another template that it was given as an object.

    def get_template(self, name: object, *args: object, **kwargs: object) -> object:
        return super().get_template(_twin(name), *args, **kwargs)

    def get_or_select_template(self, name: object, *args: object, **kwargs: object) -> object:
        return super().get_or_select_template(_twin(name), *args, **kwargs)


def _twin(template: object) -> object:
    """Return the plain twin of *template*, or *template* itself if it is a name."""
    if not isinstance(template, Template) or not template.environment.is_async:
        return template
    if template.name is None:
        return template.plain_twin()  # type: ignore[attr-defined]  # our environment's have it
    own_globals = template.globals.maps[0]  # type: ignore[attr-defined]  # a ChainMap
    return plain_face(template.environment).get_template(template.name, globals=own_globals)


@cache
def _before(mixin: Any, base: Any) -> Any:
    return type(base.__name__, (mixin, base), {"__slots__": (), "__module__": base.__module__})


def is_plain(template: Template) -> bool:
    """Whether *template* is plain code; a loader of compiled templates may return either kind."""
    return not isasyncgenfunction(template.root_render_func)


def plain_face(environment: Environment) -> Environment:
    """Return the face of an async *environment* whose templates are plain code that may wait."""
    if not environment.is_async:
        return environment
    face: object = environment.__dict__.get(_FACE)
    # An overlay starts with a copy of its environment's dict.
    if face is None or face.__dict__ is not environment.__dict__:
        environment_class: object = type(environment)
        face = object.__new__(_before(_PlainFace, environment_class))
        face.__dict__ = environment.__dict__
        environment.__dict__[_FACE] = face
    return cast(Environment, face)
