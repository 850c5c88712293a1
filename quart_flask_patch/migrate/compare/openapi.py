"""Make requests from an OpenAPI document: one for each operation, with the document's examples."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterator
from urllib.parse import quote, urlencode

from .documents import as_dict, as_list, as_text
from .listed import FORM
from .recorded import Recorded, sendable, split

METHODS = ("get", "head", "options", "post", "put", "patch", "delete")
#: Values for parameters without an example, by type and by format.
VALUES: dict[str, object] = {
    "integer": 1,
    "number": 1.5,
    "boolean": True,
    "string": "text",
    "date": "2024-02-29",
    "date-time": "2024-02-29T12:00:00Z",
    "email": "somebody@example.com",
    "uuid": "00000000-0000-4000-8000-000000000001",
    "uri": "http://example.com/",
}
DEPTH = 6


class Document:
    """An OpenAPI document of version 2 or 3, with its references resolved."""

    def __init__(self, document: dict[str, object], skipped: Counter[str]) -> None:
        self.document, self.skipped = document, skipped

    def requests(self, name: str) -> Iterator[Recorded]:
        base = self._base()
        for key, item in as_dict(self.document.get("paths")).items():
            path = "/" + str(key).lstrip("/")  # YAML has numbers
            operations = self._resolved(item)
            for method in METHODS:
                if method in operations:
                    operation = self._resolved(operations[method])
                    shared = as_list(operations.get("parameters"))
                    place = f"{name}: {method.upper()} {path}"
                    yield self._request(method.upper(), base + path, operation, shared, place)

    def _base(self) -> str:
        servers = as_list(self.document.get("servers"))
        url = as_text(as_dict(servers[0]).get("url")) if servers else ""
        base = split(url).path if servers else as_text(self.document.get("basePath"))
        return "" if "{" in base else base.rstrip("/")

    def _resolved(self, value: object) -> dict[str, object]:
        found = as_dict(value)
        for _ in range(DEPTH):
            reference = as_text(found.get("$ref"))
            if not reference:
                return found
            if not reference.startswith("#/"):
                self.skipped["references to other documents"] += 1
                return {}
            target: object = self.document
            for part in reference[2:].split("/"):
                target = as_dict(target).get(part.replace("~1", "/").replace("~0", "~"))
            found = as_dict(target)
        return {}

    def _request(
        self,
        method: str,
        path: str,
        operation: dict[str, object],
        shared: list[object],
        place: str,
    ) -> Recorded:
        query: list[tuple[str, str]] = []
        headers: list[tuple[str, str]] = []
        form: list[tuple[str, str]] = []
        kind, body = self._body_of_3(operation)
        for each in self._parameters(operation, shared):
            name, where = as_text(each.get("name")), each.get("in")
            if where == "body":
                kind = "application/json"
                body = _as_json(self._value(as_dict(each.get("schema"))))
                continue
            text = _as_parameter(self._parameter(each))
            if where == "path":
                path = path.replace("{" + name + "}", quote(text, safe="", errors="replace"))
            elif each.get("required") and where == "query":
                query.append((name, text))
            elif each.get("required") and where == "header":
                headers.append((name, text))
            elif each.get("required") and where == "formData":
                form.append((name, text))
        if form:
            kind, body = FORM, urlencode(form, errors="replace").encode()
        if body is not None:
            headers.append(("Content-Type", kind))
        target = quote(path, safe="/%", errors="replace")
        target += f"?{urlencode(query, errors='replace')}" if query else ""
        return Recorded(method, target, sendable(tuple(headers)), body, place=place)

    def _parameters(
        self, operation: dict[str, object], shared: list[object]
    ) -> list[dict[str, object]]:
        """Return the parameters of an operation and its path; the operation's own win."""
        found = {}
        for each in map(self._resolved, [*shared, *as_list(operation.get("parameters"))]):
            found[each.get("name"), each.get("in")] = each
        return list(found.values())

    def _parameter(self, parameter: dict[str, object]) -> object:
        example = _example(parameter)
        if example is not None:
            return example
        schema = self._resolved(parameter.get("schema"))
        return self._value(schema or parameter)  # Version 2 has the schema in the parameter.

    def _body_of_3(self, operation: dict[str, object]) -> tuple[str, bytes | None]:
        content = as_dict(self._resolved(operation.get("requestBody")).get("content"))
        kinds = [kind for kind in content if "json" in kind] or [k for k in content if k == FORM]
        if not kinds:
            if content:
                self.skipped["bodies of other types than JSON and forms"] += 1
            return "", None
        media = as_dict(content[kinds[0]])
        value = _example(media)
        if value is None:
            value = self._value(as_dict(media.get("schema")))
        if kinds[0] == FORM:
            pairs = {name: _as_parameter(each) for name, each in as_dict(value).items()}
            return FORM, urlencode(pairs, errors="replace").encode()
        return kinds[0], _as_json(value)

    def _value(self, unresolved: dict[str, object], depth: int = 0) -> object:
        """Return a schema's example, or else a value of its type."""
        schema = self._resolved(unresolved)
        example = _example(schema)
        if example is not None:
            return example
        if choices := as_list(schema.get("enum")):
            return choices[0]
        for several in ("allOf", "oneOf", "anyOf"):
            if schemas := as_list(schema.get(several)):
                values = [self._value(as_dict(each), depth + 1) for each in schemas]
                return _merged(values) if several == "allOf" else values[0]
        if schema.get("properties") or schema.get("type") == "object":
            return {} if depth > DEPTH else self._object(schema, depth)
        if schema.get("type") == "array":
            return [] if depth > DEPTH else [self._value(as_dict(schema.get("items")), depth + 1)]
        kind = schema.get("type")
        kind = (
            next((each for each in kind if each != "null"), None)
            if isinstance(kind, list)
            else kind
        )
        least = schema.get("minimum")
        if kind in ("integer", "number") and isinstance(least, (int, float)):
            return least
        return VALUES.get(as_text(schema.get("format"))) or VALUES.get(as_text(kind), "text")

    def _object(self, schema: dict[str, object], depth: int) -> dict[str, object]:
        properties = as_dict(schema.get("properties"))
        return {
            name: self._value(as_dict(each), depth + 1)
            for name, each in properties.items()
            if not as_dict(each).get("readOnly")
        }


def _example(where: dict[str, object]) -> object:
    for name in ("example", "x-example", "default"):
        if where.get(name) is not None:
            return where[name]
    examples = where.get("examples")
    if isinstance(examples, list):
        return examples[0] if examples else None
    first = as_dict(next(iter(as_dict(examples).values()), None))
    return first.get("value")


def _merged(values: list[object]) -> object:
    merged: dict[str, object] = {}
    for value in values:
        merged |= as_dict(value)
    return merged or values[0]


def _as_json(value: object) -> bytes:
    return json.dumps(value, default=str).encode()  # YAML may contain dates.


def _as_parameter(value: object) -> str:
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, list):
        return ",".join(map(_as_parameter, value))
    return str(value)
