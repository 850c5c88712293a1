"""Rendering templates."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Coroutine
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import flask.templating
import pytest
from jinja2 import TemplateNotFound

from quart import (
    before_render_template,
    Blueprint,
    g,
    get_template_attribute,
    Quart,
    render_template,
    render_template_string,
    request,
    session,
    stream_template,
    stream_template_string,
    template_rendered,
)
from quart.templating import DispatchingJinjaLoader, Environment


@pytest.fixture(params=["async", "plain"])
def app(request: pytest.FixtureRequest, tmp_path: Path) -> Quart:
    (tmp_path / "templates").mkdir()
    (tmp_path / "templates" / "page.html").write_text("<p>{{ text }}</p>")
    (tmp_path / "templates" / "macro.html").write_text("{% macro hi(n) %}hi {{ n }}{% endmacro %}")
    app = Quart(__name__, root_path=str(tmp_path))
    app.secret_key = "k"
    app.testing = True
    app.jinja_options = {"enable_async": request.param == "async"}
    return app


def is_async(app: Quart) -> bool:
    return app.jinja_env.is_async


def in_context(app: Quart, work: Any) -> Any:
    """Run the coroutine function *work* in an application context."""

    async def main() -> Any:
        async with app.app_context():
            return await work()

    return asyncio.run(main())


def get(app: Quart, view: Any, path: str = "/?q=1") -> str:
    app.add_url_rule("/", endpoint="view", view_func=view)

    async def main() -> str:
        response = await app.test_client().get(path)
        return await response.get_data(as_text=True)

    return asyncio.run(main())


async def joined(pieces: Coroutine[Any, Any, AsyncIterator[str]]) -> str:
    return "".join([piece async for piece in await pieces])


def test_from_a_file(app: Quart) -> None:
    assert in_context(app, lambda: render_template("page.html", text="<")) == "<p>&lt;</p>"


@pytest.mark.parametrize("ending", ["html", "htm", "xml", "xhtml", "svg", "HTML", "txt"])
def test_the_name_says_whether_text_is_escaped(app: Quart, ending: str) -> None:
    (Path(app.root_path) / "templates" / f"page.{ending}").write_text("{{ text }}")
    # As Flask has it, upper case does not count.
    expected = "<" if ending in ("HTML", "txt") else "&lt;"
    assert in_context(app, lambda: render_template(f"page.{ending}", text="<")) == expected


@pytest.mark.parametrize(
    "render", [render_template, lambda *a, **k: joined(stream_template(*a, **k))]
)
def test_the_first_of_several_that_exists(app: Quart, render: Any) -> None:
    names = ["missing.html", "page.html"]
    assert in_context(app, lambda: render(names, text=1)) == "<p>1</p>"
    with pytest.raises(TemplateNotFound):
        in_context(app, lambda: render("missing.html"))
    template = app.jinja_env.get_template("page.html")
    assert in_context(app, lambda: render(template, text=2)) == "<p>2</p>"


@pytest.mark.parametrize(
    "render",
    [render_template_string, lambda *a, **k: joined(stream_template_string(*a, **k))],
)
def test_from_a_string(app: Quart, render: Any) -> None:
    assert in_context(app, lambda: render("{{ text }}", text="<")) == "&lt;"


def test_a_context_is_needed() -> None:
    with pytest.raises(RuntimeError, match="application context"):
        asyncio.run(render_template_string(""))


def test_what_is_there_in_a_request(app: Quart) -> None:
    async def view() -> str:
        g.value, session["value"] = "of g", "of session"
        return await render_template_string(
            "{{ request.args.q }} {{ g.value }} {{ session.value }} {{ config.TESTING }}"
            " {{ url_for('view') }} {{ get_flashed_messages() }}"
        )

    assert get(app, view) == "1 of g of session True / []"


def test_only_a_used_session_counts_as_accessed(app: Quart) -> None:
    seen = []

    async def view() -> str:
        from quart.globals import app_ctx

        opened = app_ctx.opened_session()
        await render_template_string("{{ request.path }}")
        seen.append(opened.accessed)
        await render_template_string("{{ session.value }}")
        seen.append(opened.accessed)
        return ""

    get(app, view)
    assert seen == [False, True]


def test_context_processors_of_both_colours(app: Quart) -> None:
    @app.context_processor
    def plain() -> dict[str, Any]:
        return {"a": "plain", "b": "plain", "c": "plain"}

    @app.context_processor
    async def asynchronous() -> dict[str, Any]:
        await asyncio.sleep(0)
        return {"b": "async", "c": "async"}

    work = in_context(app, lambda: render_template_string("{{ a }} {{ b }} {{ c }}", c="given"))
    assert work == "plain async given"


def test_context_processors_of_a_blueprint(app: Quart) -> None:
    blueprint = Blueprint("bp", __name__)

    @blueprint.context_processor
    def of_blueprint() -> dict[str, Any]:
        return {"who": "blueprint"}

    @blueprint.route("/bp")
    @app.route("/app")
    async def shared() -> str:
        return await render_template_string("{{ who }}")

    app.register_blueprint(blueprint)
    assert get(app, lambda: "", "/bp") == "blueprint"

    async def main() -> str:
        return await (await app.test_client().get("/app")).get_data(as_text=True)

    assert asyncio.run(main()) == ""


def test_a_plain_update_template_context_is_fine(
    app: Quart, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(app, "update_template_context", lambda context: context.update(a=1))
    assert in_context(app, lambda: render_template_string("{{ a }}")) == "1"


@contextmanager
def recorded(app: Quart) -> Any:
    log: list[tuple[str, Any, Any]] = []

    def before(sender: Any, template: Any, context: Any) -> None:
        log.append(("before", template.name, context["text"]))

    async def after(sender: Any, template: Any, context: Any) -> None:
        await asyncio.sleep(0)
        log.append(("after", template.name, context["text"]))

    with (
        before_render_template.connected_to(before, app),
        template_rendered.connected_to(after, app),
    ):
        yield log


@pytest.mark.parametrize(
    "render", [render_template, lambda *a, **k: joined(stream_template(*a, **k))]
)
def test_signals(app: Quart, render: Any) -> None:
    with recorded(app) as log:
        in_context(app, lambda: render("page.html", text=1))
    assert log == [("before", "page.html", 1), ("after", "page.html", 1)]


def test_a_stream_comes_in_pieces(app: Quart) -> None:
    async def work() -> list[str]:
        source = "{% for n in range(3) %}{{ n }},{% endfor %}"
        return [piece async for piece in await stream_template_string(source)]

    pieces = in_context(app, work)
    assert len(pieces) > 1
    assert "".join(pieces) == "0,1,2,"


def test_a_stream_keeps_the_context(app: Quart) -> None:
    log = []

    @app.teardown_request
    async def teardown(error: BaseException | None) -> None:
        log.append(g.pop("value"))

    async def view() -> Any:
        g.value, session["value"] = "of g", "of session"
        return await stream_template_string(
            "{{ request.args.q }} {{ g.value }} {{ session.value }} {{ seen() }}",
            seen=lambda: f"{request.path} {g.value} {session['value']}",
        )

    assert get(app, view) == "1 of g of session / of g of session"
    assert log == ["of g"]


def test_a_template_may_await() -> None:
    app = Quart(__name__)

    async def double(value: int) -> int:
        await asyncio.sleep(0)
        return value * 2

    async def numbers() -> AsyncIterator[int]:
        for number in range(3):
            await asyncio.sleep(0)
            yield number

    source = "{{ double(2) }} {% for n in numbers() %}{{ n|double }}{% endfor %}"
    app.add_template_filter(double)
    rendered = in_context(
        app, lambda: render_template_string(source, double=double, numbers=numbers)
    )
    assert rendered == "4 024"


def test_a_macro_is_called_from_python(app: Quart) -> None:
    async def work() -> str:
        macro = get_template_attribute("macro.html", "hi")
        result = macro("Ada")
        return str(await result if is_async(app) else result)

    assert in_context(app, work) == "hi Ada"


def test_the_classes_are_flasks(app: Quart) -> None:
    assert isinstance(app.jinja_env, Environment)
    assert isinstance(app.jinja_env, flask.templating.Environment)
    assert isinstance(app.jinja_env.loader, DispatchingJinjaLoader)


def test_a_loader_can_be_given() -> None:
    from jinja2 import DictLoader

    app = Quart(__name__)
    environment = Environment(app, loader=DictLoader({"a": "b"}))
    assert environment.is_async
    assert asyncio.run(environment.get_template("a").render_async()) == "b"
