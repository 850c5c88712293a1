"""``python -m tests.bench``: measure, print the tables, and perhaps write them down."""

from __future__ import annotations

import argparse
import json
import signal
import sys
import time
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any, TextIO

from ._contenders import CONTENDERS
from ._environments import ROOT
from ._measurements import Measurement, MEASUREMENTS
from ._report import as_json, as_markdown, as_text, Section, spliced
from ._scenarios import SCENARIOS
from ._settings import Settings, Skipped
from ._summary import summed_up

PAGE = ROOT / "docs" / "performance.md"


def _some_of(known: Iterable[str]) -> Callable[[str], list[str]]:
    known = list(known)

    def parse(text: str) -> list[str]:
        names = text.split(",")
        if unknown := [name for name in names if name not in known]:
            message = f"expected some of {','.join(known)}, got {','.join(unknown)}"
            raise argparse.ArgumentTypeError(message)
        return list(dict.fromkeys(names))

    return parse


def _options() -> argparse.Namespace:
    about = "\n".join(f"  {each.name:12} {each.about}" for each in MEASUREMENTS.values())
    parser = argparse.ArgumentParser(
        prog="python -m tests.bench",
        description=f"Measure, and print tables. Without a name, everything:\n{about}",
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    add = parser.add_argument
    add("measurements", nargs="*", metavar="NAME", help="what to measure, of the names above")
    contenders = ",".join(CONTENDERS)
    add("--contenders", type=_some_of(CONTENDERS), default=contenders, metavar="A,B,...")
    add("--scenarios", type=_some_of(SCENARIOS), default=(), metavar="a,b,...", help="in-process")
    add("--loop", choices=("uvloop", "asyncio"), help="in-process: this one only")
    add(
        "--budget",
        type=float,
        default=0.07,
        help="in-process, growth: seconds a turn (default 0.07)",
    )
    add("--rounds", type=int, help="how often each contender has its turn")
    add("--quick", action="store_true", help="show that everything works; the figures mean little")
    add("--json", type=Path, metavar="FILE", help="write every round's figures to FILE")
    add("--write-docs", action="store_true", help=f"put tables and plots into docs/{PAGE.name}")
    options = parser.parse_args()
    if unknown := set(options.measurements) - set(MEASUREMENTS):
        parser.error(f"expected some of {' '.join(MEASUREMENTS)}, got {' '.join(sorted(unknown))}")
    return options


def _settings(options: argparse.Namespace) -> Settings:
    return Settings(
        say=lambda line: _say(line, sys.stderr),
        loops=[options.loop] if options.loop else Settings.loops,
        contenders=options.contenders,
        scenarios=options.scenarios,
        rounds=options.rounds,
        budget=options.budget,
        is_quick=options.quick,
    )


def main() -> int:
    """Return 1 if a contender failed where it should not, else 0."""
    # So that servers and databases are stopped by whoever started them.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    options = _options()
    settings = _settings(options)
    found: dict[str, Any] = {}
    is_right = True
    for name in options.measurements or (["in-process"] if options.scenarios else MEASUREMENTS):
        try:
            section = _measured(MEASUREMENTS[name], settings)
        except Skipped as skipped:
            settings.say(f"{name} is skipped: {skipped}")
            continue
        found[name] = as_json(section)
        is_right = is_right and not section.faults
        if options.write_docs and not section.faults:
            _write_docs(name, section)
        if options.json:
            options.json.write_text(json.dumps(found, indent=1) + "\n", encoding="utf-8")
    return 0 if is_right else 1


def _measured(measurement: Measurement, settings: Settings) -> Section:
    started = time.monotonic()
    settings.say(f"\n== {measurement.name}: {measurement.about}")
    section = measurement.run(settings)
    _say(f"\n{as_text(section)}", sys.stdout)
    settings.say(f"{measurement.name} took {time.monotonic() - started:.0f} s")
    return section


def _write_docs(name: str, section: Section) -> None:
    page = spliced(PAGE.read_text(encoding="utf-8"), name, as_markdown(section))
    PAGE.write_text(summed_up(page, MEASUREMENTS), encoding="utf-8")
    for file, svg in section.plots.items():
        (PAGE.parent / file).write_text(svg, encoding="utf-8")


def _say(line: str, to: TextIO) -> None:
    to.write(f"{line}\n")
    to.flush()


if __name__ == "__main__":
    sys.exit(main())
