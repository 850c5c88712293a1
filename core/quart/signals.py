"""The signals of requests, websockets and serving.

Those that have a counterpart in `flask.signals` bear its name, and are objects of their own: a
receiver connected here hears Quart applications.
"""

from __future__ import annotations

from blinker import Namespace

_signals = Namespace()

#: Sent before a request is dispatched.
request_started = _signals.signal("request-started")
#: Sent with the keyword `response` when a request has been answered.
request_finished = _signals.signal("request-finished")
#: Sent when a request's context is torn down, with the keyword `exc`.
request_tearing_down = _signals.signal("request-tearing-down")
#: Sent when a request handler raised what nobody handled, with the keyword `exception`.
got_request_exception = _signals.signal("got-request-exception")

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

#: Sent when an application context was pushed.
appcontext_pushed = _signals.signal("appcontext-pushed")
#: Sent when an application context was popped.
appcontext_popped = _signals.signal("appcontext-popped")
#: Sent when an application context is torn down, with the keyword `exc`.
appcontext_tearing_down = _signals.signal("appcontext-tearing-down")

#: Sent before a template is rendered, with the keywords `template` and `context`.
before_render_template = _signals.signal("before-render-template")
#: Sent when a template was rendered, with the keywords `template` and `context`.
template_rendered = _signals.signal("template-rendered")
#: Sent when a message was flashed, with the keywords `message` and `category`.
message_flashed = _signals.signal("message-flashed")

#: Sent when a background task raised, with the keyword `exception`.
got_background_exception = _signals.signal("got-background-exception")
#: Sent when starting up or shutting down raised, with the keyword `exception`.
got_serving_exception = _signals.signal("got-serving-exception")

#: Kept for code that asks: signals need no optional package any more.
signals_available = True
