"""JSON inside and outside of an application's context."""

from __future__ import annotations

import asyncio
import io
import json as stdlib_json
from datetime import date
from decimal import Decimal
from typing import Any, cast
from uuid import UUID

import flask.json.provider
import flask.json.tag
import pytest
from flask import Flask

from quart import json, Quart
from quart.json import provider, tag

VALUES = {"date": date(2024, 2, 29), "price": Decimal("1.50"), "id": UUID(int=1)}
TEXTS = {
    "date": "Thu, 29 Feb 2024 00:00:00 GMT",
    "price": "1.50",
    "id": "00000000-0000-0000-0000-000000000001",
}


class Upper(provider.DefaultJSONProvider):
    """A provider that can be told from the default one."""

    def dumps(self, obj: Any, **kwargs: Any) -> str:
        return super().dumps(obj, **kwargs).upper()

    def loads(self, s: str | bytes, **kwargs: Any) -> Any:
        return {"loaded": super().loads(s, **kwargs)}


def in_app_context(function: Any, *args: Any, json_class: Any = None, **kwargs: Any) -> Any:
    app = Quart(__name__)
    if json_class is not None:
        app.json = json_class(app)

    async def main() -> Any:
        async with app.app_context():
            return function(*args, **kwargs)

    return asyncio.run(main())


def run(function: Any, *args: Any, **kwargs: Any) -> Any:
    return function(*args, **kwargs)


@pytest.mark.parametrize("call", [run, in_app_context])
def test_what_json_lacks_is_written_as_text(call: Any) -> None:
    assert json.loads(call(json.dumps, VALUES)) == TEXTS
    file = io.StringIO()
    call(json.dump, VALUES, file)
    assert call(json.load, io.StringIO(file.getvalue())) == TEXTS


@pytest.mark.parametrize("call", [run, in_app_context])
def test_keywords_go_to_the_json_library(call: Any) -> None:
    assert call(json.dumps, {"a": 1}, separators=(",", ":")) == '{"a":1}'
    assert call(json.loads, "1.5", parse_float=str) == "1.5"
    with pytest.raises(TypeError):
        call(json.dumps, object())


def test_the_applications_provider_is_used() -> None:
    assert in_app_context(json.dumps, {"a": "b"}, json_class=Upper) == '{"A": "B"}'
    assert in_app_context(json.loads, b"1", json_class=Upper) == {"loaded": 1}
    file = io.StringIO()
    in_app_context(json.dump, ["a"], file, json_class=Upper)
    assert file.getvalue() == '["A"]'
    file.seek(0)
    assert in_app_context(json.load, file, json_class=Upper) == {"loaded": ["A"]}


@pytest.mark.parametrize(
    ("args", "kwargs", "expected"),
    [
        ((), {}, None),
        ((1,), {}, 1),
        ((1, 2), {}, [1, 2]),
        ((), {"a": 1}, {"a": 1}),
        (({"a": 1},), {}, {"a": 1}),
        (([1],), {}, [1]),
    ],
)
def test_jsonify(args: Any, kwargs: Any, expected: Any) -> None:
    app = Quart(__name__)

    async def main() -> None:
        async with app.app_context():
            response = json.jsonify(*args, **kwargs)
            assert isinstance(response, app.response_class)
            assert response.mimetype == "application/json"
            assert await response.get_json() == expected

    asyncio.run(main())


def test_jsonify_takes_one_kind_of_argument() -> None:
    with pytest.raises(TypeError, match="args or kwargs"):
        in_app_context(json.jsonify, 1, a=2)


def test_jsonify_needs_an_application() -> None:
    with pytest.raises(RuntimeError, match="application context"):
        json.jsonify(1)


@pytest.mark.parametrize(
    "options",
    [
        {},
        {"indent": 1},
        {"separators": [",", ":"]},
        {"cls": stdlib_json.JSONEncoder},
        {"sort_keys": 0},
    ],
)
def test_the_provider_writes_what_flasks_does(options: dict[str, Any]) -> None:
    value = {"b": "é", "a": [1, None, {"c": "x"}]}
    expected = flask.json.provider.DefaultJSONProvider(Flask(__name__)).dumps(value, **options)
    assert Quart(__name__).json.dumps(value, **options) == expected


def test_the_provider_obeys_its_attributes_at_any_time() -> None:
    json_provider: Any = Quart(__name__).json
    assert json_provider.dumps({"b": "é", "a": 1}) == '{"a": 1, "b": "\\u00e9"}'
    json_provider.sort_keys = json_provider.ensure_ascii = False
    assert json_provider.dumps({"b": "é", "a": 1}) == '{"b": "é", "a": 1}'
    json_provider.default = lambda value: "something"
    assert json_provider.dumps(object()) == '"something"'


def test_a_circle_is_an_error_and_a_value_twice_is_none() -> None:
    json_provider, twice = Quart(__name__).json, [1]
    assert json_provider.dumps([twice, twice]) == "[[1], [1]]"
    twice.append(cast(Any, twice))
    with pytest.raises(ValueError, match="Circular reference"):
        json_provider.dumps(twice)


def test_a_default_may_write_json_itself() -> None:
    json_provider: Any = Quart(__name__).json
    inner = {"a": 1}
    json_provider.default = lambda value: json_provider.dumps(inner)
    assert json_provider.dumps([inner, object()]) == '[{"a": 1}, "{\\"a\\": 1}"]'


def test_what_programs_replace_in_the_standard_library_is_used(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    json_provider, encoder = Quart(__name__).json, stdlib_json.encoder
    monkeypatch.setattr(encoder, "c_make_encoder", None)
    assert json_provider.dumps({"b": 1, "a": 2.0}) == '{"a": 2.0, "b": 1}'
    monkeypatch.setattr(stdlib_json.JSONEncoder, "iterencode", lambda *args, **kwargs: ["own"])
    assert json_provider.dumps([1]) == "own"
    monkeypatch.setattr(stdlib_json, "dumps", lambda value, **kwargs: "another")
    assert json_provider.dumps([1]) == "another"
    monkeypatch.setattr(stdlib_json, "loads", lambda text: text)
    assert json_provider.loads(b"[1]") == b"[1]"
    monkeypatch.undo()
    monkeypatch.setattr(stdlib_json.JSONEncoder, "item_separator", "; ")
    assert json_provider.dumps([1, 2]) == "[1; 2]"


def test_the_classes_are_flasks() -> None:
    assert issubclass(provider.DefaultJSONProvider, flask.json.provider.DefaultJSONProvider)
    assert tag.TaggedJSONSerializer is flask.json.tag.TaggedJSONSerializer
