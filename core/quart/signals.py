"""The signals of requests, websockets and serving.

Those that Flask has too are Flask's own objects: one receiver hears both.
"""

from __future__ import annotations

from blinker import Namespace
from flask.signals import (
    appcontext_popped as appcontext_popped,
    appcontext_pushed as appcontext_pushed,
    appcontext_tearing_down as appcontext_tearing_down,
    before_render_template as before_render_template,
    got_request_exception as got_request_exception,
    message_flashed as message_flashed,
    request_finished as request_finished,
    request_started as request_started,
    request_tearing_down as request_tearing_down,
    template_rendered as template_rendered,
)

_signals = Namespace()

#: Sent before a websocket is dispatched.
websocket_started = _signals.signal("websocket-started")
#: Sent when a websocket handler has ended; the keyword `response` is None once it was accepted.
websocket_finished = _signals.signal("websocket-finished")
#: Sent when a websocket's context is torn down, with the keyword `exc`.
websocket_tearing_down = _signals.signal("websocket-tearing-down")
#: Sent for each message from the client, with the keyword `data`.
websocket_received = _signals.signal("websocket-received")
#: Sent for each message to the client, with the keyword `data`.
websocket_sent = _signals.signal("websocket-sent")
#: Sent when a websocket handler raised, with the keyword `exception`.
got_websocket_exception = _signals.signal("got-websocket-exception")
#: Sent when a background task raised, with the keyword `exception`.
got_background_exception = _signals.signal("got-background-exception")
#: Sent when starting up or shutting down raised, with the keyword `exception`.
got_serving_exception = _signals.signal("got-serving-exception")

#: Kept for code that asks: signals need no optional package any more.
signals_available = True
