"""Compare two answers."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

from .answers import Answer, difference
from .bodies import Body, body_of, MISSING
from .cookies import Cookie, cookies_of, moment
from .masks import is_secret_key, MASK, masked_json, Masks
from .rules import is_now, NOT_COMPARED, Rules, SETS
from .sessions import session_in

#: Seconds by which two times may differ, as the sides are set up and asked one after the other.
APART = 90.0
SHOWN = 400
MOST = 6
_MOMENTS = {"expires", "last-modified"}
#: A random text has digits, or letters of both cases: of 32 random ones, 1 in 230 has no digit.
_RANDOM = re.compile(r"(?=.*\d|.*[a-z][A-Z])(?=.*[A-Za-z])[\w.+/=-]{20,}")


@dataclass(frozen=True, slots=True)
class Difference:
    """One thing that differs, with both values, without secrets."""

    part: str
    reference: str
    other: str


@dataclass
class Heard:
    """An answer, and the texts in it that belong to its side: folder, port and tokens."""

    answer: Answer
    literals: Mapping[str, str]


@dataclass
class Compared:
    """The result of comparing two answers; *left_out* names what was ignored."""

    differences: list[Difference] = field(default_factory=list)
    left_out: set[str] = field(default_factory=set)


class Comparison:
    """Compares two answers under the rules."""

    def __init__(self, rules: Rules, masks: Masks, most: int) -> None:
        self.rules, self.masks, self.most = rules, masks, most

    def compare(self, one: Heard, other: Heard) -> Compared:
        return _Pair(self, one, other).compared()


class _Pair:
    def __init__(self, by: Comparison, one: Heard, other: Heard) -> None:
        self.by, self.rules, self.one, self.other = by, by.rules, one, other
        self.found = Compared()
        self.hits: set[str] = set()

    def compared(self) -> Compared:
        one, other = self.one.answer, self.other.answer
        if one.status != other.status or not one.status:
            self._compare_status(one, other)
        elif one.status:
            self._headers()
            self._cookies()
        if one.status and other.status:
            self._bodies()
        return self.found

    def _add(self, part: str, one: object, other: object) -> None:
        shown = (self.by.masks.over(str(each))[:SHOWN] for each in (one, other))
        self.found.differences.append(Difference(part, *shown))

    def _compare_status(self, one: Answer, other: Answer) -> None:
        if one.unended and other.unended:
            self.found.left_out.add("answers that did not come in time")
        elif one.status or other.status or one.unended != other.unended:
            shown = [each.status or each.body.decode("utf-8", "replace") for each in (one, other)]
            self._add("status" if one.status and other.status else "answer", *shown)

    def _normal(self, one: str, other: str) -> tuple[str, str]:
        """Return both texts in the form that is compared; record what that ignores."""
        hits: set[str] = set()
        texts = [
            self.rules.normal(text, heard.literals, hits)
            for text, heard in ((one, self.one), (other, self.other))
        ]
        if one != other:
            self.found.left_out |= hits
            self.hits |= hits
        return texts[0], texts[1]

    def _shown(self, one: str, other: str) -> tuple[str, str]:
        """Return where two texts differ, masked before they are cut: masks need whole secrets."""
        lines = one.split("\n"), other.split("\n")
        differing = (pair for pair in zip(*lines, strict=False) if pair[0] != pair[1])
        pair = next(differing, None)
        over = self.by.masks.over
        if pair is None:
            common = min(map(len, lines))
            more = [over("\n".join(each[common:])) for each in lines]
            shown = f"goes on with {''.join(more)[:SHOWN]!r}"
            return (shown, "ends") if len(lines[0]) > common else ("ends", shown)
        shown = difference(*map(over, pair))
        first, _, second = shown.partition("\n")
        return (first[2:], second[2:]) if shown else (MASK, MASK)

    # --- headers -------------------------------------------------------------------------------

    def _headers(self) -> None:
        one, other = self.one.answer, self.other.answer
        names = sorted({name for name, _ in (*one.headers, *other.headers)})
        for name in names:
            if name in NOT_COMPARED or name in self.rules.headers or name == "etag":
                continue
            pair = one.all(name), other.all(name)
            if pair[0] != pair[1] and not self._same(name, *pair):
                self._add(f"header {name}", *(", ".join(each) or "none" for each in pair))

    def _same(self, name: str, one: list[str], other: list[str]) -> bool:
        if name in SETS:
            return _words(one) == _words(other)
        if len(one) != len(other):
            return False
        if name in _MOMENTS and all(map(_close, one, other)):
            self.found.left_out.add("dates")
            return True
        return all(
            a == b for a, b in (self._normal(*pair) for pair in zip(one, other, strict=True))
        )

    # --- cookies -------------------------------------------------------------------------------

    def _cookies(self) -> None:
        both = [_by_name(cookies_of(heard.answer)) for heard in (self.one, self.other)]
        for name in dict.fromkeys([*both[0], *both[1]]):
            if name in self.rules.cookies:
                continue
            one, other = both[0].get(name, []), both[1].get(name, [])
            if len(one) != len(other):
                self._add(f"cookie {name}", _times(one), _times(other))
            for pair in zip(one, other, strict=False):
                self._cookie(name, *pair)

    def _cookie(self, name: str, one: Cookie, other: Cookie) -> None:
        if one.value != other.value:
            self._cookie_value(name, one.value, other.value)
        for key in sorted({*one.attributes, *other.attributes}):
            pair = one.attributes.get(key), other.attributes.get(key)
            is_close = (
                key == "expires" and None not in pair and _close(pair[0] or "", pair[1] or "")
            )
            if pair[0] != pair[1] and not is_close:
                self._add(
                    f"cookie {name}, {key}", *("not set" if p is None else p or "set" for p in pair)
                )

    def _cookie_value(self, name: str, one: str, other: str) -> None:
        sessions = session_in(one), session_in(other)
        if None not in sessions:
            self.found.left_out.add("tokens")
            for place, a, b in self._data(*sessions, place=f"cookie {name}: session"):
                shown = (MASK if each not in ("none", "there") else each for each in (a, b))
                self._add(place, *shown)
            return
        first, second = self._normal(one, other)
        if first != second and bool(one) == bool(other) and self._is_random(one, other):
            self.found.left_out.add("tokens")
        elif first != second:
            self._add(f"cookie {name}", *(MASK if each else "empty" for each in (one, other)))

    def _is_random(self, one: str, other: str) -> bool:
        """Whether both are long and of the same kind, and so random values of their sides."""
        if "tokens" not in {name for name, _ in self.rules.texts} or one[:8] == other[:8]:
            return False
        return len(one) == len(other) and all(map(_RANDOM.fullmatch, (one, other)))

    # --- bodies --------------------------------------------------------------------------------

    def _bodies(self) -> None:
        one, other = self.one.answer, self.other.answer
        if one.unended or other.unended:
            if one.unended != other.unended:
                self._add("body", *("does not end" if a.unended else "ends" for a in (one, other)))
            else:
                self.found.left_out.add("bodies that did not end in time")
            return
        self.hits = set()
        before = len(self.found.differences)
        if one.digest != other.digest or one.size != other.size:
            self._body(body_of(one, self.by.most), body_of(other, self.by.most))
        if len(self.found.differences) == before:
            self._of_the_body(one, other)

    def _of_the_body(self, one: Answer, other: Answer) -> None:
        """Compare headers that are computed from a body: its length and its tag."""
        same_bytes = one.digest == other.digest and one.size == other.size
        lengths = [each.one("content-length") for each in (one, other)]
        if lengths[0] != lengths[1] and (same_bytes or not all(lengths)):
            self._add("header content-length", *(each or "none" for each in lengths))
        tags = [each.one("etag") for each in (one, other)]
        if tags[0] == tags[1] or "etag" in self.rules.headers:
            return
        if not all(tags) or tags[0].startswith("W/") != tags[1].startswith("W/"):
            self._add("header etag", *(each or "none" for each in tags))
        else:
            self.found.left_out.add("entity tags")

    def _body(self, one: Body, other: Body) -> None:
        if one.problem or other.problem:
            if one.problem != other.problem:
                self._add("body", one.problem or "can be read", other.problem or "can be read")
        elif one.data is not MISSING and other.data is not MISSING:
            try:
                self._json(one, other)
            except RecursionError:
                self._text(one, other)
        elif one.text is not None and other.text is not None:
            self._text(one, other)
        elif one.content != other.content or one.is_cut or other.is_cut:
            self._bytes(one, other)

    def _json(self, one: Body, other: Body) -> None:
        found = list(self._data(one.data, other.data, place="body: $"))
        for place, a, b in found[:MOST]:
            self._add(place, a, b)
        if len(found) > MOST:
            self._add("body", f"{len(found) - MOST} more values differ", "")
        if found:
            return
        ordered = _order(one.data) == _order(other.data) or bool(self.rules.keys)
        # If an ignored difference was in the body, its length differs, and so may its encoding.
        if not ordered or (one.data == other.data and one.text != other.text):
            what = "the same values, written otherwise" if ordered else "keys in another order"
            self._add("body", *map(self._beginning, (one, other)))
            last = self.found.differences.pop()
            self.found.differences.append(Difference(f"body: {what}", last.reference, last.other))

    def _beginning(self, body: Body) -> str:
        return (body.text or "") if body.data is MISSING else _json_text(body.data)

    def _text(self, one: Body, other: Body) -> None:
        first, second = self._normal(one.text or "", other.text or "")
        if first != second:
            self._add("body", *self._shown(first, second))
        elif one.is_cut or other.is_cut:
            self._tail(one, other)

    def _tail(self, one: Body, other: Body) -> None:
        """Compare the part that was not kept, by its digest; rules cannot apply to it."""
        if self.hits:
            self.found.left_out.add("ends of large bodies")
        elif (one.digest, one.size) != (other.digest, other.size):
            shown = (f"{each.size} bytes, differing after {self.by.most}" for each in (one, other))
            self._add("body", *shown)

    def _bytes(self, one: Body, other: Body) -> None:
        pairs = enumerate(zip(one.content, other.content, strict=False))
        at = next((n for n, (a, b) in pairs if a != b), min(len(one.content), len(other.content)))
        if at < self.by.most:
            shown = (f"{each.size} bytes, differing from byte {at}" for each in (one, other))
            self._add("body", *shown)
        else:
            self._tail(one, other)

    # --- values --------------------------------------------------------------------------------

    def _data(self, one: object, other: object, place: str) -> Iterator[tuple[str, str, str]]:
        """Yield the place of each value that differs, and both values."""
        if isinstance(one, dict) and isinstance(other, dict):
            for key in dict.fromkeys([*one, *other]):
                if key in self.rules.keys:
                    if one.get(key) != other.get(key):
                        self.found.left_out.add("json")
                    continue
                where = f"{place}.{key}"
                if key not in one or key not in other:
                    yield where, _there(key, one), _there(key, other)
                else:
                    for at, a, b in self._data(one[key], other[key], where):
                        secret = is_secret_key(key)
                        yield at, MASK if secret else a, MASK if secret else b
        elif isinstance(one, list) and isinstance(other, list):
            if len(one) != len(other):
                yield place, f"{len(one)} items", f"{len(other)} items"
            for number, pair in enumerate(zip(one, other, strict=False)):
                yield from self._data(*pair, f"{place}[{number}]")
        elif type(one) is not type(other) or one != other:
            yield from self._value(one, other, place)

    def _value(self, one: object, other: object, place: str) -> Iterator[tuple[str, str, str]]:
        if isinstance(one, str) and isinstance(other, str):
            first, second = self._normal(one, other)
            if first != second:
                yield place, *self._shown(first, second)
        elif _is_moment(one) and _is_moment(other) and type(one) is type(other):
            self.found.left_out.add("dates")
        else:
            yield place, _json_text(one), _json_text(other)


def _there(key: object, data: dict[str, object]) -> str:
    return "there" if key in data else "none"


def _words(values: list[str]) -> list[str]:
    return sorted(word.strip().lower() for word in ",".join(values).split(","))


def _close(one: str, other: str) -> bool:
    moments = moment(one), moment(other)
    first, second = moments
    return first is not None and second is not None and abs(first - second) <= APART


def _by_name(cookies: list[Cookie]) -> dict[str, list[Cookie]]:
    found: dict[str, list[Cookie]] = {}
    for cookie in cookies:
        found.setdefault(cookie.name, []).append(cookie)
    return found


def _times(cookies: list[Cookie]) -> str:
    return {0: "not set", 1: "set"}.get(len(cookies), f"set {len(cookies)} times")


def _order(data: object) -> object:
    if isinstance(data, dict):
        return [(key, _order(value)) for key, value in data.items()]
    return [_order(value) for value in data] if isinstance(data, list) else None


def _is_moment(value: object) -> bool:
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        return False
    return is_now(value) or is_now(value / 1000)


def _json_text(value: object) -> str:
    return json.dumps(masked_json(value), ensure_ascii=False)
