"""What every contender does and answers with."""

from __future__ import annotations

import os
import time
from collections.abc import Callable

MESSAGE = {"message": "Hello, world!", "count": 3, "tags": ["fast", "small", "plain"]}


#: Where the measurement has put the files, each named by its size in KiB.
FILES = os.environ.get("BENCH_FILES", "")
#: Whether the application is wrapped for a proxy.
IS_PROXIED = bool(os.environ.get("BENCH_PROXY_FIX"))
THREADS = int(os.environ.get("BENCH_THREADS", "64"))
# Milliseconds that the views of `/block/10` and `/block/100` block their thread.
BLOCKS = 10, 100
# Seconds that the view of `/wait` waits for async code.
PAUSE = 0.05
CHUNK = b"x" * 64 * 1024
PIECE = b"x" * 16 * 1024
CHUNKS_PER_MIB = 16


def blocking(milliseconds: int) -> Callable[[], str]:
    """Return a plain view that blocks its thread."""

    def block() -> str:
        time.sleep(milliseconds / 1000)
        return "done"

    return block


def path_of(kib: int) -> str:
    return os.path.join(FILES, f"{kib}.bin")
