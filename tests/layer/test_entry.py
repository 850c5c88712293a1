"""What is put in the place of `Flask.__call__` or `wsgi_app` takes part, over ASGI and WSGI."""

from __future__ import annotations

import asyncio
import functools
import inspect
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator
from typing import Any, ClassVar, Generic, Protocol, TypeVar
from unittest import mock

import pytest
import wrapt
from asgiref.compatibility import is_double_callable
from hypercorn.utils import is_asgi
from uvicorn.config import Config
from werkzeug.test import Client

from _patches import patched, WAYS
from quart import websocket
from quart_flask_patch.app import Flask

from ._asgi import fetch, Handshake, run

# A mock of the first is another test's: it is no function, so it cannot be one of a function.
PATCHES = [
    (name, way)
    for name in ("__call__", "wsgi_app")
    for way in WAYS
    if (name, way) != ("__call__", "mock")
]


def filled(app: Any) -> Any:
    """Give *app* a view of each kind, a websocket, and something to do before it serves."""
    app.add_url_rule("/plain", "plain", lambda: "plain")

    @app.get("/async")
    async def view() -> str:
        return str(await asyncio.sleep(0, "async"))

    @app.websocket("/ws")
    async def handler() -> None:
        await websocket.send("over the websocket")

    @app.before_serving
    async def before() -> None:
        app.extensions["started"] = True

    return app


def is_taken_for_asgi(app: Any) -> bool:
    """Whether each server that looks takes *app* for an ASGI application."""
    config = Config(app)
    config.load()
    asked = asyncio.iscoroutinefunction(app.__call__), inspect.iscoroutinefunction(app.__call__)
    return (
        all(asked) and is_asgi(app) and not is_double_callable(app) and config.interface == "asgi3"
    )


async def start(app: Any) -> list[str]:
    messages = [{"type": "lifespan.startup"}, {"type": "lifespan.shutdown"}]
    sent: list[str] = []

    async def receive() -> Any:
        return messages.pop(0)

    async def send(message: Any) -> None:
        sent.append(message["type"])

    await app({"type": "lifespan", "asgi": {"version": "3.0"}}, receive, send)
    return sent


async def over_a_websocket(app: Any) -> str:
    async with Handshake(app, "/ws") as client:
        await client.end()
        return client.said[0]


def check(app: Any, calls: list[str], expected: list[str]) -> None:
    """Call *app* in every way; each request must be noted in *calls*, as *expected*."""
    for path in ("plain", "async"):
        calls.clear()
        assert run(fetch(app, f"/{path}")).text == path
        assert calls == expected
        calls.clear()
        assert app.test_client().get(f"/{path}").text == path
        assert calls == expected
    assert is_taken_for_asgi(app)
    assert run(start(app)) == ["lifespan.startup.complete", "lifespan.shutdown.complete"]
    assert app.extensions["started"]
    assert run(over_a_websocket(app)) == "over the websocket"


@pytest.fixture(params=["before", "after", "served"])
def make(request: pytest.FixtureRequest) -> Callable[[Any, str, str], Iterator[Any]]:
    """Patch the class before its application is made, after that, or after its first request."""

    def make(cls: Any, name: str, way: str) -> Iterator[Any]:
        app = None if request.param == "before" else filled(cls(__name__))
        if request.param == "served":
            run(fetch(app, "/plain"))
        with patched(cls, name, way) as calls:
            yield app or filled(cls(__name__)), calls

    return make


@pytest.mark.parametrize(("name", "way"), PATCHES)
def test_a_class_is_patched(name: str, way: str, make: Any) -> None:
    for app, calls in make(Flask, name, way):
        check(app, calls, [name])
    calls.clear()
    assert run(fetch(app, "/plain")).text == "plain"
    assert calls == []


def test_both_are_patched_and_middleware_is_put_around_them() -> None:
    app = filled(Flask(__name__))
    within = app.wsgi_app
    order: list[str] = []

    def middleware(environ: Any, start_response: Any) -> Any:
        order.append("middleware")
        return within(environ, start_response)

    app.wsgi_app = middleware
    with patched(Flask, "__call__", "function") as calls:
        order = calls
        check(app, calls, ["__call__", "middleware"])


def test_two_agents_patch_it_one_after_the_other() -> None:
    app = filled(Flask(__name__))
    with patched(Flask, "__call__", "function") as first:
        with patched(Flask, "__call__", "wrapt") as second:
            check(app, second, ["__call__"])
            assert first
        first.clear()
        check(app, first, ["__call__"])


def test_a_mock_in_its_place_is_called_as_flask_would_call_it() -> None:
    app = filled(Flask(__name__))

    def answer(environ: Any, start_response: Any) -> list[bytes]:
        start_response("200 OK", [])
        return [environ["PATH_INFO"].encode()]

    with mock.patch.object(Flask, "__call__", side_effect=answer) as replacement:
        assert run(fetch(app, "/path")).text == "/path"
        assert app.test_client().get("/path").text == "/path"
    assert replacement.call_count == 2
    assert run(fetch(app, "/plain")).text == "plain"


def test_a_subclass_defines_it() -> None:
    calls: list[str] = []

    class Mine(Flask):
        def __call__(self, environ: Any, start_response: Any) -> Any:
            calls.append("mine")
            return super().__call__(environ, start_response)

    class Derived(Mine):
        pass

    for cls in (Mine, Derived):
        check(filled(cls(__name__)), calls, ["mine"])
    with patched(Flask, "__call__", "function") as of_agent:
        check(filled(Derived(__name__)), calls, ["mine"])
        assert of_agent
    assert run(fetch(filled(Flask(__name__)), "/plain")).text == "plain"


def test_a_subclass_may_define_it_for_asgi() -> None:
    types: list[str] = []

    class Mine(Flask):
        async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
            types.append(scope["type"])
            await super().__call__(scope, receive, send)

    app = filled(Mine(__name__))
    assert run(fetch(app, "/plain")).text == "plain"
    assert run(over_a_websocket(app)) == "over the websocket"
    assert types == ["http", "websocket"]
    assert is_taken_for_asgi(app)


def test_an_application_class_may_be_abstract() -> None:
    class Base(Flask, ABC):
        @abstractmethod
        def name_of_it(self) -> str: ...

    class Concrete(Base):
        def name_of_it(self) -> str:
            return "concrete"

    with pytest.raises(TypeError, match="abstract"):
        Base(__name__)  # type: ignore[abstract]  # that is the point
    app = filled(Concrete(__name__))
    assert isinstance(app, Flask)
    check(app, [], [])


class Named(Protocol):
    def name_of_it(self) -> str: ...


T = TypeVar("T")


def test_an_application_class_may_be_generic_and_follow_a_protocol() -> None:
    class Mine(Flask, Named, Generic[T]):
        def name_of_it(self) -> str:
            return "mine"

    app = filled(Mine[int](__name__))
    assert isinstance(app, Mine)
    assert not isinstance(Flask(__name__), Mine)
    assert issubclass(Mine, Flask)
    check(app, [], [])


def test_an_application_class_may_have_a_metaclass_of_its_own() -> None:
    class Registering(type):
        made: ClassVar[list[str]] = []

        def __init__(cls, name: str, *args: Any) -> None:
            super().__init__(name, *args)
            cls.made.append(name)

    # As it is with any class that has a metaclass; on Flask itself the second one is `type`.
    class Meta(Registering, type(Flask)):  # type: ignore[misc]  # a class that is worked out
        pass

    class Mine(Flask, metaclass=Meta):
        pass

    assert Registering.made == ["Mine"]
    check(filled(Mine(__name__)), [], [])


def test_the_entry_looks_like_the_method_that_it_is() -> None:
    app = Flask(__name__)
    assert list(inspect.signature(app.__call__).parameters) == ["scope", "receive", "send"]
    assert inspect.isfunction(Flask.__call__)


# --- Something around the application ------------------------------------------------------------


class Around:
    """Passes on what it is called with, as wrappers that know no interface do."""

    def __init__(self, app: Callable[..., object]) -> None:
        self.app = app

    def __call__(self, *args: object, **kwargs: object) -> object:
        return self.app(*args, **kwargs)


def passing_on(app: Callable[..., object]) -> Callable[..., object]:
    def called(*args: object, **kwargs: object) -> object:
        return app(*args, **kwargs)

    return called


WRAPPERS: dict[str, Callable[[Any], Any]] = {
    "proxy": wrapt.CallableObjectProxy,
    "function wrapper": lambda app: wrapt.FunctionWrapper(
        app, lambda wrapped, instance, args, kwargs: wrapped(*args, **kwargs)
    ),
    "partial": functools.partial,
    "function": passing_on,
    "object": Around,
}


@pytest.mark.parametrize("wrapper", WRAPPERS)
def test_uvicorn_calls_what_is_around_it(wrapper: str) -> None:
    """It finds no async function, and calls with the scope alone, as in ASGI 2."""
    app = filled(Flask(__name__))
    config = Config(WRAPPERS[wrapper](app), proxy_headers=False)
    config.load()
    served: Any = config.loaded_app
    assert run(start(served)) == ["lifespan.startup.complete", "lifespan.shutdown.complete"]
    assert app.extensions["started"]
    assert [run(fetch(served, path)).text for path in ("/plain", "/async")] == ["plain", "async"]
    assert run(over_a_websocket(served)) == "over the websocket"


@pytest.mark.parametrize("wrapper", WRAPPERS)
def test_hypercorn_calls_it_by_wsgi(wrapper: str) -> None:
    app = WRAPPERS[wrapper](filled(Flask(__name__)))
    assert not is_asgi(app)
    assert Client(app).get("/plain").text == "plain"
