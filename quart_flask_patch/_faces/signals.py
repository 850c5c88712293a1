"""Which of Flask's signals and Quart's an application sends.

A Flask application sends Flask's. A Quart application sends its own and, for the extensions that
were written for Flask, Flask's too.
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

#: Those that only one of the two has are missing here.
_FLASKS: dict[str, Signal] = {
    signal.name: signal
    for signal in vars(flask.signals).values()
    if isinstance(signal, NamedSignal)
}


class _Both:
    """Two signals as one, for the sender: no more than sending asks for."""

    def __init__(self, first: Signal, second: Signal) -> None:
        self._signals = first, second

    @property
    def receivers(self) -> bool:
        """Whether either has any."""
        return any(signal.receivers for signal in self._signals)

    @property
    def is_muted(self) -> bool:
        return all(signal.is_muted for signal in self._signals)

    def receivers_for(self, sender: object) -> Generator[Function, None, None]:
        for signal in self._signals:
            if signal.receivers and not signal.is_muted:
                yield from signal.receivers_for(sender)


def signal_for(app: Quart, signal: Signal) -> Signal:
    """Return what *app* sends in place of *signal*, one of Quart's."""
    flasks = _FLASKS.get(cast(NamedSignal, signal).name)
    if flasks is None:
        return signal
    return flasks if issubclass(type(app), Flask) else cast(Signal, _Both(signal, flasks))
