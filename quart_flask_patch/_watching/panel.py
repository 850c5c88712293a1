"""The page of `run --panel`, which shows the developer what each endpoint has taken."""

from __future__ import annotations

from typing import cast, TYPE_CHECKING

from jinja2 import Template

from quart._connection.disclosure import is_on_this_machine
from quart._types import ASGIApp, Receive, Scope, Send

from . import measures
from .thread_stats import threads

if TYPE_CHECKING:
    from quart.app import Quart

PATH = "/_endpoints"
_QUANTILES = 0.5, 0.95, 0.99
_HEADERS = [
    (b"content-type", b"text/html; charset=utf-8"),
    (b"cache-control", b"no-store"),
    # No other origin may frame the page, and nothing in it runs.
    # But for the icon, which is empty so that no browser asks the application for one.
    (b"content-security-policy", b"default-src 'none'; style-src 'unsafe-inline'; img-src data:"),
    (b"cross-origin-resource-policy", b"same-origin"),
    (b"referrer-policy", b"no-referrer"),
    (b"x-content-type-options", b"nosniff"),
    (b"x-frame-options", b"DENY"),
]
_template = Template(
    """\
<!doctype html>
<html lang="en">
<meta name="viewport" content="width=device-width">
<link rel="icon" href="data:,">
<title>Endpoints of {{ name }}</title>
<style>
  body { font-family: sans-serif; margin: 2em; }
  h1 { overflow-wrap: anywhere; }
  .wide { overflow-x: auto; }
  table { border-collapse: collapse; }
  th, td { border-bottom: 1px solid #ddd; padding: .3em .8em; text-align: right; }
  th:first-child, td:first-child, th:nth-child(2), td:nth-child(2) { text-align: left; }
  .bad { background: #fdd; }
</style>
<h1>Endpoints of {{ name }}</h1>
<p>The endpoints that would gain most from becoming async come first: their threads wait, or they
wait for a thread. A step that holds the loop for long holds up all other requests. Times are in
milliseconds, for this process so far.</p>
<p>Of {{ threads.size }} worker threads, {{ threads.busy }} have a request; {{ threads.queued }}
requests wait for a thread.</p>
<div class="wide" role="region" aria-label="Endpoints" tabindex="0">
<table>
  <tr>
    <th>endpoint<th>place<th>calls<th>errors<th>left
    {%- for q in quantiles %}<th>{{ "%g" % (q * 100) }} % within{% endfor %}
    <th>on the loop<th>longest<th>in threads<th>idle there<th>waited for a thread<th>gain
  </tr>
  {%- for each in endpoints %}
  <tr>
    <td>{{ each.endpoint if each.endpoint is not none else "(no such URL)" }}<td>{{ each.place }}
    <td>{{ each.calls }}<td{% if each.errors %} class="bad"{% endif %}>{{ each.errors }}
    <td>{{ each.left }}
    {%- for q in quantiles %}<td>{{ ms(each.quantile(q)) }}{% endfor %}
    <td>{{ ms(each.on_loop) }}
    <td{% if each.longest_step > 0.1 %} class="bad"{% endif %}>{{ ms(each.longest_step) }}
    <td>{{ ms(each.in_threads) }}<td>{{ ms(each.idle) }}<td>{{ ms(each.waited) }}
    <td>{{ ms(each.gain) }}
  </tr>
  {%- endfor %}
</table>
</div>
</html>
""",
    autoescape=True,
)


class Panel:
    """Serves that page, and passes all other requests to the application."""

    def __init__(self, app: Quart) -> None:
        self._app = app
        measures.measure(app)

    def __getattr__(self, name: str) -> object:
        return getattr(self._app, name)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if not self._is_asked(scope):
            await cast(ASGIApp, self._app)(scope, receive, send)
            return
        body = self.page().encode()
        headers = [*_HEADERS, (b"content-length", str(len(body)).encode())]
        await send({"type": "http.response.start", "status": 200, "headers": headers})
        body = b"" if scope["method"] == "HEAD" else body
        await send({"type": "http.response.body", "body": body, "more_body": False})

    def _is_asked(self, scope: Scope) -> bool:
        return (
            scope["type"] == "http"
            and scope["path"] == PATH
            and scope["method"] in {"GET", "HEAD"}
            and scope.get("client") is not None
            and is_on_this_machine(scope)
        )

    def page(self) -> str:
        html: str = _template.render(
            name=self._app.name,
            endpoints=measures.endpoints(self._app),
            threads=threads(self._app),
            quantiles=_QUANTILES,
            ms=lambda seconds: "" if seconds is None else f"{seconds * 1000:,.1f}",
        )
        return html
