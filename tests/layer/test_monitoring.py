"""Monitoring tools as teams use them, each on a real server, and what they report about requests.

The tools are real; what they would send to their service an application gives at `/told`. A tool
that is not installed is skipped: `pip install -e ".[monitoring]"` brings them.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import httpx
import pytest
from websockets.sync.client import connect

from _serving import environment, PATIENCE, served

#: What they have in common: views of each kind that fail, and say to the tool who has called.
APP = """
import asyncio
import time

from flask import Flask, request
from quart import websocket

app = Flask(__name__)
app.config["SECRET_KEY"] = "secret"


@app.get("/hello/<name>")
def hello(name):
    return name


@app.get("/plain/<name>")
def plain(name):
    note(name)
    time.sleep(0.02)
    raise ValueError(name)


@app.get("/async/<name>")
async def asynchronous(name):
    note(name)
    await asyncio.sleep(0.02)
    raise ValueError(name)


@app.websocket("/ws/<name>")
async def talk(name):
    note(name)
    await websocket.send("hello")
    raise ValueError(name)


@app.get("/told")
def tell():
    return told()
"""
COMMANDS = {
    "daphne": ("daphne", "-p", "{port}", "shop:app"),
    "granian": ("granian", "--interface", "asgi", "--port", "{port}", "shop:app"),
    "hypercorn": ("hypercorn", "shop:app", "--bind", "127.0.0.1:{port}"),
    "run": ("quart_flask_patch", "--app", "shop", "run", "--port", "{port}"),
    "uvicorn": ("uvicorn", "shop:app", "--port", "{port}"),
}
NAMES = [f"n{number}" for number in range(8)]


def needs(module: str) -> None:
    for name in (module.partition(".")[0], module):
        if find_spec(name) is None:
            pytest.skip(f"{module} is not installed; the extra `monitoring` brings it")


class Site:
    """The application on a server."""

    def __init__(self, url: str) -> None:
        self.url = url
        self.client = httpx.Client(base_url=url, timeout=PATIENCE, verify=False)

    def __enter__(self) -> Site:
        return self

    def __exit__(self, *error: object) -> None:
        self.client.close()

    def get(self, path: str) -> int:
        return self.client.get(path).status_code

    def get_at_once(self, paths: list[str]) -> None:
        with ThreadPoolExecutor(len(paths)) as pool:
            answers = pool.map(
                lambda path: httpx.get(self.url + path, timeout=PATIENCE, verify=False), paths
            )
            assert {answer.status_code for answer in answers} == {500}

    def talk(self, path: str) -> None:
        with connect(self.url.replace("http", "ws") + path) as websocket:
            assert websocket.recv() == "hello"

    def told(self, is_enough: Callable[[Any], bool]) -> Any:
        """Return what the tool has told, once that is enough."""
        limit = time.monotonic() + PATIENCE
        while not is_enough(told := self.client.get("/told").json()):
            assert time.monotonic() < limit, told
        return told


@pytest.fixture
def serve(tmp_path: Path) -> Iterator[Callable[..., Any]]:
    def start(source: str, server: str, place: str = "", **variables: str) -> Any:
        (tmp_path / "shop.py").write_text(source)
        # A tool may warn of itself.
        env = {**environment(place, **variables), "PYTHONWARNINGS": "default"}
        return served(COMMANDS[server], tmp_path, env, tmp_path / "log")

    return start  # type: ignore[return-value]


# Sentry

SENTRY = """
import sentry_sdk
from sentry_sdk.transport import Transport

envelopes = []


class Kept(Transport):
    def capture_envelope(self, envelope):
        envelopes.extend(item.payload.json for item in envelope.items if item.payload.json)


def start_sentry():
    sentry_sdk.init("http://key@127.0.0.1/1", transport=Kept, traces_sample_rate=1.0)


def note(name):
    if name.startswith("n"):
        sentry_sdk.set_tag("name", name)
        sentry_sdk.set_user({"id": name})


def told():
    return [
        {
            "error": e["exception"]["values"][-1]["value"] if "exception" in e else None,
            "transaction": e.get("transaction"),
            "tag": e.get("tags", {}).get("name"),
            "user": (e.get("user") or {}).get("id"),
            "url": e.get("request", {}).get("url"),
        }
        for e in envelopes
        if "exception" in e or e.get("type") == "transaction"
    ]


"""
ORDERS = {
    "before": SENTRY + "start_sentry()\nimport quart.flask_patch\n" + APP,
    "after": SENTRY + "import quart.flask_patch\nstart_sentry()\n" + APP,
    # The command has put the layer in place before it imports this.
    "in the module": SENTRY + APP.replace("app = Flask", "start_sentry()\napp = Flask"),
}


@pytest.mark.parametrize(
    ("order", "server", "place"),
    [
        ("before", "hypercorn", "thread"),
        ("before", "uvicorn", "loop"),
        ("before", "granian", "thread"),
        ("after", "uvicorn", "thread"),
        ("after", "hypercorn", "loop"),
        ("after", "daphne", "thread"),
        ("in the module", "run", "thread"),
    ],
)
def test_sentry(order: str, server: str, place: str, serve: Any) -> None:
    needs("sentry_sdk")
    paths = [f"/{kind}/{name}" for kind in ("plain", "async") for name in NAMES]

    def errors(told: Any) -> list[Any]:
        return [event for event in told if event["error"]]

    with serve(ORDERS[order], server, place) as running, Site(running.url) as site:
        site.get_at_once(paths)
        assert site.get("/hello/world") == 200
        assert site.get("/plain/unknown") == 500
        site.talk("/ws/nobody")
        told = site.told(lambda told: len(errors(told)) >= len(paths) + 2)

    of_requests = [e for e in errors(told) if e["url"] and "/ws/" not in e["url"]]
    assert len(of_requests) == len(paths) + 1
    for event in of_requests:
        # Each report has the URL, the endpoint, the tag and the user of its own request.
        kind, name = event["url"].split("/")[-2:]
        assert event["error"] == name
        assert event["transaction"] == {"plain": "plain", "async": "asynchronous"}[kind]
        expected = None if name == "unknown" else name
        assert (event["tag"], event["user"]) == (expected, expected)
    assert [e["error"] for e in errors(told)].count("nobody") == 1
    transactions = [event["transaction"] for event in told if not event["error"]]
    assert transactions.count("plain") == len(NAMES) + 1
    assert transactions.count("asynchronous") == len(NAMES)
    assert transactions.count("hello") == 1


# OpenTelemetry

OPENTELEMETRY = """
from opentelemetry import trace
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

exporter = InMemorySpanExporter()


def note(name):
    trace.get_current_span().set_attribute("noted", name)


def told():
    return [
        {"name": span.name, **{key: str(value) for key, value in span.attributes.items()}}
        for span in exporter.get_finished_spans()
        if span.kind is trace.SpanKind.SERVER
    ]


"""
IN_CODE = (
    OPENTELEMETRY
    + "import quart.flask_patch\ntrace.set_tracer_provider(TracerProvider())\n"
    + APP
    + "from opentelemetry.instrumentation.flask import FlaskInstrumentor\n"
    + "FlaskInstrumentor().instrument_app(app)\n"
)
BY_THE_COMMAND = OPENTELEMETRY + APP
COLLECTING = "trace.get_tracer_provider().add_span_processor(SimpleSpanProcessor(exporter))\n"


@pytest.mark.parametrize(
    ("source", "server", "place", "by_the_command"),
    [
        (IN_CODE, "hypercorn", "thread", False),
        (IN_CODE, "uvicorn", "loop", False),
        (BY_THE_COMMAND, "run", "thread", True),
        ("import quart.flask_patch\n" + BY_THE_COMMAND, "uvicorn", "thread", True),
    ],
    ids=[
        "in code, hypercorn",
        "in code, uvicorn",
        "by the command, run",
        "by the command, uvicorn",
    ],
)
def test_opentelemetry(
    source: str, server: str, place: str, by_the_command: bool, serve: Any
) -> None:
    needs("opentelemetry.instrumentation.flask")
    needs("opentelemetry.distro")
    variables = {f"OTEL_{kind}_EXPORTER": "none" for kind in ("TRACES", "METRICS", "LOGS")}
    if by_the_command:
        # What `opentelemetry-instrument` does: Python finds a `sitecustomize` there.
        found = find_spec("opentelemetry.instrumentation.auto_instrumentation")
        assert found is not None
        variables["PYTHONPATH"] = str(Path(str(found.origin)).parent)
    paths = [f"/{kind}/{name}" for kind in ("plain", "async") for name in NAMES]
    with (
        serve(source + COLLECTING, server, place, **variables) as running,
        Site(running.url) as site,
    ):
        site.get_at_once(paths)
        told = site.told(lambda told: len(told) >= len(paths))
    spans = [span for span in told if span["http.route"] != "/told"]
    assert sorted(span["noted"] for span in spans) == sorted(NAMES * 2)
    for span in spans:
        assert span["name"] == f"GET {span['http.route']}"
        assert span["http.target"].rpartition("/")[2] == span["noted"]
        assert span["http.status_code"] == "500"


# Elastic APM

ELASTIC = """
import quart.flask_patch
import elasticapm
from elasticapm.contrib.flask import ElasticAPM
from elasticapm.transport.base import Transport

events = []


class Kept(Transport):
    def queue(self, event_type, data, flush=False):
        events.append((event_type, data))

    def flush(self, *args, **kwargs):
        pass


def note(name):
    elasticapm.label(name=name)


def told():
    return [
        {
            "kind": kind,
            "name": data.get("name"),
            "label": (data.get("tags") or data["context"].get("tags") or {}).get("name"),
            "result": data.get("result"),
        }
        for kind, data in events
        if kind in {"error", "transaction"}
    ]


"""
WITH_ELASTIC = (
    ELASTIC
    + APP
    + """
app.config["ELASTIC_APM"] = {
    "SERVICE_NAME": "shop", "TRANSPORT_CLASS": "shop.Kept", "CENTRAL_CONFIG": False,
    "METRICS_INTERVAL": "0s", "CLOUD_PROVIDER": False,
}
apm = ElasticAPM(app)
"""
)


@pytest.mark.parametrize(("server", "place"), [("hypercorn", "thread"), ("uvicorn", "loop")])
def test_elastic_apm(server: str, place: str, serve: Any) -> None:
    needs("elasticapm")
    paths = [f"/{kind}/{name}" for kind in ("plain", "async") for name in NAMES]

    def transactions(told: Any) -> list[Any]:
        return [e for e in told if e["kind"] == "transaction" and e["name"] != "GET /told"]

    with serve(WITH_ELASTIC, server, place) as running, Site(running.url) as site:
        site.get_at_once(paths)
        told = site.told(lambda told: len(transactions(told)) >= len(paths))
    assert {event["name"] for event in transactions(told)} == {
        "GET /plain/<name>",
        "GET /async/<name>",
    }
    assert {event["result"] for event in transactions(told)} == {"HTTP 5xx"}
    assert sorted(event["label"] for event in transactions(told)) == sorted(NAMES * 2)
    assert [event["kind"] for event in told].count("error") == len(paths)


# Prometheus and structlog

PROMETHEUS = """
import quart.flask_patch
from prometheus_flask_exporter import PrometheusMetrics


def note(name):
    pass


def told():
    return app.test_client().get("/metrics").text.splitlines()


"""
WITH_PROMETHEUS = PROMETHEUS + APP + "metrics = PrometheusMetrics(app)\n"


@pytest.mark.parametrize(("server", "place"), [("hypercorn", "thread"), ("uvicorn", "loop")])
def test_prometheus(server: str, place: str, serve: Any) -> None:
    needs("prometheus_flask_exporter")
    paths = [f"/{kind}/{name}" for kind in ("plain", "async") for name in NAMES]
    with serve(WITH_PROMETHEUS, server, place) as running, Site(running.url) as site:
        site.get_at_once(paths)
        assert site.get("/hello/world") == 200
        lines = site.client.get("/metrics").text.splitlines()
    assert 'flask_http_request_total{method="GET",status="500"} 16.0' in lines
    assert 'flask_http_request_total{method="GET",status="200"} 1.0' in lines


STRUCTLOG = """
import quart.flask_patch
import structlog

entries = []


def keep(logger, method, entry):
    entries.append(entry)
    raise structlog.DropEvent


structlog.configure(processors=[structlog.contextvars.merge_contextvars, keep])


def note(name):
    structlog.get_logger().info("noted", name=name)


def told():
    return entries


"""
WITH_STRUCTLOG = (
    STRUCTLOG
    + APP
    + """
@app.before_request
def bind():
    structlog.contextvars.clear_contextvars()
    structlog.contextvars.bind_contextvars(path=request.path)


@app.teardown_request
def log(error):
    structlog.get_logger().info("torn down")
"""
)


@pytest.mark.parametrize(("server", "place"), [("hypercorn", "thread"), ("uvicorn", "loop")])
def test_structlog(server: str, place: str, serve: Any) -> None:
    needs("structlog")
    paths = [f"/{kind}/{name}" for kind in ("plain", "async") for name in NAMES]
    with serve(WITH_STRUCTLOG, server, place) as running, Site(running.url) as site:
        site.get_at_once(paths)
        told = site.told(lambda told: len(told) >= 2 * len(paths))
    noted = [entry for entry in told if entry["event"] == "noted"]
    assert sorted(entry["path"] for entry in noted) == sorted(paths)
    assert all(entry["path"].endswith(f"/{entry['name']}") for entry in noted)
    torn_down = [entry["path"] for entry in told if entry["event"] == "torn down"]
    assert sorted(set(torn_down) - {"/told"}) == sorted(paths)


# Datadog

DATADOG = """
from ddtrace import tracer
from ddtrace.trace import TraceFilter

spans = []


class Keep(TraceFilter):
    def process_trace(self, trace):
        spans.extend({"name": span.name, "resource": span.resource} for span in trace)


tracer.configure(trace_processors=[Keep()])


def note(name):
    pass


def told():
    return spans


"""
#: What it reports for each request, on Flask too.
OF_A_REQUEST = (
    *("flask.application", "flask.preprocess_request", "flask.dispatch_request"),
    *("flask.process_response", "flask.do_teardown_request", "flask.do_teardown_appcontext"),
)


@pytest.mark.parametrize(("server", "place"), [("run", "thread"), ("uvicorn", "loop")])
def test_datadog(server: str, place: str, serve: Any) -> None:
    needs("ddtrace")
    found = find_spec("ddtrace.bootstrap")
    assert found is not None
    variables = {
        # What `ddtrace-run` does: Python finds a `sitecustomize` there.
        "PYTHONPATH": str(Path(str(found.origin)).parent),
        "DD_INSTRUMENTATION_TELEMETRY_ENABLED": "false",
        "DD_REMOTE_CONFIGURATION_ENABLED": "false",
    }
    layer = "" if server == "run" else "import quart.flask_patch\n"
    with (
        serve(layer + DATADOG + APP, server, place, **variables) as running,
        Site(running.url) as site,
    ):
        assert site.get("/hello/world") == 200
        site.get_at_once([f"/async/{name}" for name in NAMES])
        told = site.told(lambda told: len([s for s in told if s["name"] == "flask.request"]) >= 9)
    resources = [span["resource"] for span in told if span["name"] == "flask.request"]
    assert resources.count("GET /hello/<name>") == 1
    assert resources.count("GET /async/<name>") == len(NAMES)
    names = [span["name"] for span in told]
    assert {name: names.count(name) for name in OF_A_REQUEST} == dict.fromkeys(
        OF_A_REQUEST, len(resources)
    )
