"""Advice on what Python says of coroutines and event loops, as a note of the error.

Python's own message names the symptom. In a view the cause is one of a few, and so is the cure.
"""

from __future__ import annotations

import re

_WAS_NOT_AWAITED = (
    "A coroutine stands where its result was expected. Did you forget `await`? In a `Quart`"
    " application, what reads from the network or from a file is awaited:"
    " `(await request.get_json())['key']`."
)
_NEED_NOT_BE_AWAITED = (
    "What stands after `await` is a result already. In a `Flask` application, on the layer too,"
    " leave `await` out: `request.get_json()`, `render_template(...)`."
)
_A_LOOP_RUNS = (
    "The event loop that serves requests runs in this thread. In an `async def` function, `await`"
    " the coroutine; in plain code beneath one, call `quart_flask_patch.wait(coroutine)`."
)
_NO_LOOP_RUNS = (
    "No event loop runs in the thread of a plain `def` function. Make it `async def`, or, for work"
    " that outlives the request, call `app.add_background_task(function)`."
)
_ADVICE = (
    (r"'coroutine' object (is not|has no|does not)|type coroutine is not", _WAS_NOT_AWAITED),
    (r"can't be used in 'await' expression|object can't be awaited", _NEED_NOT_BE_AWAITED),
    (r"from a running event loop|another loop is running|loop is already running", _A_LOOP_RUNS),
    (r"^no running event loop|^There is no current event loop", _NO_LOOP_RUNS),
)


def advise(error: BaseException) -> None:
    """Add a note to *error* that says what to do, if it is what one of these mistakes leads to."""
    if not isinstance(error, (AttributeError, RuntimeError, TypeError)):
        return
    said = str(error)
    for pattern, advice in _ADVICE:
        if re.search(pattern, said):
            if advice not in getattr(error, "__notes__", ()):
                error.add_note(advice)
            return
