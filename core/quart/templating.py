"""Rendering Jinja templates, at once or as a stream."""

from __future__ import annotations

from collections.abc import AsyncIterator, MutableMapping
from contextlib import aclosing, asynccontextmanager, AsyncExitStack
from functools import cache, partial
from types import GeneratorType
from typing import Any, cast, TYPE_CHECKING

from flask.templating import (
    DispatchingJinjaLoader as DispatchingJinjaLoader,
    Environment as FlaskEnvironment,
)
from jinja2 import Environment as BaseEnvironment, nodes, Template as Template

from ._handling.overrides import update_template_context
from ._rendering import is_plain, plain_face
from ._threads.bridge import call_bridged
from .ctx import has_app_context as has_app_context, has_request_context as has_request_context
from .globals import _cv_app, app_ctx as app_ctx, current_app as current_app
from .helpers import stream_with_context as stream_with_context
from .signals import (
    before_render_template as before_render_template,
    template_rendered as template_rendered,
)
from .utils import run_sync, run_sync_iterable

if TYPE_CHECKING:
    from flask.sansio.app import App

    from .app import Quart

__all__ = [
    "BaseEnvironment",
    "DispatchingJinjaLoader",
    "Environment",
    "render_template",
    "render_template_string",
    "stream_template",
    "stream_template_string",
]


class Environment(FlaskEnvironment):
    """A Jinja environment that finds the templates of the application and its blueprints.

    Templates may await: they call async functions and loop over async iterables as if they were
    plain. With `app.jinja_options = {"enable_async": False}` they may not.
    """

    def __init__(self, app: App, **options: Any) -> None:
        options.setdefault("enable_async", True)
        super().__init__(app, **options)

    def from_string(
        self,
        source: str | nodes.Template,
        globals: MutableMapping[str, Any] | None = None,
        template_class: type[Template] | None = None,
    ) -> Template:
        """Return *source* as a template."""
        template = super().from_string(source, globals, template_class)
        if self.is_async:
            # Another template may be given this one to include, and cannot look it up by a name.
            make = plain_face(self).from_string
            cast(Any, template).plain_twin = cache(partial(make, source, globals, template_class))
        return template


async def render_template(
    template_name_or_list: str | Template | list[str | Template], **context: object
) -> str:
    """Return the rendered template; of several names the first that exists.

    Raises:
        jinja2.TemplateNotFound: if none exists.
    """
    app = app_ctx.app
    return await _render(app, _found(app.jinja_env, template_name_or_list), context)


async def render_template_string(source: str, **context: object) -> str:
    """Return the rendered *source*."""
    app = app_ctx.app
    return await _render(app, plain_face(app.jinja_env).from_string(source), context)


async def stream_template(
    template_name_or_list: str | Template | list[str | Template], **context: object
) -> AsyncIterator[str]:
    """Return the rendered template piece by piece, to be a response that is sent as it is made.

    Raises:
        jinja2.TemplateNotFound: if none exists.
    """
    app = app_ctx.app
    return await _stream(app, app.jinja_env.get_or_select_template(template_name_or_list), context)


async def stream_template_string(source: str, **context: object) -> AsyncIterator[str]:
    """Return the rendered *source* piece by piece."""
    app = app_ctx.app
    return await _stream(app, app.jinja_env.from_string(source), context)


def _found(environment: BaseEnvironment, wanted: str | Template | list[str | Template]) -> Template:
    if not isinstance(wanted, Template):
        template = plain_face(environment).get_or_select_template(wanted)
        if is_plain(template):
            return template
    return environment.get_or_select_template(wanted)


async def _prepare(app: Quart, template: Template, context: dict[str, object]) -> None:
    updating = update_template_context(app, _cv_app.get(None), context)
    # A subclass may have a plain method, as Flask has.
    if hasattr(updating, "__await__"):
        await updating
    await app._emit(before_render_template, template=template, context=context)


async def _render(app: Quart, template: Template, context: dict[str, object]) -> str:
    await _prepare(app, template, context)
    if template.environment.is_async:
        rendered = await template.render_async(context)
    else:
        rendered = await call_bridged(template.render, context)
    await app._emit(template_rendered, template=template, context=context)
    return rendered


async def _stream(app: Quart, template: Template, context: dict[str, object]) -> AsyncIterator[str]:
    await _prepare(app, template, context)

    async def generate() -> AsyncIterator[str]:
        async with _closing(template, context), aclosing(_pieces(template, context)) as pieces:
            async for piece in pieces:
                yield piece
        await app._emit(template_rendered, template=template, context=context)

    if app_ctx.connected is None:
        return generate()
    return stream_with_context(generate())


@asynccontextmanager
async def _closing(template: Template, context: dict[str, object]) -> AsyncIterator[None]:
    """Close what a template has looped over; Jinja leaves that to the garbage collector."""
    is_async = template.environment.is_async
    async with AsyncExitStack() as stack:
        for value in context.values():
            if hasattr(type(value), "__anext__") and hasattr(type(value), "aclose"):
                stack.push_async_callback(cast(Any, value).aclose)
            elif isinstance(value, GeneratorType):
                # Close it where it was stepped, as `_pieces` does.
                if is_async:
                    stack.callback(value.close)
                else:
                    stack.push_async_callback(run_sync(value.close))
        yield


def _pieces(template: Template, context: dict[str, object]) -> Any:
    if template.environment.is_async:
        return template.generate_async(context)
    return run_sync_iterable(template.generate(context))


async def _default_template_ctx_processor() -> dict[str, object]:
    """Give templates the objects behind the proxies. Cost: "proxy" in docs/performance.md.

    The session stays a proxy, which notices reading. Async, as plain functions would run in a
    worker thread.
    """
    ctx = _cv_app.get(None)
    if ctx is None:
        return {}
    if ctx.has_request:
        return {"g": ctx.g, "request": ctx.request}
    return {"g": ctx.g}
