"""``python -m compat_matrix.behaviours``: run each behaviour on PyPI's Quart and here, and compare.

Quart goes into an environment of its own, made by uv. Exit code 0: nothing differs but what is
listed in `DIFFERENCES`; 1: something does; 3: the environment could not be made.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, cast

from compat_matrix._environment import python_of
from compat_matrix._uv import cache_dir, EnvironmentProblem, locked, run_uv

VERSION = "0.22.0"
FOLDER = Path(__file__).parent
#: Quart's results from the last run, so that it need not run each time.
COMMITTED = FOLDER / f"quart-{VERSION}.json"

#: Behaviours that differ on purpose, with the reason.
DIFFERENCES = {
    "a_body_as_text": "The test client sends a Content-Length.",
    "errors_propagate_in_tests": "TESTING lets errors through to the test client, as Flask's does"
    " and Quart's did until 0.21: a test fails where the error is.",
    "hosts_that_are_trusted": "TRUSTED_HOSTS is heeded, as in Flask; Quart has the key and does not"
    " look at it.",
    "methods": "The answer to HEAD has no body, as RFC 9110 section 9.3.2 has it.",
    "parts_of_a_file": "The last bytes of a file may be asked for; Quart answers 500.",
    "redirects_of_a_rule": "`redirect_to` works; Quart answers 500.",
    "redirects_that_a_client_follows": "After 301, 302 and 303 the test client goes on as browsers"
    " and Flask's client do: by GET, without the body.",
    "sending_files": "A file's name that is not ASCII is sent in the way of RFC 6266, which"
    " browsers read.",
    "sending_what_is_in_memory": "What is sent without a maximum age is to be asked for again, as"
    " with Flask.",
    "sessions": "A session that is only read makes the answer vary by cookie too, as in Flask;"
    " without that, caches mix users.",
    "signals_of_websockets": "`websocket_received` is sent when the handler receives, so after it"
    " has started.",
    "subprotocols": "Those that the test client offers are seen by the handler.",
    "urls_outside_of_a_request": "PREFERRED_URL_SCHEME and APPLICATION_ROOT are heeded, as in"
    " Flask; Quart has the keys and does not look at them.",
    "views_as_classes": "The answer to HEAD has no body, as above.",
    "what_a_request_has": "There is no Remote-Addr among the headers, where a client's own would be"
    " taken for it; use `request.remote_addr`. The test client sends a Content-Length.",
    "what_tears_down_is_told_the_error": "Teardown functions are given the error that was answered"
    " with 500, as in Flask: they may have something to roll back.",
}


def outcomes(python: str | Path) -> dict[str, Any]:
    """Return the result of each behaviour with the `quart` of the interpreter *python*."""
    done = subprocess.run(
        [python, FOLDER / "_child.py"], capture_output=True, text=True, check=False, cwd=FOLDER
    )
    if done.returncode:
        raise RuntimeError(f"The behaviours could not be run with {python}:\n{done.stderr}")
    return cast("dict[str, Any]", json.loads(done.stdout))


def committed() -> dict[str, Any]:
    return cast("dict[str, Any]", json.loads(COMMITTED.read_text("utf-8")))


def quarts_python() -> Path:
    """Return the interpreter of an environment with PyPI's Quart; make it if there is none."""
    folder = cache_dir() / "environments" / f"quart-{VERSION}-{sys.version_info[1]}"
    with locked(folder):
        if not (folder / "ready").exists():
            what = f"making the environment of Quart {VERSION}"
            run_uv(["venv", "--quiet", "--clear", "--python", sys.executable, str(folder)], what)
            python = str(python_of(folder))
            run_uv(["pip", "install", "--quiet", "--python", python, f"quart=={VERSION}"], what)
            (folder / "ready").touch()
    return python_of(folder)


def differing(there: dict[str, Any], here: dict[str, Any]) -> Iterator[tuple[str, Any, Any]]:
    """Yield the name of each behaviour that differs, and both outcomes."""
    for name in here["outcomes"]:
        found = there["outcomes"].get(name), here["outcomes"][name]
        if found[0] != found[1]:
            yield name, *found


def report(there: dict[str, Any], here: dict[str, Any]) -> int:
    found = list(differing(there, here))
    for name, theirs, ours in found:
        listed = DIFFERENCES.get(name)
        print(f"{name} ({here['pages'][name]}): {listed or 'NOT LISTED'}")  # noqa: T201
        if listed is None:
            print(f"  Quart {VERSION}: {theirs}\n  here: {ours}")  # noqa: T201
    unlisted = [name for name, _, _ in found if name not in DIFFERENCES]
    equal = len(here["outcomes"]) - len(found)
    print(  # noqa: T201
        f"{equal} of {len(here['outcomes'])} behaviours are those of Quart {VERSION},"
        f" {len(found) - len(unlisted)} differ on purpose, {len(unlisted)} otherwise"
    )
    return 1 if unlisted else 0


def main(arguments: Sequence[str] | None = None) -> int:
    made = argparse.ArgumentParser(prog="python -m compat_matrix.behaviours", description=__doc__)
    made.add_argument("--update", action="store_true", help=f"write {COMMITTED.name} anew")
    options = made.parse_args(arguments)
    try:
        there = outcomes(quarts_python())
    except EnvironmentProblem as problem:
        print(problem, file=sys.stderr)  # noqa: T201
        return 3
    if options.update:
        COMMITTED.write_text(json.dumps(there, indent=1, sort_keys=True) + "\n", "utf-8")
    return report(there, outcomes(sys.executable))


if __name__ == "__main__":
    raise SystemExit(main())
