"""``python -m tests.soak SCENARIO``: give a server work for as long as you like.

Each scenario checks every answer, and ends with an error at the first wrong one. Most also look at
what the server's process has before and after: memory, threads, open files, and objects by
type. `all` runs each of them on each server and in each place that you name. Results are kept in a
file, if you name one, and results that are in it are not computed again. The printed seed gives
the same requests again.
"""

from __future__ import annotations

import argparse
import json
import random
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

TESTS = Path(__file__).parents[1]
#: How long a client waits: a machine that does something else too may be slow for a while.
PATIENCE = 300.0
sys.path.insert(0, str(TESTS))

from soak import _wire  # noqa: E402  # it needs the path
from soak._report import table, write_page  # noqa: E402
from soak._scenarios import Run, SCENARIOS  # noqa: E402
from soak._served import PLACES, SERVERS  # noqa: E402


def runs_kept(file: Path | None) -> list[Run]:
    if file is None or not file.exists():
        return []
    return [Run(**json.loads(line)) for line in file.read_text(encoding="utf-8").splitlines()]


def wanted(chosen: argparse.Namespace) -> Iterator[Run]:
    scenarios = [*SCENARIOS] if chosen.scenario == "all" else [chosen.scenario]
    for scenario in scenarios:
        servers = ["none"] if scenario == "forks" else chosen.server
        for server in servers:
            for place in chosen.place:
                yield Run(scenario, server, place, chosen.seed)


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.soak", description=__doc__)
    parser.add_argument("scenario", choices=["all", *SCENARIOS])
    parser.add_argument("--server", choices=SERVERS, nargs="+", default=["uvicorn"])
    parser.add_argument("--place", choices=PLACES, nargs="+", default=[*PLACES])
    parser.add_argument("--count", type=int, help="how often; each scenario has its own default")
    parser.add_argument("--results", type=Path, help="a file to keep the results in")
    parser.add_argument("--write-docs", action="store_true", help="update docs/reliability.md")
    parser.add_argument("--seed", type=int, default=random.randrange(10**6))
    chosen = parser.parse_args()
    _wire.PATIENCE = PATIENCE
    kept = runs_kept(chosen.results)
    failed = 0
    for run in wanted(chosen):
        if any(each.key == run.key for each in kept):
            continue
        say(f"{run.scenario} on {run.server}, {run.place}; --seed {run.seed}")
        scenario = SCENARIOS[run.scenario]
        with tempfile.TemporaryDirectory() as folder:
            try:
                ended = scenario.run(run, chosen.count or scenario.count, Path(folder) / "log")
            except Exception as error:  # Report it, and run the others all the same.
                failed += 1
                say(f"  failed: {type(error).__name__}: {error}")
                continue
        kept.append(ended)
        say(f"  {ended.to_json()}")
        if chosen.results:
            with chosen.results.open("a", encoding="utf-8") as file:
                file.write(f"{ended.to_json()}\n")
    say(table(kept))
    if chosen.write_docs:
        write_page(kept)
    return min(failed, 1)


def say(text: str) -> None:
    sys.stdout.write(f"{text}\n")
    sys.stdout.flush()


if __name__ == "__main__":
    sys.exit(main())
