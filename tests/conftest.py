"""Check after each test that no context is left entered, and no worker thread taken.

Whatever runs next would see a context that was left behind, and a thread that is never given back
makes a server stop answering some day. The test that caused it would notice neither.
"""

from __future__ import annotations

import gc
import os
import signal
import time
from collections.abc import Callable, Iterator
from typing import Any
from weakref import WeakSet

import hypothesis
import pytest

from quart._flask import flask_cv_app, flask_cv_request, HAS_ONE_CONTEXT
from quart._threads import lease, pool as _pool
from quart.ctx import AppContext
from quart.globals import _cv_app

PATIENCE = 5.0

# These take long and need services. `python -m pytest tests/scale` runs them.
collect_ignore = ["scale"]

_entered: WeakSet[AppContext] = WeakSet()
_pools: WeakSet[_pool.Pool] = WeakSet([lease._shared_pool])


def _noted(method: Callable[..., None], where: WeakSet[Any]) -> Callable[..., None]:
    def noting(self: Any, *args: Any, **kwargs: Any) -> None:
        where.add(self)
        method(self, *args, **kwargs)

    return noting


# Try the same cases each time, so that only a change can make them fail, and no slow machine.
# To try new ones, use --hypothesis-profile=long.
hypothesis.settings.register_profile(
    "short",
    max_examples=400,
    deadline=None,
    derandomize=True,
    database=None,
    suppress_health_check=[hypothesis.HealthCheck.too_slow],
)
# For a quick check, and for a second Python.
hypothesis.settings.register_profile(
    "few", hypothesis.settings.get_profile("short"), max_examples=40
)
# More than a million in all; and without an end.
for _name, _count in {"long": 60_000, "endless": 1_000_000_000}.items():
    hypothesis.settings.register_profile(
        _name,
        max_examples=_count,
        deadline=None,
        database=None,
        print_blob=True,
        suppress_health_check=list(hypothesis.HealthCheck),
    )
hypothesis.settings.load_profile("short")


def pytest_configure(config: pytest.Config) -> None:
    if HAS_ONE_CONTEXT:
        # The tests have the signatures of Flask 3.1, which work on 3.2 too.
        config.addinivalue_line(
            "filterwarnings", "ignore:.* has the signature of Flask 3.1:DeprecationWarning"
        )
        # Flask-Limiter imports these names.
        merged = "'(RequestContext|request_ctx)' has merged with"
        config.addinivalue_line("filterwarnings", f"ignore:{merged}:DeprecationWarning")
    if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
        # A shell that runs this in the background says so, and servers would inherit it.
        signal.signal(signal.SIGINT, signal.default_int_handler)
    # Replace it on the class, since contexts are entered in any task and thread.
    AppContext.enter = _noted(AppContext.enter, _entered)  # type: ignore[method-assign]
    _pool.Pool.__init__ = _noted(_pool.Pool.__init__, _pools)  # type: ignore[method-assign]


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_auto_num_workers() -> int:
    """How many `-n auto` are: half as many again as processors.

    Tests spend a third of their time waiting: for servers to start, for limits of time.
    """
    count = os.cpu_count() or 1
    if hasattr(os, "sched_getaffinity"):
        count = len(os.sched_getaffinity(0))
    return count + (count + 1) // 2


def pytest_collection_finish() -> None:
    # Objects made while pytest collects live to the end. Exclude them, or each `gc.collect()` of a
    # test would take longer than most tests.
    gc.collect()
    gc.freeze()


def left_contexts() -> list[str]:
    """Return the contexts that are current here, or that were entered and not left."""
    left = [
        f"{variable.name}: {variable.get()!r}"
        for variable in (_cv_app, flask_cv_app, flask_cv_request)
        if variable.get(None) is not None
    ]
    return left + [f"not left: {ctx!r}" for ctx in list(_entered) if ctx._tokens]


def taken_threads() -> list[str]:
    """Return the threads that were not given back, after a moment for those on their way."""
    limit = time.monotonic() + PATIENCE
    while True:
        taken = [
            f"{pool.threads - len(pool._idle)} of a pool of {pool.size}"
            for pool in list(_pools)
            if pool.threads > len(pool._idle)
        ]
        if not taken or time.monotonic() > limit:
            return taken
        time.sleep(0.01)


@pytest.fixture(autouse=True)
def no_leaks() -> Iterator[None]:
    """Check that the test leaves no context and no worker thread behind."""
    yield
    contexts, threads = left_contexts(), taken_threads()
    # Report only the test that caused it.
    _entered.clear()
    for pool in threads and list(_pools):
        _pools.discard(pool)
    assert not contexts, f"The test leaves contexts behind: {contexts}"
    assert not threads, f"The test leaves worker threads taken: {threads}"
