"""What a `Quart` application's method returns if its caller may be async or plain code.

Beneath an async view plain code may have called, which wants the answer, or async code, which
awaits it. So they get something that is the answer and can be awaited.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from functools import lru_cache
from typing import Any

from werkzeug.local import LocalProxy

from quart._types import Stepping

from .. import wrappers


class _Awaited:
    """A response of Flask's that an async function awaits, for the async response."""

    _quart_app: object

    def __await__(self) -> Stepping[object]:
        return wrappers.core_response_of(self._quart_app, self)
        yield

    # With these it is a coroutine to `asyncio.create_task`.

    def send(self, value: None) -> object:
        raise StopIteration(wrappers.core_response_of(self._quart_app, self))

    def throw(self, error: Any, *others: object) -> object:
        raise error


# There are few classes of responses.
@lru_cache(maxsize=16)
def _awaited(cls: type) -> object:
    return type(cls.__name__, (_Awaited, cls), {"__module__": cls.__module__})


def response_for_either(app: object, response: Any) -> object:
    """Return Flask's *response*, just made for *app*, so that it can be awaited too."""
    cls: object = type(response)
    response.__class__ = _awaited(cls)
    response._quart_app = app
    return response


class Given(LocalProxy[Any]):
    """An answer that is found out when it is used, or awaited."""

    __slots__ = ("_start", "_steps")
    _start: Callable[[], Awaitable[object]]
    _steps: Stepping[object] | None

    def __init__(self, plain: Callable[[], object], start: Callable[[], Awaitable[object]]) -> None:
        """Create it; *plain* gives the answer, and *start* something to await for it."""
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

    # With these it is a coroutine to `asyncio.create_task`.

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
        """Close what it is, such as a file."""
        return (self._steps or self._get_current_object()).close()
