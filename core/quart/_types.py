"""Types that many rooms share. What is *anything* is said here once, with the reason.

`quart.typing` has the aliases that applications use; these are for the framework itself.
"""

from collections.abc import Awaitable, Callable, Coroutine, Generator, Mapping
from typing import Any, Protocol, TypeVar

T = TypeVar("T")

#: What a connection is. A mapping, as some servers' and Hypercorn's are typed dicts; what we make
#: ourselves, or put something into, is a `dict`.
Scope = Mapping[str, Any]
Message = Mapping[str, Any]
OwnScope = dict[str, Any]
#: Each server, and each piece of middleware, has message types of its own for the same messages.
Receive = Callable[[], Awaitable[Any]]
Send = Callable[[Any], Awaitable[None]]
ASGIApp = Callable[[Any, Receive, Send], Awaitable[None]]

#: The same for WSGI. What `start_response` returns, nobody has used for twenty years.
Environ = dict[str, Any]
WSGIHeaders = list[tuple[str, str]]


class StartResponse(Protocol):
    def __call__(
        self, status: str, headers: WSGIHeaders, exc_info: Any = None, /
    ) -> Callable[[bytes], object]: ...


#: A function of an application or an extension, whose parameters and result are its own.
Function = Callable[..., Any]
#: A decorator that gives back what it is given.
F = TypeVar("F", bound=Function)
#: Names with values of an application's own: a view's arguments, a template's variables.
Values = dict[str, Any]

#: What an event loop or Trio is handed, and what it answers, is between it and what waits.
CoroutineOf = Coroutine[Any, Any, T]
Stepping = Generator[Any, Any, T]

#: What a function or a step gave: a value, or something to await for it. Which of the two, only
#: looking tells.
Result = Any

#: What a call returned, or what it raised.
Outcome = tuple[Any, BaseException | None]
