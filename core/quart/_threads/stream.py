"""Make a plain iterator async: step it in a request's thread, a little ahead of its reader.

A visit to the thread is a *run* of several steps. Cost: "thread" in docs/performance.md. Each chunk
is passed on as soon as it is made.
"""

from __future__ import annotations

from collections.abc import AsyncGenerator, Callable, Iterable, Iterator
from inspect import isgenerator
from time import monotonic
from typing import Any, TYPE_CHECKING

from .lease import discard, outcome_of, reply
from .worker import WorkGreenlet

if TYPE_CHECKING:
    from .._loops.mailbox import Mailbox
    from .lease import Lease
    from .worker import WorkerThread

#: How many bytes a run makes before it waits for the reader. The first run makes this many, and so
#: does each run after a slow one (longer than `QUICK` seconds). Other runs make twice as many as
#: the run before, up to `MOST`.
AHEAD, MOST = 128 * 1024, 1024 * 1024
QUICK = 0.01
# Count this many bytes for each chunk, so that empty ones are bounded too.
_CHUNK_COST = 1024
_END: Any = object()


class _Source:
    """The iterator's side in the thread."""

    def __init__(self, iterable: Iterable[Any]) -> None:
        self._iterable = iterable
        #: The iterator; None once it is exhausted.
        self.iterator: Iterator[Any] | None = None
        self.mailbox: Mailbox
        self.stopped = False
        self.ahead = AHEAD
        #: Whether the step that waits has been given up.
        self.has_given_up = False

    def run(self) -> bool:
        """Pass on some chunks; return whether there may be more."""
        mailbox = self.mailbox
        if self.iterator is None:
            self.iterator = iter(self._iterable)
        size = 0
        while size < self.ahead and not self.stopped:
            chunk = next(self.iterator, _END)
            if chunk is _END:
                self.iterator = None
                return False
            mailbox.put((self, chunk))
            try:
                size += _CHUNK_COST + len(chunk)
            except TypeError:
                return True  # Neither str nor bytes: the code that sends it raises the error.
        return True

    def give_up(
        self, sender: WorkGreenlet | _Source | None, payload: Any, worker: WorkerThread
    ) -> None:
        """Throw GeneratorExit into the call *sender* that waits for *payload*, if it is a call."""
        if isinstance(sender, WorkGreenlet):
            self.has_given_up = True
            discard(payload)
            worker.give(sender.reply(payload, None, GeneratorExit()))


async def iterate(lease: Lease, iterable: Iterable[object]) -> AsyncGenerator[object, None]:
    """Yield the items of *iterable*; what its code waits for is awaited here.

    Closing this early waits until the thread has finished its step, then closes the iterator in the
    thread. If that step waits for something, it gets GeneratorExit, as a closed generator does. It
    may wait again then, to clean up.
    """
    source = _Source(iterable)
    more, running = True, False
    try:
        while more:
            # Each run has its own mailbox: what arrives after its outcome is not for the next run.
            mailbox = source.mailbox = lease.make_mailbox()
            worker = await lease.start(source.run, mailbox)
            running, began = True, monotonic()
            while running:
                # Most messages have come already, and need no coroutine.
                sender, payload = mailbox.take() or await mailbox.get()
                if sender is None:
                    running = False
                    more = outcome_of(payload, mailbox.cancelled)
                elif mailbox.cancelled is not None:
                    source.give_up(sender, payload, worker)
                    cancelled, mailbox.cancelled = mailbox.cancelled, None
                    raise cancelled
                elif sender is source:
                    yield payload
                else:
                    worker.give(await reply(sender, payload, mailbox, lease.awaiting))
            is_quick = monotonic() - began < QUICK
            source.ahead = min(2 * source.ahead, MOST) if is_quick else AHEAD
    finally:
        source.stopped = True
        while running:
            sender, payload = await mailbox.get()
            running = sender is not None
            if source.has_given_up and isinstance(sender, WorkGreenlet):
                worker.give(await reply(sender, payload, mailbox, lease.awaiting))
            else:
                source.give_up(sender, payload, worker)
        if (close := closing(source.iterator, iterable)) is not None:
            await lease.call(close)


def closing(iterator: object, iterable: object) -> Callable[[], object] | None:
    """Return a function that closes *iterator*, made from *iterable*; None if nothing has to be.

    If the two are one object, whoever closes the iterable closes it; closing a generator twice does
    nothing.
    """
    if iterator is iterable and not isgenerator(iterator):
        return None
    if getattr(iterator, "gi_frame", iterator) is None:  # The generator has ended.
        return None
    return getattr(iterator, "close", None)
