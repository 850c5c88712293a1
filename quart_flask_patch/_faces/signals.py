"""Choose which signals an application sends: Flask's, Quart's or both.

A Flask application sends Flask's. A Quart application sends its own, and Flask's too, for
extensions that were written for Flask. A module of Flask sends the object that it has under the
signal's name, so you can put another object there, or set another `send` on the signal.
"""

from __future__ import annotations

from collections.abc import Generator
from types import ModuleType
from typing import Any, cast, TYPE_CHECKING

import flask.app
import flask.ctx
import flask.helpers
import flask.signals
import flask.templating
from blinker import NamedSignal, Signal

from quart._stock import count_change, Stock, watch as watch_changes
from quart._types import Function

from ..app import Flask

if TYPE_CHECKING:
    from quart.app import Quart

#: Flask's modules that send signals.
_SENDERS = (flask.app, flask.ctx, flask.helpers, flask.templating)


def _senders() -> dict[str, tuple[ModuleType, str]]:
    """Return by each of Flask's signals' names the module that sends it, and its name there."""
    return {
        signal.name: (module, attribute)
        for attribute, signal in vars(flask.signals).items()
        if isinstance(signal, NamedSignal)
        for module in _SENDERS
        if attribute in vars(module)
    }


_FLASKS = _senders()
_SENDING = Stock(Signal, "send")


class _WatchedSignal(NamedSignal):
    """A signal that reports when somebody sets another `send` on it."""

    def __setattr__(self, name: str, value: object) -> None:
        super().__setattr__(name, value)
        if name == "send":
            count_change()

    def __delattr__(self, name: str) -> None:
        super().__delattr__(name)
        count_change()


def watch() -> None:
    """Watch for replaced signals, so that applications send the new ones."""
    for module, attribute in _FLASKS.values():
        watch_changes(module)
        getattr(flask.signals, attribute).__class__ = _WatchedSignal


class _Sent:
    """Calls a signal's own `send`, even if it has no receivers."""

    receivers = True
    is_muted = False

    def __init__(self, signal: Any) -> None:
        self._signal = signal

    def receivers_for(self, sender: object) -> Generator[Function, None, None]:
        yield self._send

    def _send(self, sender: Any, **values: object) -> None:
        self._signal.send(sender, _async_wrapper=sender.ensure_sync, **values)


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


def _sent_from(module: ModuleType, attribute: str) -> Signal:
    signal = getattr(module, attribute)
    if isinstance(signal, Signal) and _SENDING.within(signal):
        return signal
    return cast(Signal, _Sent(signal))


def signal_for(app: Quart, signal: Signal) -> Signal:
    """Return what *app* sends in the place of Quart's *signal*."""
    sender = _FLASKS.get(cast(NamedSignal, signal).name)
    if sender is None:
        return signal
    flasks = _sent_from(*sender)
    return flasks if issubclass(type(app), Flask) else cast(Signal, _Both(signal, flasks))
