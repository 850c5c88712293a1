"""Gives back a name that Flask removed in 2.3 and that test_api.py imports."""

import flask.signals

flask.signals.signals_available = True  # type: ignore[attr-defined]
