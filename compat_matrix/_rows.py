"""Rows: which suite to run, how, and which of its tests are left out and why."""

from __future__ import annotations

import hashlib
import json
import tomllib
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass, field, fields
from pathlib import Path
from typing import Any, Literal

HERE = Path(__file__).resolve().parent
PROJECT = HERE.parent
SCENARIOS = HERE / "scenarios"
SCENARIO_SUITE = SCENARIOS / "suite" / "test_exchanges.py"

Place = Literal["loop", "thread"]
#: How a suite's requests come to the application.
Through = Literal["client", "server"]
Tier = Literal["fast", "full"]
PLACES: tuple[Place, ...] = ("loop", "thread")

# The only good reasons to leave a test out of the comparison.
GOOD_REASONS = {
    "source": "it asserts something of Flask's own source or WSGI internals that no user sees",
    "flaky": "it fails now and then on Flask too",
    "thread-bound": "it hands a view an object bound to the test's own thread (thread place only)",
    "own-thread": "it looks at its own thread, environ or context variables, which a server's"
    " request does not have (through a server only)",
}


class RowError(ValueError):
    """A row's file is not valid."""


@dataclass(frozen=True, slots=True)
class Deselected:
    """A test (or a prefix of test ids) that the layer need not pass, with the reason why."""

    test: str
    kind: str
    reason: str
    place: Place | None = None
    through: Through | None = None

    def __post_init__(self) -> None:
        if self.kind not in GOOD_REASONS or not self.reason.strip():
            allowed = "; ".join(f"{kind!r}: {why}" for kind, why in GOOD_REASONS.items())
            raise RowError(
                f"deselect {self.test!r} has kind {self.kind!r} and reason {self.reason!r};"
                f" it needs a reason in words and one of these kinds: {allowed}"
            )
        if (self.kind == "thread-bound") != (self.place == "thread"):
            raise RowError(
                f"deselect {self.test!r} has kind {self.kind!r} and place {self.place!r};"
                " kind 'thread-bound' goes with place = 'thread', and only with it"
            )
        if (self.kind == "own-thread") != (self.through == "server"):
            raise RowError(
                f"deselect {self.test!r} has kind {self.kind!r} and through {self.through!r};"
                " kind 'own-thread' goes with through = 'server', and only with it"
            )

    def holds(self, place: Place | None, through: Through = "client") -> bool:
        return self.place in (None, place) and self.through in (None, through)

    def matches(self, test: str) -> bool:
        return test.startswith(self.test)  # as pytest's own --deselect does


@dataclass(frozen=True, slots=True)
class Counts:
    """How a suite ended on the reference (Flask, or Quart for the rows of Quart extensions)."""

    passed: int
    failed: int = 0
    errors: int = 0
    skipped: int = 0
    seconds: float = 0.0


@dataclass(frozen=True, slots=True)
class Row:
    """One suite: an sdist, the environment to run it in, and arguments for pytest."""

    name: str
    version: str
    sdist_sha256: str
    arguments: tuple[str, ...]
    baseline: Counts
    project: str = ""  # the name on the index, where the row's own name differs
    framework: Literal["flask", "quart"] = "flask"
    tier: Tier = "fast"
    extras: tuple[str, ...] = ()
    requires: tuple[str, ...] = ()
    overrides: tuple[str, ...] = ()  # versions to take against what some package of the row says
    directory: str = "."
    environment: Mapping[str, str] = field(default_factory=dict)
    timeout: float = 300.0  # seconds for the whole suite
    test_timeout: float = 60.0  # seconds for one test
    memory: float | None = None  # GiB for each process of the suite, instead of the settings' limit
    deselect: tuple[Deselected, ...] = ()
    services: str = ""
    remark: str = ""
    scenario: str = ""  # the module of compat_matrix/scenarios/ that takes the place of an sdist

    @property
    def requirement(self) -> str:
        extras = f"[{','.join(self.extras)}]" if self.extras else ""
        return f"{self.project or self.name}{extras}=={self.version}"

    @property
    def standins(self) -> Path:
        """Return the folder of helper files that the sdist leaves out; it need not exist."""
        return HERE / "standins" / self.name.replace("-", "_")

    @property
    def own_files(self) -> list[Path]:
        """Return the files of this project that are part of the row's suite."""
        found = [path for path in self.standins.rglob("*") if "__pycache__" not in path.parts]
        if self.scenario:
            found += [SCENARIOS / f"{self.scenario}.py", *SCENARIOS.glob("_*.py"), SCENARIO_SUITE]
        return sorted(path for path in found if path.is_file())

    def deselected(self, place: Place | None, through: Through = "client") -> list[Deselected]:
        return [entry for entry in self.deselect if entry.holds(place, through)]


@dataclass(frozen=True, slots=True)
class Settings:
    as_of: str
    requires: tuple[str, ...]
    scenario_requires: tuple[str, ...]
    excludes: tuple[str, ...]
    memory: float


def digest(content: object) -> str:
    text = json.dumps(content, sort_keys=True, default=str)
    return hashlib.sha256(text.encode()).hexdigest()[:16]


def row_digest(row: Row) -> str:
    """Return a digest of what a run on Flask depends on: the row, less what the layer reads."""
    content = asdict(row)
    for name in ("deselect", "baseline", "remark", "services", "tier"):
        del content[name]
    return digest([content, [(path.name, path.read_text()) for path in row.own_files]])


def load_settings(path: Path = HERE / "settings.toml") -> Settings:
    data = tomllib.loads(path.read_text())
    lists = {name: tuple(data[name]) for name in ("requires", "scenario_requires", "excludes")}
    return Settings(data["as_of"], **lists, memory=data["memory"])


def project_dependencies(project: Path = PROJECT) -> list[str]:
    """Return this project's requirements at run time, which each row's environment has."""
    found: set[str] = set()
    for path in (project / "pyproject.toml", project / "core" / "pyproject.toml"):
        try:
            data = tomllib.loads(path.read_text())
        except FileNotFoundError:
            raise RowError(
                f"expected the project's pyproject.toml at {path};"
                " run compat_matrix from a checkout"
            ) from None
        found.update(data["project"]["dependencies"])
    return sorted(each for each in found if not each.startswith("quart=="))


def parse_row(data: Mapping[str, Any], source: str) -> Row:
    """Make a row from a TOML table.

    Raises:
        RowError: if the table has an unknown key, lacks one, or a deselected test has no good
            reason; the message names the file and the key.
    """
    known = {item.name for item in fields(Row)}
    if unknown := sorted(set(data) - known):
        raise RowError(f"{source}: unknown {unknown}; a row has {sorted(known)}")
    values: dict[str, Any] = {k: tuple(v) if isinstance(v, list) else v for k, v in data.items()}
    if "scenario" in data:
        values = {"sdist_sha256": "", "arguments": (SCENARIO_SUITE.name,)} | values
    try:
        values["deselect"] = tuple(Deselected(**entry) for entry in data.get("deselect", ()))
        values["baseline"] = Counts(**data["baseline"])
        return Row(**values)
    except (KeyError, TypeError) as error:
        raise RowError(f"{source}: {error}; compare it with another row's file") from None
    except RowError as error:
        raise RowError(f"{source}: {error}") from None


def load_rows(folder: Path = HERE / "rows") -> dict[str, Row]:
    rows = {}
    for path in sorted(folder.glob("*.toml")):
        row = parse_row(tomllib.loads(path.read_text()), path.name)
        if row.name != path.stem:
            raise RowError(f"{path.name}: the row is named {row.name!r}; name both alike")
        rows[row.name] = row
    return rows


def choose_rows(rows: Mapping[str, Row], names: Iterable[str], tier: str | None) -> list[Row]:
    """Return the rows to run: those named, else those of the tier, else all."""
    if unknown := [name for name in names if name not in rows]:
        raise RowError(f"no row named {', '.join(unknown)}; there are: {', '.join(rows)}")
    if chosen := list(dict.fromkeys(names)):
        return [rows[name] for name in chosen]
    return [row for row in rows.values() if tier is None or row.tier == tier]
