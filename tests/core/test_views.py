"""Views as classes."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable
from typing import Any

import pytest

from quart import Quart, websocket
from quart.views import MethodView, View


def answer(app: Quart, path: str = "/", method: str = "GET") -> tuple[int, str]:
    async def main() -> tuple[int, str]:
        response = await app.test_client().open(path, method=method)
        return response.status_code, await response.get_data(as_text=True)

    return asyncio.run(main())


def make_app(view: Any, rule: str = "/") -> Quart:
    app = Quart(__name__)
    app.testing = True
    app.add_url_rule(rule, view_func=view)
    return app


def test_the_url_and_the_class_arguments_arrive() -> None:
    class Greet(View):
        def __init__(self, greeting: str, mark: str) -> None:
            self.words = greeting, mark

        async def dispatch_request(self, name: str) -> str:
            return f"{self.words[0]}, {name}{self.words[1]}"

    app = make_app(Greet.as_view("greet", "Hello", mark="!"), "/<name>")
    assert answer(app, "/Ada") == (200, "Hello, Ada!")


def test_a_plain_method_runs_in_a_thread() -> None:
    class Plain(View):
        def dispatch_request(self) -> str:  # type: ignore[override]
            return threading.current_thread().name

    assert answer(make_app(Plain.as_view("plain")))[1] != threading.current_thread().name


class Both(MethodView):
    async def get(self) -> str:
        return "got"

    def post(self) -> str:
        return "posted"


@pytest.mark.parametrize(
    ("method", "expected"),
    [("GET", (200, "got")), ("POST", (200, "posted")), ("HEAD", (200, "")), ("PUT", 405)],
)
def test_a_method_for_each_method(method: str, expected: Any) -> None:
    result = answer(make_app(Both.as_view("both")), method=method)
    assert expected in (result, result[0])


def test_methods_are_inherited() -> None:
    class More(Both):
        async def delete(self) -> str:
            return "deleted"

    class Fixed(Both):
        methods = ("GET",)

    class Nothing(MethodView):
        pass

    assert set(More.methods or ()) == {"GET", "POST", "DELETE"}
    assert set(Fixed.methods or ()) == {"GET"}
    assert Nothing.methods is None


def test_a_method_that_is_registered_but_missing_is_named() -> None:
    class Missing(MethodView):
        methods = ("PUT",)

    with pytest.raises(RuntimeError, match="Expected Missing to have a method 'put'"):
        answer(make_app(Missing.as_view("missing")), method="PUT")


@pytest.mark.parametrize(("every", "expected"), [(True, ["1", "1"]), (False, ["1", "2"])])
def test_an_object_for_each_request_or_one(every: bool, expected: list[str]) -> None:
    class Counter(View):
        init_every_request = every
        count = 0

        async def dispatch_request(self) -> str:
            self.count += 1
            return str(self.count)

    app = make_app(Counter.as_view("counter"))
    assert [answer(app)[1] for _ in range(2)] == expected


def test_decorators_are_applied_in_order() -> None:
    def adding(mark: str) -> Callable[[Any], Any]:
        def decorate(view: Any) -> Any:
            async def decorated(**kwargs: Any) -> str:
                return f"{await view(**kwargs)}{mark}"

            return decorated

        return decorate

    class Decorated(View):
        decorators = (adding("a"), adding("b"))  # type: ignore[assignment]

        async def dispatch_request(self) -> str:
            return "-"

    assert answer(make_app(Decorated.as_view("decorated")))[1] == "-ab"


def test_the_view_function_describes_itself() -> None:
    class Described(View):
        """What it is."""

        methods = ("POST",)
        provide_automatic_options = False

        async def dispatch_request(self) -> str:
            return ""

    view: Any = Described.as_view("name")
    assert (view.__name__, view.__doc__, view.__module__) == ("name", "What it is.", __name__)
    assert (view.view_class, view.methods) == (Described, ("POST",))
    app = make_app(view)
    assert answer(app, method="OPTIONS")[0] == 405
    assert answer(app, method="POST")[0] == 200


def test_a_class_put_in_place_of_another_is_used() -> None:
    view: Any = Both.as_view("both")

    class Fake(Both):
        async def get(self) -> str:
            return "fake"

    view.view_class = Fake
    assert answer(make_app(view))[1] == "fake"


def test_get_handles_a_websocket() -> None:
    class Echo(MethodView):
        async def get(self) -> None:
            await websocket.send(await websocket.receive())

    app = Quart(__name__)
    app.add_websocket("/echo", view_func=Echo.as_view("echo"))

    async def main() -> Any:
        async with app.test_client().websocket("/echo") as connection:
            await connection.send("hello")
            return await connection.receive()

    assert asyncio.run(main()) == "hello"


def test_dispatch_request_has_to_be_defined() -> None:
    class Empty(View):
        pass

    with pytest.raises(NotImplementedError, match=r"Empty .* define dispatch_request"):
        answer(make_app(Empty.as_view("empty")))
