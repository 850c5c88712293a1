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

#: How many bytes the first run makes before it waits for the reader. Each other run makes as many
#: as the reader would take in `QUICK` seconds, by the run before; at least `AHEAD`, at most `MOST`.
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
        #: What was made and has not been taken. Whoever adds a piece looks whether it is wanted;
        #: whoever wants one says so, then looks again whether there is one.
        self.pieces: list[object] = []
        self.is_wanted = False
        self.stopped = False
        self.ahead = AHEAD
        #: How many bytes the last run has made.
        self.size = 0
        #: Whether the step that waits has been given up.
        self.has_given_up = False

    def run(self) -> bool:
        """Pass on some pieces; return whether there may be more."""
        mailbox, pieces, ahead = self.mailbox, self.pieces, self.ahead
        if self.iterator is None:
            self.iterator = iter(self._iterable)
        iterator, self.size = self.iterator, 0
        while self.size < ahead and not self.stopped:
            piece = next(iterator, _END)
            if piece is _END:
                self.iterator = None
                return False
            pieces.append(piece)
            if self.is_wanted:
                self.is_wanted = False
                mailbox.put((self, None))
            try:
                self.size += _CHUNK_COST + len(piece)
            except TypeError:
                return True  # Neither str nor bytes: the code that sends it raises the error.
        return True

    def take(self) -> list[object]:
        """Take what there is; the thread may add to it meanwhile."""
        taken = self.pieces[:]
        del self.pieces[: len(taken)]
        return taken

    async def next_message(self) -> Any:
        """Wait for a message, or for a piece; return None, or a message of this, for a piece."""
        self.is_wanted = True
        message = None if self.pieces else await self.mailbox.get()
        self.is_wanted = False
        return message

    def adapt(self, seconds: float) -> None:
        """Choose the size of the next run, when the reader has taken the last one in *seconds*."""
        size = int(self.size * QUICK / seconds) if seconds else MOST
        self.ahead = min(max(size, AHEAD), MOST)

    def give_up(
        self, sender: WorkGreenlet | _Source | None, payload: Any, worker: WorkerThread
    ) -> None:
        """Throw GeneratorExit into the call *sender* that waits for *payload*, if it is a call."""
        if isinstance(sender, WorkGreenlet):
            self.has_given_up = True
            discard(payload)
            worker.give(sender.reply(payload, None, GeneratorExit()))


async def iterate(lease: Lease, iterable: Iterable[object]) -> AsyncGenerator[list[object], None]:
    """Yield lists of those items of *iterable* that are there; await what its code waits for.

    Closing this early waits until the thread has finished its step, then closes the iterator in the
    thread. If that step waits for something, it gets GeneratorExit, as a closed generator does. It
    may wait again then, to clean up.
    """
    source = _Source(iterable)
    more, running, message = True, False, None
    try:
        while more:
            # Each run has its own mailbox: what arrives after its outcome is not for the next run.
            mailbox = source.mailbox = lease.make_mailbox()
            worker = await lease.start(source.run, mailbox)
            running, began = True, monotonic()
            while running:
                message = mailbox.take()
                if message is None and not source.pieces:
                    message = await source.next_message()
                # All pieces that were made before the message are here now.
                if source.pieces and mailbox.cancelled is None:
                    yield source.take()
                if message is None:
                    continue
                (sender, payload), message = message, None
                if sender is None:
                    running = False
                    more = outcome_of(payload, mailbox.cancelled)
                elif mailbox.cancelled is not None:
                    source.give_up(sender, payload, worker)
                    cancelled, mailbox.cancelled = mailbox.cancelled, None
                    raise cancelled
                elif sender is not source:
                    worker.give(await reply(sender, payload, mailbox, lease.awaiting))
            source.adapt(monotonic() - began)
    finally:
        source.stopped = True
        while running:
            sender, payload = message or await mailbox.get()
            running, message = sender is not None, None
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
