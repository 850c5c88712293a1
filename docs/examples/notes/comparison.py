"""The same requests on Flask alone and on the layer, each in a process of its own.

Both have the same few worker threads, as a WSGI server in production has. A plain view holds one of
them while it waits, on either side. What an `async def` view holds is the difference.
"""

import asyncio
import json
import subprocess
import sys
import tempfile
import time
from concurrent.futures import ThreadPoolExecutor
from functools import cache
from pathlib import Path
from typing import Any

REQUESTS = 20
THREADS = 4
SECONDS = 0.1
VIEWS = {"plain": "/tour/plain", "async": "/tour/async"}


@cache
def compare() -> dict[str, Any]:
    """Return the seconds that the requests took, by side and kind of view; measured once."""
    taken = {side: _measured(side) for side in ("flask", "layer")}
    return {"requests": REQUESTS, "threads": THREADS, "seconds": SECONDS, "taken": taken}


def _measured(side: str) -> dict[str, float]:
    # The layer comes first, before this package imports Flask.
    first = "import quart_flask_patch; " if side == "layer" else ""
    code = f"{first}from {__name__} import measure; measure({side!r})"
    folder = Path(__file__).parents[__name__.count(".")]
    command = [sys.executable, "-c", code]
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)
    if done.returncode:
        raise RuntimeError(f"Measuring the side {side!r} failed: {done.stderr}")
    result: dict[str, float] = json.loads(done.stdout)
    return result


def measure(side: str) -> None:
    """Print what this process takes; it has the layer or has not."""
    from . import create_app

    with tempfile.TemporaryDirectory() as folder:
        app = create_app(
            {"DATABASE": f"{folder}/notes.sqlite", "SAMPLES": False, "SUMMARY_SECONDS": SECONDS}
        )
        app.config["SYNC_THREADS"] = THREADS
        ask = _ask_layer if side == "layer" else _ask_flask
        ask(app, VIEWS["plain"], THREADS)  # what is done once is done
        print(json.dumps({kind: _time(ask, app, path) for kind, path in VIEWS.items()}))


def _time(ask: Any, app: Any, path: str) -> float:
    start = time.perf_counter()
    ask(app, path, REQUESTS)
    return round(time.perf_counter() - start, 2)


def _ask_flask(app: Any, path: str, count: int) -> None:
    with ThreadPoolExecutor(THREADS) as pool:
        list(pool.map(lambda _: app.test_client().get(path), range(count)))


def _ask_layer(app: Any, path: str, count: int) -> None:
    from quart.testing import QuartClient

    async def main() -> None:
        await asyncio.gather(*(QuartClient(app).get(path) for _ in range(count)))

    asyncio.run(main())
