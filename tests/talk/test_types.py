"""A program that uses Quart's aliases: mypy accepts it, and it does what it says."""

import asyncio
import subprocess
import sys
from pathlib import Path

import pytest

from . import _typed
from ._program import browsing

HERE = Path(__file__).parent


def check(file: Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "mypy", "--strict", "--no-error-summary", str(file)],
        cwd=HERE.parents[1],
        capture_output=True,
        text=True,
        check=False,
    )


@pytest.mark.timeout(180)  # Without a cache mypy reads all of Werkzeug and Flask first.
def test_mypy_accepts_the_program(tmp_path: Path) -> None:
    pytest.importorskip("mypy")
    done = check(HERE / "_typed.py")
    assert done.returncode == 0, done.stdout + done.stderr
    # The types do say something: a view that returns what is no response is found.
    wrong = (HERE / "_typed.py").read_text() + (
        '\n\n@app.get("/wrong")\nasync def wrong() -> ResponseReturnValue:\n    return object()\n'
        '\n\n@app.get("/worse")\nasync def worse() -> object:\n    return object()\n'
    )
    (tmp_path / "wrong.py").write_text(wrong)
    errors = check(tmp_path / "wrong.py").stdout
    assert "[return-value]" in errors
    assert errors.count(" error: ") >= 2


def test_the_program_runs() -> None:
    async def main() -> None:
        async with browsing(_typed.app) as client:
            answer = await client.get("/")
            assert (answer.text, answer.headers["X-Marked"]) == ("index", "True")
            answer = await client.get("/plain")
            assert (answer.status_code, answer.headers["X-Plain"]) == (202, "yes")
            answer = await client.post("/api/", json={"task": "test"}, follow_redirects=True)
            assert answer.json() == {"id": 2, "task": "test"}
            assert (await client.get("/api/stream")).text == "1\n2\n"
            assert (await client.get("/api/9")).status_code == 404
            assert (await client.get("/nowhere")).text == "nothing here"
            assert (await client.get("/made")).status_code == 201
            assert await _typed.use(_typed.app.test_client()) == "index"

    asyncio.run(main())
