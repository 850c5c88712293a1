"""Cache results for texts that clients send."""

from __future__ import annotations

from collections.abc import Callable, Hashable
from functools import lru_cache
from typing import TypeVar

T = TypeVar("T")
H = TypeVar("H", bound=Hashable)

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


class Few(set[H]):
    """A set of at most *most* values, for texts that clients send.

    Unlike with `kept`, asking whether a value is there calls no function of ours.
    """

    def __init__(self, most: int) -> None:
        super().__init__()
        self._most = most

    def keep(self, value: H, text: str | bytes) -> None:
        """Add *value*, which stands for *text*, if that is short."""
        if len(text) <= LONGEST:
            if len(self) >= self._most:
                self.clear()
            self.add(value)
