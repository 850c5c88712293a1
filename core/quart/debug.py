"""The page shown for an error in debug mode."""

from __future__ import annotations

import linecache
import traceback
from collections.abc import Iterable
from dataclasses import dataclass
from itertools import groupby
from types import FrameType, TracebackType

from jinja2 import Template

from ._frames import folded, package_of
from .wrappers import Response

#: How many lines of source to show before and after the one that failed.
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
  details.folded, pre.text { margin: 1em 0; }
  .folded > summary { color: #666; cursor: pointer; }
  td { border-top: 1px solid #ddd; font-family: monospace; padding: .2em .5em; }
</style>
<h1>{{ name }} <small>{{ value }}</small></h1>
{% macro shown(frame) %}
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
{% endmacro %}
{% for part in parts %}
{% if part.packages %}
<details class="folded"{% if part.is_open %} open{% endif %}>
  <summary>
    {{ part.frames | length }} {{ "frame" if part.frames | length == 1 else "frames" }}
    of {{ part.packages | join(", ") }}
  </summary>
  {% for frame in part.frames %}{{ shown(frame) }}{% endfor %}
</details>
{% else %}
{% for frame in part.frames %}{{ shown(frame) }}{% endfor %}
{% endif %}
{% endfor %}
{% if not show_variables %}
<p>Variables are shown to a browser on the machine of the server, at <i>localhost</i>.</p>
{% endif %}
<pre class="text">{{ text }}</pre>
{% if whole != text %}
<details>
  <summary>The whole traceback</summary>
  <pre>{{ whole }}</pre>
</details>
{% endif %}
</html>
"""

_template = Template(TEMPLATE, autoescape=True)


@dataclass(frozen=True, slots=True)
class _Frame:
    #: The installed package that the code belongs to; None if it is yours.
    package: str | None
    file: str
    line: int
    function: str
    code: list[tuple[int, str]]
    #: None if they must not be shown.
    locals: dict[str, str] | None


@dataclass(frozen=True, slots=True)
class _Part:
    """Frames in a row: yours, or those between yours, which the page folds."""

    frames: list[_Frame]
    #: Whether none of the frames is yours.
    packages: list[str]
    is_open: bool


def _frame(frame: FrameType, line: int, show_variables: bool) -> _Frame:
    filename = frame.f_code.co_filename
    first = max(1, line - CONTEXT_LINES)
    lines = linecache.getlines(filename)[first - 1 : line + CONTEXT_LINES]
    package = package_of(filename)
    if package is None and "__traceback_hide__" in frame.f_locals:
        package = "code that hides itself"
    return _Frame(
        package=package,
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


def _parts(frames: list[_Frame]) -> Iterable[_Part]:
    has_yours = any(frame.package is None for frame in frames)
    for is_yours, group in groupby(frames, key=lambda frame: frame.package is None):
        part = list(group)
        packages = dict.fromkeys(frame.package for frame in part if frame.package)
        yield _Part(part, list(packages), is_open=is_yours or not has_yours)


async def traceback_response(error: BaseException, *, show_variables: bool = True) -> Response:
    """Return a page that shows *error*: innermost frame first, each with source and variables.

    Frames of installed packages, and those whose variables have a `__traceback_hide__`, are folded
    away: a click opens them. The causes of the error are in the plain traceback at the end. It
    shows secrets that are in variables, so it is for development only.
    """
    walked = traceback.walk_tb(error.__traceback__)
    frames = [_frame(frame, line, show_variables) for frame, line in walked]
    html = _template.render(
        name=type(error).__name__,
        value=str(error),
        parts=list(_parts(frames[::-1])),
        show_variables=show_variables,
        text=_text(error, folded(error.__traceback__)),
        whole=_text(error, error.__traceback__),
    )
    return Response(html, 500)


def _text(error: BaseException, of: TracebackType | None) -> str:
    return "".join(traceback.format_exception(type(error), error, of))
