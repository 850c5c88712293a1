"""Choose which signals an application sends: Flask's, Quart's or both.

A Flask application sends Flask's. A Quart application sends its own, and Flask's too, for
extensions that were written for Flask.
"""

from __future__ import annotations

from collections.abc import Generator
from typing import cast, TYPE_CHECKING

import flask.signals
from blinker import NamedSignal, Signal

from quart._types import Function

from ..app import Flask

if TYPE_CHECKING:
    from quart.app import Quart

#: Flask's signals by name.
_FLASKS: dict[str, Signal] = {
    signal.name: signal
    for signal in vars(flask.signals).values()
    if isinstance(signal, NamedSignal)
}


class _Both:
    """Two signals as one, with just what sending needs."""

    def __init__(self, first: Signal, second: Signal) -> None:
        self._signals = first, second

    @property
    def receivers(self) -> bool:
        """Whether either signal has receivers."""
        return any(signal.receivers for signal in self._signals)

    @property
    def is_muted(self) -> bool:
        return all(signal.is_muted for signal in self._signals)

    def receivers_for(self, sender: object) -> Generator[Function, None, None]:
        for signal in self._signals:
            if signal.receivers and not signal.is_muted:
                yield from signal.receivers_for(sender)


def signal_for(app: Quart, signal: Signal) -> Signal:
    """Return what *app* sends in the place of Quart's *signal*."""
    flasks = _FLASKS.get(cast(NamedSignal, signal).name)
    if flasks is None:
        return signal
    return flasks if issubclass(type(app), Flask) else cast(Signal, _Both(signal, flasks))
