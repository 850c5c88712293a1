"""``python -m tests.soak SCENARIO``: send a server requests for as long as you like.

Each scenario checks every answer, and ends with an error at the first that is wrong. The seed that
it prints gives the same requests again.
"""

from __future__ import annotations

import argparse
import random
import sys
import tempfile
from pathlib import Path

TESTS = Path(__file__).parents[1]
sys.path.insert(0, str(TESTS))

from soak._scenarios import SCENARIOS  # noqa: E402  # it needs the path
from soak._served import PLACES, SERVERS, serving_of  # noqa: E402


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m tests.soak", description=__doc__)
    parser.add_argument("scenario", choices=SCENARIOS)
    parser.add_argument("--server", choices=SERVERS, default="uvicorn")
    parser.add_argument("--place", choices=PLACES, default="thread")
    parser.add_argument("--requests", type=int, default=50_000)
    parser.add_argument("--seed", type=int, default=random.randrange(10**6))
    chosen = parser.parse_args()
    print(f"{chosen.scenario} on {chosen.server}, {chosen.place}; --seed {chosen.seed}", flush=True)  # noqa: T201
    with tempfile.TemporaryDirectory() as folder:
        log = Path(folder) / "log"
        with serving_of(chosen.server, chosen.place, log) as (server, serving):
            run = SCENARIOS[chosen.scenario]
            done = run(server.port, serving.http_version, chosen.requests, chosen.seed)
    for what, count in sorted(done.items()):
        print(f"{count:8} {what}")  # noqa: T201


if __name__ == "__main__":
    main()
