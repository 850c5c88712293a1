"""What a server is told to serve: the application that the environment variables name."""

from __future__ import annotations

import os

from ._contenders import load

app = load(
    os.environ["BENCH_TASKS"],
    os.environ["BENCH_APP"],
    is_patched=bool(os.environ["BENCH_PATCHED"]),
).app
