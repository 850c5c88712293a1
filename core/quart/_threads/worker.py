"""A worker thread from the inside: its hub, and the calls that it makes.

A worker thread runs several greenlets, one at a time. One of them is the *hub*: it takes jobs from
the thread's inbox and does them itself. If a call has to wait for async code, its greenlet stops,
and another greenlet becomes the hub until the call can go on. So a call that does not wait costs no
switch, and needs no stack but the hub's.

Here is a call that waits, step by step, with all greenlets of the thread in each row:

    A is the hub, takes a job and calls the view       A: view()          spare: B
    the view waits: A stops, B becomes the hub         A: view() parked   B: hub
    B takes other jobs of the same request             A: view() parked   B: hub
    the reply comes as a job: `WorkGreenlet.reply`     A: view() parked   B: in `_go_on`
    B puts itself among the spare, switches to A       A: view() goes on  spare: B

If there are enough spare greenlets, B ends instead. A greenlet that ends switches to its parent. So
`_go_on` makes A the parent of B and raises GreenletExit, which unwinds B and runs nothing else. The
reply is in an attribute of the call and not in the job: B would keep the job, and with it the
reply, for as long as B is spare.
"""

from __future__ import annotations

import threading
import weakref
from collections.abc import Awaitable, Callable
from contextlib import suppress
from contextvars import Context
from functools import partial
from queue import Empty, SimpleQueue
from typing import Any, cast, TYPE_CHECKING, TypeVar

from greenlet import getcurrent, greenlet, GreenletExit

from .._loops import forks
from .._loops.forks import in_child
from .._types import Function, Outcome
from .tracers import follow_switches

if TYPE_CHECKING:
    from .._loops.mailbox import Mailbox
    from .pool import Pool

T = TypeVar("T")
Job = Callable[[], None]

# An unused thread ends after this many seconds, so that a burst does not keep memory for ever.
IDLE_SECONDS = 10.0
# The number of spare greenlets that a burst may leave behind in each thread; each takes about 20
# KiB.
KEPT = 64


class Load:
    """What the threads of a pool have to do now, counted by lists, whose methods are atomic.

    It is an object of its own, since a thread must not keep its pool alive.
    """

    __slots__ = ("begun", "given")

    def __init__(self) -> None:
        #: An item for each job that a thread has not taken yet.
        self.given: list[None] = []
        #: An item for each call that has not returned.
        self.begun: list[None] = []


class WorkerThread:
    """A thread that does one job after another."""

    def __init__(self, pool: Pool) -> None:
        #: The jobs to do. Whoever adds one rings `_bell`, which carries nothing that is needed.
        self._jobs: list[Job | None] = []
        self._bell: SimpleQueue[None] = SimpleQueue()
        self._pool = weakref.ref(pool)
        self.load = pool.load
        self._scheduling = pool.scheduling
        #: Greenlets that have been the hub and can become it again.
        self.spare: list[WorkGreenlet] = []
        #: The job that an exception from outside has hit, and the exception, until it is told.
        self.struck: tuple[Job | None, BaseException] | None = None
        self._ends = False
        name = f"quart-sync-{pool.started + 1}"
        self.thread = threading.Thread(target=self._run, name=name, daemon=True)
        self.thread.start()
        pool.started += 1

    def give(self, job: Job) -> None:
        """Queue *job* for the thread; called by an event loop."""
        self.load.given.append(None)
        self._jobs.append(job)
        self._bell.put(None)
        if self._scheduling is not None:
            self._scheduling.give_way(self.load)

    def is_this_thread(self) -> bool:
        return self.thread.ident == threading.get_ident()

    def dismiss(self) -> None:
        """Let the thread end when it has finished its job."""
        self._jobs[:] = [None]
        self._bell.put(None)

    def _run(self) -> None:
        follow_switches()
        # Start each thread from this greenlet: from another one it would begin deeper in the stack.
        while not self._ends:
            try:  # noqa: SIM105  # An exception may strike in `suppress`.
                self._run_hubs()
            except BaseException:
                pass
        # Their frames refer to them, and the garbage collector does not see those.
        while self.spare:
            self.spare.pop().throw()

    def _run_hubs(self) -> None:
        """Make hubs, one after the other. An exception that strikes between two ends this."""
        while not self._ends:
            try:  # noqa: SIM105
                WorkGreenlet(self).switch()
            except BaseException:
                pass

    def serve(self) -> None:
        """Do jobs until the thread is dismissed.

        Another thread may raise an exception in this one, as libraries for time limits do. That
        ends a call, but never the thread. It can arrive after `get` has returned and before its
        value is stored, so `get` must return nothing that is needed. And it can arrive while an
        earlier one is handled. That ends this greenlet, and the next hub handles the first again.
        """
        if self.struck is not None:
            self._strike()
        jobs, job, scheduling = self._jobs, None, self._scheduling
        while True:
            try:
                if scheduling is not None:
                    scheduling.rest()
                self._bell.get(timeout=IDLE_SECONDS)
                if scheduling is not None:
                    scheduling.work()
                job = jobs[0]
                del jobs[0]
                if job is None:
                    break
                self.load.given.pop()
                job()
            except Empty:
                if self._may_end():
                    break
            except GreenletExit:
                raise
            except BaseException as error:
                self.struck = job, error
                self._strike()
            # Keep nothing of a request alive while idle.
            job = None
        self._ends = True

    def _strike(self) -> None:
        """End the job that was struck; between jobs, end the wait that the next job would end.

        It may be called again for the same exception, after any of its steps.
        """
        assert self.struck is not None
        job, error = self.struck
        if job is None and self._jobs:
            job = self._jobs[0]
            if not isinstance(getattr(job, "__self__", None), WorkGreenlet):
                # The call for which the error was meant is over.
                self._bell.put(None)
                self.struck = None
                return
            # Python raises nothing between these two.
            self.struck = job, error
            del self._jobs[0]
            self.load.given.pop()
        owner = job if isinstance(job, Call) else getattr(job, "__self__", None)
        if isinstance(owner, (Call, WorkGreenlet)):
            owner.fail(error)
        self.struck = None

    def _may_end(self) -> bool:
        pool = self._pool()
        return pool is None or pool.retire(self)


class WorkGreenlet(greenlet):
    """A greenlet of a worker thread: it makes a call, and without a call it is the thread's hub."""

    #: Where the call's task waits for messages.
    mailbox: Mailbox | None = None
    #: Awaits for plain code in this thread, in place of the task: see the layer's `_own_loop.py`.
    own: Callable[[Awaitable[object]], object] | None = None
    #: The greenlet that waits: this one, or one beneath it.
    _waiter: greenlet
    #: What it waits for, while it does.
    _awaited: object = None
    #: What was awaited for it, and what came of that.
    _reply: tuple[object, Outcome] | None = None

    def __init__(self, worker: WorkerThread) -> None:
        super().__init__(worker.serve)
        self.worker = worker

    def wait(self, awaitable: Awaitable[T]) -> T:
        """Wait for *awaitable*, for plain code of this call, and return its result."""
        if self.own is not None:
            return cast(T, self.own(awaitable))
        return self.hand_over(awaitable)

    def hand_over(self, awaitable: Awaitable[T]) -> T:
        """Block this call, but not its thread, until its task has awaited *awaitable*."""
        assert self.mailbox is not None
        self._waiter, self._awaited = getcurrent(), awaitable
        spare = self.worker.spare
        try:
            self.mailbox.put((self, awaitable))
            # Let the thread's first greenlet make another one.
            hub = spare.pop() if spare else self.parent
            assert hub is not None
            hub.switch()
            del hub
        except BaseException:
            # Struck before the switch: the reply will be for nobody.
            self._awaited = None
            raise
        assert self._reply is not None
        value, error = self._reply[1]
        self._reply = None
        if error is None:
            result: T = value
            return result
        try:
            raise error
        finally:
            # The error's traceback refers to this frame: break the cycle.
            del error

    def reply(self, awaited: object, value: object, error: BaseException | None = None) -> Job:
        """Return the job that lets this call go on with *value*, or with *error*.

        It does nothing if an exception has ended the wait for *awaited*.
        """
        # Keep it out of the job, which a spare greenlet goes on referring to.
        self._reply = awaited, (value, error)
        return self._go_on

    def _go_on(self) -> None:
        hub: Any = getcurrent()
        worker, reply = self.worker, self._reply
        if reply is None or reply[0] is not self._awaited:
            return
        del reply
        if len(worker.spare) < KEPT:
            worker.spare.append(hub)
            go_on = self._waiter.switch
            # From here to the switch nothing may be raised; see `fail`.
            worker.struck = self._awaited = None
            del self._waiter
            go_on()
        else:
            hub.parent = self._waiter
            worker.struck = self._awaited = None
            del self._waiter
            raise GreenletExit

    def fail(self, error: BaseException) -> None:
        """Let this call go on with *error*, unless it has gone on already."""
        spare, hub = self.worker.spare, getcurrent()
        if hub in spare:
            spare.remove(hub)
        if self._awaited is not None:
            self.reply(self._awaited, None, error)()


def current_work() -> WorkGreenlet | None:
    """Return the call whose greenlet, or a greenlet beneath it, is running now; None if none is."""
    current: greenlet | None = getcurrent()
    while current is not None:
        if type(current) is WorkGreenlet and current.mailbox is not None:
            return current
        current = current.parent
    return None


@in_child
def _leave_thread() -> None:
    """Detach the call that runs in a forked child, where nobody waits for it."""
    current: greenlet | None = getcurrent()
    while current is not None:
        if isinstance(current, WorkGreenlet):
            current.mailbox = None
            current.worker.dismiss()
        current = current.parent


def run_call(
    func: Function,
    args: object,
    kwargs: dict[str, object],
    context: Context | None,
    mailbox: Mailbox,
) -> None:
    """Call *func* in the hub, as a job; its outcome goes to *mailbox*."""
    work: Any = getcurrent()
    begun, generation = work.worker.load.begun, forks.generation
    outcome: Outcome | None = None
    try:
        work.gr_context, work.mailbox = context, mailbox
        begun.append(None)
        outcome = _outcome(func, args, kwargs)
        if generation != forks.generation:
            forks.end_if_child(generation, outcome[1])
        begun.pop()
        # Keep nothing of a request alive while idle.
        work.gr_context = work.mailbox = None
        # Keep this last: it wakes the loop's thread, which then needs the GIL.
        mailbox.put((None, outcome))
    except BaseException as error:
        work.gr_context = work.mailbox = None
        _tell(mailbox, outcome or (None, error))


def _outcome(func: Function, args: Any, kwargs: dict[str, object]) -> Outcome:
    try:
        return func(*args, **kwargs), None
    except BaseException as error:
        return None, error


def _tell(mailbox: Mailbox, outcome: Outcome) -> None:
    # If the loop was closed, nobody waits for the outcome.
    with suppress(RuntimeError):
        mailbox.put((None, outcome))


class Call(partial[None]):
    """The job that makes a call, by `run_call`."""

    __slots__ = ()

    def fail(self, error: BaseException) -> None:
        """Report *error*; only the first outcome of a call counts."""
        _tell(self.args[-1], (None, error))
