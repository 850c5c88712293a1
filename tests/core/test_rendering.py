"""Templates that wait: what `render_template` renders is plain code beneath a bridge."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextvars import ContextVar
from pathlib import Path
from typing import Any

import pytest
from jinja2 import (
    ChoiceLoader,
    DictLoader,
    FileSystemBytecodeCache,
    ModuleLoader,
    pass_context,
    pass_environment,
    StrictUndefined,
    UndefinedError,
)
from jinja2.nativetypes import NativeEnvironment
from jinja2.sandbox import SandboxedEnvironment, SecurityError
from markupsafe import Markup

from quart import g, Quart, render_template, render_template_string, stream_template_string
from quart.templating import Environment

TEMPLATES = {
    "base.html": "[{% block body %}base {{ later('b') }}{% endblock %}]",
    "child.html": "{% extends 'base.html' %}{% block body %}{{ super() }} child{% endblock %}",
    "macros.html": "{% macro twice(x) %}{{ later(x) }}{{ later(x) }}{% endmacro %}"
    "{% set exported = later('e') %}",
    "part.html": "part {{ later(text) }}",
}


class Thing:
    """Its attributes and items may have to be waited for."""

    name = "thing"

    @property
    def slow(self) -> Any:
        return later("slow")

    def __getitem__(self, key: str) -> Any:
        if key.startswith("_"):
            raise KeyError(key)
        return later(key)

    async def method(self, text: str) -> str:
        return await later(text)


class Anything:
    """Has any attribute that it is asked for."""

    def __getattr__(self, name: str) -> str:
        return f"any {name}"


async def later(value: Any) -> Any:
    await asyncio.sleep(0)
    return value


async def numbers(upto: int = 3) -> AsyncIterator[int]:
    for number in range(upto):
        await asyncio.sleep(0)
        yield number


async def tree(depth: int) -> AsyncIterator[dict[str, Any]]:
    for number in range(depth):
        yield {"name": f"{depth}.{await later(number)}", "children": lambda: tree(depth - 1)}


async def shout(value: str) -> str:
    return (await later(value)).upper() + "!"


async def is_even(value: int) -> bool:
    return bool(await later(value % 2 == 0))


async def around(text: str, caller: Any) -> Markup:
    return Markup("<b>{}</b> {}").format(text, await caller(text))


def before(text: str, caller: Any) -> str:
    return f"{text}: {caller(text)}"


@pass_context
async def with_context(context: Any, name: str) -> Any:
    return await later(context[name])


@pass_environment
async def rendered(environment: Any, name: str, **context: Any) -> Markup:
    return Markup(await environment.get_template(name).render_async(context))


@pytest.fixture
def app() -> Quart:
    return make_app()


def make_app(**options: Any) -> Quart:
    app = Quart(__name__)
    app.jinja_options = {"loader": DictLoader(TEMPLATES), "autoescape": True, **options}
    app.jinja_env.globals.update(
        around=around,
        anything=Anything(),
        before=before,
        later=later,
        numbers=numbers,
        rendered=rendered,
        thing=Thing(),
        tree=tree,
        with_context=with_context,
    )
    app.jinja_env.filters["shout"] = shout
    app.jinja_env.tests["is_even"] = is_even
    return app


def run(app: Quart, work: Callable[[], Any]) -> Any:
    async def main() -> Any:
        async with app.app_context():
            return await work()

    return asyncio.run(main())


def render(app: Quart, source: str, **context: Any) -> str:
    rendered: str = run(app, lambda: render_template_string(source, **context))
    return rendered


CASES = {
    "{{ later('<') }}": "&lt;",
    "{{ thing.slow }} {{ thing['item'] }} {{ thing.name }} {{ thing.other }}": (
        "slow item thing other"
    ),
    "{{ thing.method('m').upper() }} {{ with_context('x') }}": "M 1",
    "{% if later(false) %}yes{% else %}no{% endif %}": "no",
    "{% set a = later(2) %}{{ a + later(3) }}": "5",
    # Filters and tests, of constants too
    "{{ 'a'|shout }} {{ ('b' ~ x)|shout }} {{ ('c'|shout) ~ 'd' }}": "A! B1! C!d",
    "{{ 4 is is_even }} {{ x is is_even }} {{ 4 if 4 is is_even }}": "True False 4",
    "{% filter shout %}a{{ x }}{% endfilter %}": "A1!",
    "{{ ['a', 'b']|map('shout')|join }}": "A!B!",
    "{{ [1, 2, 4]|select('is_even')|list }}": "[2, 4]",
    "{{ [thing]|map(attribute='slow')|join }}": "slow",
    # Loops
    "{% for n in numbers() %}{{ loop.index }}{{ loop.last }}{{ n }} {% endfor %}": (
        "1False0 2False1 3True2 "
    ),
    "{% for n in numbers(4) if n is is_even %}{{ n }}{% endfor %}": "02",
    "{% for n in numbers(0) %}{{ n }}{% else %}none{% endfor %}": "none",
    "{% for n in numbers() %}{{ loop.length }}{% endfor %}": "333",
    "{% for t in tree(2) recursive %}{{ t.name }}({{ loop(t.children()) }}){% endfor %}": (
        "2.0(1.0())2.1(1.0())"
    ),
    "{% for a in numbers(2) %}{% for b in numbers(2) %}{{ a }}{{ b }} {% endfor %}{% endfor %}": (
        "00 01 10 11 "
    ),
    "{% for a, b in later([(1, 2)]) %}{{ a }}{{ b }}{% endfor %}": "12",
    # Filters that take async iterables
    "{{ numbers()|list }} {{ numbers()|join('-') }} {{ numbers()|sum }}": "[0, 1, 2] 0-1-2 3",
    "{{ numbers()|first }} {{ numbers()|map('string')|join }}": "0 012",
    "{{ numbers()|select('odd')|list }} {{ numbers()|reject('odd')|list }}": "[1] [0, 2]",
    "{% for n, m in tree(1)|groupby('name') %}{{ n }}{{ m|length }}{% endfor %}": "1.01",
    # Macros and call blocks
    "{% macro m(a) %}{{ later(a) }}{% endmacro %}{{ m('<') }}{{ m(a=2) }}": "&lt;2",
    "{% call(x) around('<') %}in {{ x }}{{ later('&') }}{% endcall %}": (
        "<b>&lt;</b> in &lt;&amp;"
    ),
    "{% call(x) before('a') %}{{ later(x) }}{% endcall %}": "a: a",
    "{% macro m() %}({{ caller(later(1)) }}){% endmacro %}{% call(x) m() %}{{ x }}{% endcall %}": (
        "(1)"
    ),
    # Other templates
    "{% include 'part.html' %}": "part given",
    "{% include ['missing.html', 'part.html'] %}": "part given",
    "{% extends 'child.html' %}{% block body %}{{ super() }} {{ later(x) }}{% endblock %}": (
        "[base b child 1]"
    ),
    "{% from 'macros.html' import twice, exported %}{{ twice('t') }}{{ exported }}": "tte",
    "{% import 'macros.html' as m with context %}{{ m.twice(x) }}": "11",
    "{{ rendered('part.html', text='<') }}": "part &lt;",
    "{% block a %}{{ later(1) }}{% endblock %}{{ self.a() }}": "11",
    # What is no awaitable though it looks like one, and what dicts are asked for
    "{{ anything.value }} {{ anything.x.y is defined }}": "any value False",
    "{{ row.id }} {{ row.items()|length }} {{ row.get('id') }} [{{ row.gone }}]": "7 2 7 []",
    "{{ row.items is callable }} {{ row['items'] }} {{ row['gone'] is defined }}": (
        "True own False"
    ),
}


@pytest.mark.parametrize(("source", "expected"), CASES.items())
def test_whatever_is_awaitable_is_awaited(app: Quart, source: str, expected: str) -> None:
    context = {"x": 1, "text": "given", "row": {"id": 7, "items": "own"}}
    assert render(app, source, **context) == expected


@pytest.mark.parametrize("source", list(CASES)[:9])
def test_streams_give_the_same(app: Quart, source: str) -> None:
    async def streamed() -> str:
        pieces = await stream_template_string(source, x=1)
        return "".join([piece async for piece in pieces])

    assert run(app, streamed) == CASES[source]


def test_the_environment_is_as_async_as_it_was(app: Quart) -> None:
    environment = app.jinja_env

    async def work() -> list[str]:
        template = environment.from_string(
            "{{ later(1) }}{% block a %}{{ later(2) }}{% endblock %}"
        )
        block = template.blocks["a"](template.new_context())
        return [await template.render_async(), *[piece async for piece in block]]  # type: ignore[attr-defined]  # async

    assert environment.is_async
    assert run(app, work) == ["12", "2"]
    assert render(app, "{{ later(1) }}") == "1"
    assert environment.is_async
    assert run(app, work) == ["12", "2"]


def test_template_objects(app: Quart) -> None:
    environment = app.jinja_env
    base, part = environment.get_template("base.html"), environment.from_string("{{ later(x) }}")

    async def work() -> list[str]:
        source = "{% extends base %}{% block body %}{{ super() }} {% include part %}{% endblock %}"
        return [
            await render_template(part, x=1),
            await render_template_string(source, base=base, part=part, x=2),
        ]

    assert run(app, work) == ["1", "[base b 2]"]


def test_what_is_loaded_is_kept_where_the_environment_keeps_it() -> None:
    loads = []

    class Loader(DictLoader):
        def get_source(self, environment: Any, template: str) -> Any:
            loads.append(template)
            return super().get_source(environment, template)

    app = make_app(loader=Loader(TEMPLATES))

    async def work() -> None:
        await render_template("part.html", text=1)

    for _ in range(3):
        run(app, work)
    assert loads == ["part.html"]
    cache: Any = app.jinja_env.cache
    cache.clear()
    run(app, work)
    assert loads == ["part.html"] * 2
    app.jinja_env.cache = None
    run(app, work)
    run(app, work)
    assert loads == ["part.html"] * 4


def test_code_kept_between_processes_is_not_mixed_up(tmp_path: Path) -> None:
    for _ in range(2):
        app = make_app(bytecode_cache=FileSystemBytecodeCache(str(tmp_path)))
        source = app.jinja_env.get_template("part.html")

        async def work(template: Any = source) -> list[str]:
            return [
                await render_template("part.html", text=1),
                await template.render_async(text=2),
            ]

        assert run(app, work) == ["part 1", "part 2"]


def test_templates_compiled_beforehand(tmp_path: Path) -> None:
    make_app().jinja_env.compile_templates(str(tmp_path), zip=None)
    for loader in (ModuleLoader(tmp_path), ChoiceLoader([ModuleLoader(tmp_path)])):
        app = make_app(loader=loader)
        assert run(app, lambda: render_template("child.html")) == "[base b child]"


def test_an_overlay_is_an_environment_of_its_own(app: Quart) -> None:
    assert render(app, "{{ later(1) }}") == "1"
    app.jinja_env = app.jinja_env.overlay(variable_start_string="<<", variable_end_string=">>")  # type: ignore[misc]  # as an application may
    assert render(app, "<< later(1) >>{{ }}") == "1{{ }}"


def test_an_overlay_of_what_a_function_is_given(app: Quart) -> None:
    @pass_environment
    def other(environment: Any) -> str:
        overlay = environment.overlay(variable_start_string="<<", variable_end_string=">>")
        text: str = overlay.from_string("<< later(1) >>{{ }}").render()
        return text

    assert render(app, "{{ other() }}", other=other) == "1{{ }}"


def test_environments_of_other_kinds() -> None:
    class Native(NativeEnvironment, Environment):
        pass

    class Sandbox(SandboxedEnvironment, Environment):
        pass

    class Upper(Environment):
        def getattr(self, obj: Any, attribute: str) -> Any:
            return super().getattr(obj, attribute.lower())

    for environment in (Sandbox, Upper):
        app = make_app()
        app.jinja_environment = environment
        del app.jinja_env
        app.jinja_env.globals["later"] = later
        source = "{% for n in later([1]) %}{{ {'id': n}.ID or 1 }}{{ later(n) }}{% endfor %}"
        assert render(app, source) == "11"
    app = Quart(__name__)
    app.jinja_environment = Sandbox
    with pytest.raises(SecurityError):
        render(app, "{{ later.__code__.co_code() }}", later=later)
    app = Quart(__name__)
    app.jinja_environment = Native
    assert render(app, "{{ later([1]) }}", later=later) == [1]


def test_errors_come_from_where_they_happen() -> None:
    app = make_app(undefined=StrictUndefined)

    async def fails() -> None:
        await asyncio.sleep(0)
        raise LookupError("no")

    with pytest.raises(LookupError, match="no") as caught:
        render(app, "line 1\n{{ fails() }}", fails=fails)
    lines = [(entry.name, entry.lineno + 1) for entry in caught.traceback]
    assert ("top-level template code", 2) in lines
    assert lines[-1][0] == "fails"
    with pytest.raises(UndefinedError):
        render(app, "{{ missing.x }}")
    assert render(app, "{{ row.x is defined }}", row={}) == "False"


def test_what_awaited_code_sets_is_seen(app: Quart) -> None:
    seen: ContextVar[str] = ContextVar("seen", default="nothing")

    async def sets() -> str:
        await asyncio.sleep(0)
        seen.set("set")
        g.value = "g"
        return ""

    async def work() -> str:
        text = await render_template_string("{{ sets() }}{{ g.value }}", sets=sets, g=g)
        return f"{text} {seen.get()} {asyncio.current_task() is task}"

    async def main() -> str:
        nonlocal task
        task = asyncio.current_task()
        async with app.app_context():
            return await work()

    task: Any = None
    assert asyncio.run(main()) == "g set True"


def test_renderings_that_wait_for_each_other(app: Quart) -> None:
    async def main() -> list[str]:
        events = [asyncio.Event() for _ in range(4)]

        async def turn(number: int) -> str:
            if number:
                await events[number - 1].wait()
            events[number].set()
            return str(number)

        async with app.app_context():
            sources = [
                render_template_string("{{ turn(a) }}{{ turn(b) }}", turn=turn, a=a, b=b)
                for a, b in ((1, 3), (0, 2))
            ]
            return await asyncio.wait_for(asyncio.gather(*sources), 5)

    assert asyncio.run(main()) == ["13", "02"]


def test_a_cancellation_reaches_what_is_awaited(app: Quart) -> None:
    log = []

    async def waits() -> None:
        try:
            await asyncio.Event().wait()
        except asyncio.CancelledError:
            log.append("cancelled")
            await asyncio.sleep(0)
            raise

    async def work() -> None:
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0.01):
                await render_template_string("{{ waits() }}", waits=waits)
        log.append("timed out")

    run(app, work)
    assert log == ["cancelled", "timed out"]
