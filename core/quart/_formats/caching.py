"""Cache results for texts that clients send."""

from __future__ import annotations

from collections.abc import Callable
from functools import lru_cache
from typing import TypeVar

T = TypeVar("T")

#: Longer texts are not cached: a client may send any number of them, and the cache keeps them.
LONGEST = 256


def kept(maxsize: int) -> Callable[[Callable[..., T]], Callable[..., T]]:
    """Cache a function's results for the last *maxsize* arguments, if these are short texts."""

    def decorate(func: Callable[..., T]) -> Callable[..., T]:
        keeping = lru_cache(maxsize=maxsize)(func)

        def call(text: str | None, *args: object) -> T:
            if text is None or len(text) <= LONGEST:
                return keeping(text, *args)
            return func(text, *args)

        return call

    return decorate
