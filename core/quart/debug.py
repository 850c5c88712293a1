"""The page shown for an error in debug mode."""

from __future__ import annotations

import linecache
import traceback
from dataclasses import dataclass
from types import FrameType

from jinja2 import Template

from .wrappers import Response

#: How many lines of source surround the one that failed.
CONTEXT_LINES = 5

TEMPLATE = """\
<!doctype html>
<html lang="en">
<title>{{ name }}: {{ value }}</title>
<style>
  body { font-family: sans-serif; margin: 2em; }
  section { border: 1px solid #bbb; border-radius: 4px; margin: 1em 0; }
  header { background: #eee; padding: .5em; }
  pre { margin: 0; overflow-x: auto; }
  .source { padding: .5em; }
  .here { background: #fdd; }
  table { border-collapse: collapse; width: 100%; }
  td { border-top: 1px solid #ddd; font-family: monospace; padding: .2em .5em; }
</style>
<h1>{{ name }} <small>{{ value }}</small></h1>
{% for frame in frames %}
<section>
  <header>
    <b>{{ frame.file }}</b>, line <b>{{ frame.line }}</b>, in <b>{{ frame.function }}</b>
  </header>
  <pre class="source">
{%- for number, text in frame.code %}
<span{% if number == frame.line %} class="here"{% endif %}>{{ "%5d" % number }}  {{ text }}</span>
{%- endfor %}
</pre>
  {% if frame.locals is not none %}
  <details>
    <summary>Variables</summary>
    <table>
    {% for variable, value in frame.locals.items() %}
      <tr><td>{{ variable }}</td><td>{{ value }}</td></tr>
    {% endfor %}
    </table>
  </details>
  {% endif %}
</section>
{% endfor %}
{% if not show_variables %}
<p>Variables are shown to a browser on the machine of the server, at <i>localhost</i>.</p>
{% endif %}
<pre>{{ text }}</pre>
</html>
"""

_template = Template(TEMPLATE, autoescape=True)


@dataclass(frozen=True, slots=True)
class _Frame:
    file: str
    line: int
    function: str
    code: list[tuple[int, str]]
    #: None: not to be shown.
    locals: dict[str, str] | None


def _frame(frame: FrameType, line: int, show_variables: bool) -> _Frame:
    filename = frame.f_code.co_filename
    first = max(1, line - CONTEXT_LINES)
    lines = linecache.getlines(filename)[first - 1 : line + CONTEXT_LINES]
    return _Frame(
        file=filename,
        line=line,
        function=frame.f_code.co_name,
        code=[(number, text.rstrip()) for number, text in enumerate(lines, first)],
        locals={name: _repr(value) for name, value in frame.f_locals.items()}
        if show_variables
        else None,
    )


def _repr(value: object) -> str:
    try:
        return repr(value)
    except Exception as error:
        return f"<{type(value).__name__} object whose repr raises {type(error).__name__}>"


async def traceback_response(error: BaseException, *, show_variables: bool = True) -> Response:
    """Return a page that shows *error*: innermost frame first, each with source and variables.

    The causes of the error are in the plain traceback at the end. It shows secrets that are in
    variables, so it is for development only.
    """
    walked = traceback.walk_tb(error.__traceback__)
    frames = [_frame(frame, line, show_variables) for frame, line in walked]
    html = _template.render(
        name=type(error).__name__,
        value=str(error),
        frames=frames[::-1],
        show_variables=show_variables,
        text="".join(traceback.format_exception(error)),
    )
    return Response(html, 500)
