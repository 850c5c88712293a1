"""``python -m tests.bench``: measure, print the tables, and perhaps write them down."""

from __future__ import annotations

import argparse
import importlib.util
import json
import sys
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TextIO, TypeVar

from ._contenders import CONTENDERS, ROOT
from ._driver import measure, Results
from ._plot import as_svg
from ._report import as_json, as_markdown, as_text, spliced, unexpected
from ._scenarios import SCENARIOS

PAGE = ROOT / "docs" / "performance.md"
PLOT = PAGE.with_suffix(".svg")
Named = TypeVar("Named")


def _chosen_from(known: Mapping[str, Named]) -> Callable[[str], list[Named]]:
    def parse(text: str) -> list[Named]:
        names = text.split(",")
        if unknown := [name for name in names if name not in known]:
            message = f"expected some of {','.join(known)}, got {','.join(unknown)}"
            raise argparse.ArgumentTypeError(message)
        return [known[name] for name in dict.fromkeys(names)]

    return parse


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m tests.bench", description=__doc__)
    add = parser.add_argument
    chosen = _chosen_from(SCENARIOS)
    add("--scenarios", type=chosen, default=",".join(SCENARIOS), metavar="a,b,...")
    contenders = _chosen_from(CONTENDERS)
    names = ",".join(CONTENDERS)
    add("--contenders", type=contenders, default=names, help=f"some of {names}", metavar="...")
    add("--rounds", type=int, default=9, help="interleaved rounds (default 9)")
    add("--budget", type=float, default=0.1, help="seconds per contender and round (default 0.1)")
    add("--loop", choices=("uvloop", "asyncio"), default=_default_loop())
    add("--json", type=Path, metavar="FILE", help="write every round's figures to FILE")
    add("--write-docs", action="store_true", help=f"update {PAGE.name} and {PLOT.name} in docs")
    return parser.parse_args()


def _default_loop() -> str:
    return "uvloop" if importlib.util.find_spec("uvloop") else "asyncio"


def main() -> int:
    """Return 1 if a contender failed where it should not, else 0."""
    options = _options()
    results = Results(options.loop, options.rounds, options.scenarios, options.contenders)
    measure(results, options.budget, lambda line: _say(line, sys.stderr))
    _say(f"\n{as_text(results)}", sys.stdout)
    if options.json:
        options.json.write_text(json.dumps(as_json(results), indent=1) + "\n", encoding="utf-8")
    if unexpected(results):
        return 1
    if options.write_docs:
        _write_docs(results)
    return 0


def _write_docs(results: Results) -> None:
    page = PAGE.read_text(encoding="utf-8")
    PAGE.write_text(spliced(page, as_markdown(results, PLOT.name)), encoding="utf-8")
    PLOT.write_text(as_svg(results), encoding="utf-8")


def _say(line: str, to: TextIO) -> None:
    to.write(f"{line}\n")
    to.flush()


if __name__ == "__main__":
    sys.exit(main())
