"""Answer a caller that may be plain or async code, from a `Quart` application's methods.

Beneath an async view, both may call: plain code uses the answer, async code awaits it. So both get
an object that is the answer and can be awaited.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from functools import lru_cache
from typing import Any

from werkzeug.local import LocalProxy

from quart._types import Stepping

from .. import wrappers


class _AwaitableResponse:
    """Mixed into Flask's response, so that awaiting it gives the async response."""

    _quart_app: object

    def __await__(self) -> Stepping[object]:
        return wrappers.core_response_of(self._quart_app, self)
        yield

    # With these, `asyncio.create_task` takes it for a coroutine.

    def send(self, value: None) -> object:
        raise StopIteration(wrappers.core_response_of(self._quart_app, self))

    def throw(self, error: Any, *others: object) -> object:
        raise error


# Applications have few classes of responses.
@lru_cache(maxsize=16)
def _awaitable_class(cls: type) -> object:
    return type(cls.__name__, (_AwaitableResponse, cls), {"__module__": cls.__module__})


def response_for_either(app: object, response: Any) -> object:
    """Make Flask's *response*, just made for *app*, awaitable as well; return it."""
    cls: object = type(response)
    response.__class__ = _awaitable_class(cls)
    response._quart_app = app
    return response


class LazyAnswer(LocalProxy[Any]):
    """An answer that is computed when it is used or awaited."""

    __slots__ = ("_start", "_steps")
    _start: Callable[[], Awaitable[object]]
    _steps: Stepping[object] | None

    def __init__(self, plain: Callable[[], object], start: Callable[[], Awaitable[object]]) -> None:
        """Create it; *plain* returns the answer, and *start* an awaitable that gives it."""
        answers: list[object] = []

        def answer() -> object:
            if not answers:
                answers.append(plain())
            return answers[0]

        super().__init__(answer)
        object.__setattr__(self, "_start", start)
        object.__setattr__(self, "_steps", None)

    def __await__(self) -> Stepping[object]:
        return self._start().__await__()

    # With these, `asyncio.create_task` takes it for a coroutine.

    def send(self, value: object) -> object:
        steps = self._steps or self.__await__()
        object.__setattr__(self, "_steps", steps)
        return steps.send(value)

    def __next__(self) -> object:
        return self.send(None)

    def throw(self, *error: Any) -> object:
        if self._steps is None:
            raise error[0]
        return self._steps.throw(*error)

    def close(self) -> object:
        """Close the answer, such as a file, or the coroutine that computes it."""
        return (self._steps or self._get_current_object()).close()
