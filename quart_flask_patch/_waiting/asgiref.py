"""Let asgiref's two functions use the request's own loop and thread, and start no others."""

from __future__ import annotations

from typing import Any

from asgiref import sync

from quart._threads import lease
from quart.globals import _cv_app

from . import bridge


class AsyncToSync(sync.AsyncToSync[Any, Any]):
    """Awaits on the server's loop, in the request's own task."""

    def __call__(self, *args: object, **kwargs: object) -> object:
        if bridge.can_wait():
            return bridge.wait(self.awaitable(*args, **kwargs))
        return super().__call__(*args, **kwargs)


class SyncToAsync(sync.SyncToAsync[Any, Any]):
    """Runs thread-sensitive functions in the request's thread, which is what they ask for."""

    async def __call__(self, *args: object, **kwargs: object) -> object:
        ctx = _cv_app.get(None)
        if self._thread_sensitive and ctx is not None and ctx.lease is not None:
            return await lease.call(self.func, *args, **kwargs)
        return await super().__call__(*args, **kwargs)
