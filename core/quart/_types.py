"""Types that many rooms share. Each `Any` here has a name and a reason.

`quart.typing` has the aliases that applications use; these are for the framework itself.
"""

from collections.abc import Awaitable, Callable, Coroutine, Generator, Iterable, Mapping
from typing import Any, Protocol, TypeVar

T = TypeVar("T")

#: A connection's scope, and its messages. These are mappings, as some servers' and Hypercorn's are
#: typed dicts. A scope that we make, or add something to, is a `dict`: an `OwnScope`.
Scope = Mapping[str, Any]
Message = Mapping[str, Any]
OwnScope = dict[str, Any]
#: Servers and middleware have different types for the same messages.
Receive = Callable[[], Awaitable[Any]]
Send = Callable[[Any], Awaitable[None]]
#: Sends the pieces of a body that it is given. If it returns an awaitable, await that, then call it
#: with None, to go on with the same pieces.
Take = Callable[[Iterable[object] | None], Awaitable[None] | None]
ASGIApp = Callable[[Any, Receive, Send], Awaitable[None]]

#: The same for WSGI. Hardly anybody uses what `start_response` returns.
Environ = dict[str, Any]
WSGIHeaders = list[tuple[str, str]]


class StartResponse(Protocol):
    def __call__(
        self, status: str, headers: WSGIHeaders, exc_info: Any = None, /
    ) -> Callable[[bytes], object]: ...


#: A function of an application or an extension, with any parameters and any result.
Function = Callable[..., Any]
#: For decorators that return the function that they are given.
F = TypeVar("F", bound=Function)
#: An application's values by name: a view's arguments, a template's variables.
Values = dict[str, Any]

#: A coroutine yields to its event loop, and gets from it, what only those two need to know.
CoroutineOf = Coroutine[Any, Any, T]
Stepping = Generator[Any, Any, T]

#: The result of a function or a stage: a value, or an awaitable for it. Only a check at run time
#: tells which.
Result = Any

#: The result of a call, or its error.
Outcome = tuple[Any, BaseException | None]
