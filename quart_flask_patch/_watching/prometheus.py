"""Write endpoints in Prometheus' text format."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator

from . import histogram
from .measures import Endpoint

_COUNTERS: dict[str, tuple[str, Callable[[Endpoint], float]]] = {
    "errors_total": ("Answers of 500 and above, and exceptions.", lambda e: e.errors),
    "left_total": ("Clients that left before there was an answer.", lambda e: e.left),
    "loop_seconds_total": ("Time on the event loop.", lambda e: e.on_loop),
    "thread_seconds_total": ("Time in worker threads.", lambda e: e.in_threads),
    "thread_idle_seconds_total": ("Time in worker threads that waited.", lambda e: e.idle),
    "thread_wait_seconds_total": ("Time until a worker thread was free.", lambda e: e.waited),
}
_GAUGES: dict[str, tuple[str, Callable[[Endpoint], float]]] = {
    "longest_step_seconds": ("Longest time on the event loop at once.", lambda e: e.longest_step),
}
_PREFIX = "quart_endpoint_"
_ESCAPES = str.maketrans({"\\": r"\\", '"': r"\"", "\n": r"\n"})


def text(endpoints: Iterable[Endpoint]) -> str:
    found = list(endpoints)
    return "".join(f"{line}\n" for line in _lines(found))


def _lines(endpoints: list[Endpoint]) -> Iterator[str]:
    yield from _head("duration_seconds", "Time until there was an answer.", "histogram")
    for each in endpoints:
        labels = _labels(each)
        name = f"{_PREFIX}duration_seconds"
        for upper, count in histogram.doublings(each.counts):
            yield f'{name}_bucket{{{labels},le="{upper:g}"}} {count}'
        yield f'{name}_bucket{{{labels},le="+Inf"}} {each.calls}'
        yield f"{name}_sum{{{labels}}} {each.seconds!r}"
        yield f"{name}_count{{{labels}}} {each.calls}"
    for kind, values in {"counter": _COUNTERS, "gauge": _GAUGES}.items():
        for name, (what, value) in values.items():
            yield from _head(name, what, kind)
            for each in endpoints:
                yield f"{_PREFIX}{name}{{{_labels(each)}}} {value(each)!r}"


def _head(name: str, what: str, kind: str) -> Iterator[str]:
    yield f"# HELP {_PREFIX}{name} {what}"
    yield f"# TYPE {_PREFIX}{name} {kind}"


def _labels(each: Endpoint) -> str:
    endpoint = "" if each.endpoint is None else each.endpoint
    return f'endpoint="{endpoint.translate(_ESCAPES)}",place="{each.place.translate(_ESCAPES)}"'
