"""The session's cookie beside genuine Flask's: what either writes and reads, to the byte."""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import Callable
from datetime import datetime, timedelta, UTC
from types import SimpleNamespace
from typing import Any
from uuid import UUID

import itsdangerous.timed
import pytest
from flask.json.tag import JSONTag, TaggedJSONSerializer
from flask.sessions import SecureCookieSession, SecureCookieSessionInterface as FlaskInterface
from itsdangerous import TimestampSigner
from itsdangerous.encoding import base64_encode
from markupsafe import Markup
from werkzeug.datastructures import Headers
from werkzeug.test import EnvironBuilder
from werkzeug.wrappers import Request

import quart
from quart import Quart, Response
from quart.sessions import SecureCookieSessionInterface

NOW = 1_750_000_000
Items = list[tuple[str, str]]


@pytest.fixture(autouse=True)
def _one_second(monkeypatch: pytest.MonkeyPatch) -> None:
    # Not the signer's method: a short way would not be taken then.
    monkeypatch.setattr(itsdangerous.timed, "time", SimpleNamespace(time=lambda: NOW))


class Pair:
    """An application of ours, and Flask's interface with the same configuration."""

    def __init__(self, **config: Any) -> None:
        self.app = Quart(__name__)
        self.app.config.update({"SECRET_KEY": "a key", **config})
        self.app.testing = True
        self.flasks: Any = FlaskInterface()

        @self.app.get("/")
        async def view() -> str:
            self._use(quart.session)
            return ""

    def ask(self, use: Callable[[Any], object], cookie: str = "") -> tuple[Items, Items]:
        """Return the headers that either answers with; *use* is called with its session."""
        self._use = use
        headers = {"Cookie": cookie} if cookie else {}

        async def ask_ours() -> Items:
            client = self.app.test_client(use_cookies=False)
            response = await client.get("/", headers=headers)
            return [(name.title(), value) for name, value in response.headers]

        return asyncio.run(ask_ours()), self._ask_flasks(headers)

    def _ask_flasks(self, headers: dict[str, str]) -> Items:
        request = Request(EnvironBuilder(headers=headers).get_environ())
        session = self.flasks.open_session(self.app, request)
        session.accessed = True
        self._use(session)
        response = Response("")
        for after in self.app.after_request_funcs[None]:
            after(response)  # type: ignore[call-arg]  # none is a websocket's
        self.flasks.save_session(self.app, session, response)
        return list(response.headers)

    def read(self, cookie: str) -> tuple[Any, Any]:
        """Return what either finds in its session."""
        seen: list[Any] = []
        self.ask(lambda session: seen.append({**session}), cookie)
        ours, theirs = seen
        return ours, theirs


def flasks_serializer(key: str = "a key") -> Any:
    flasks: Any = FlaskInterface()
    return flasks.get_signing_serializer(Pair(SECRET_KEY=key).app)


def signed(value: Any, key: str = "a key", at: int = NOW, **options: Any) -> str:
    serializer = flasks_serializer(key)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(TimestampSigner, "get_timestamp", lambda self: at)
        return str(serializer.dumps(value, **options))


class Text(str):
    __slots__ = ()


SESSIONS = {
    "a number": {"count": 1},
    "scalars": {"t": True, "n": None, "f": 1.5, "i": -7, "s": "text", "_user_id": "4"},
    "not ASCII": {"name": "Zoë ☃ \U0001f600", "é": 1},
    "nothing in it": {"a": "", "b": {}, "c": []},
    "nested": {"a": {"b": [1, {"c": None}]}},
    "tagged": {
        "when": datetime(2024, 2, 29, tzinfo=UTC),
        "pair": (1, b"2"),
        "id": UUID(int=5),
        "html": Markup("<b>"),
        "_flashes": [("message", "hello")],
    },
    "as short as can be": {"": 1},
    "short, and all the same": {"1": 11111},
    "a little longer": {"1": 11111111111111111111},
    "the key of a tag": {" t": 1},
    "the key of a tag, nested": {"a": {" di": {" t": [1]}}},
    "the key of a tag and another": {" t": [1], "b": 2},
    "text that looks like a tag": {"a": '{" t":[1]}', "b": '" ', "c": " t"},
    "a kind of text": {"a": Text("b"), "c": Markup("d")},
    "long": {"text": "to be compressed " * 40, "other": "x" * 300},
    "a long identifier": {"_id": hashlib.sha512(b"a").hexdigest(), "_fresh": True},
    "numbers that JSON does not have": {"a": float("inf")},
    "keys that are no text": {1: "a", None: "b"},
    "much": {f"key{n}": "v" * n for n in range(70)},
}


@pytest.mark.filterwarnings("ignore:The 'session' cookie is too large")
@pytest.mark.parametrize("name", SESSIONS)
def test_the_same_cookie_is_written_and_read(name: str) -> None:
    def write(session: Any) -> None:
        session.update(SESSIONS[name])

    pair = Pair()
    ours, theirs = (dict(headers) for headers in pair.ask(write))
    assert ours["Set-Cookie"] == theirs["Set-Cookie"]
    assert ours["Vary"] == theirs["Vary"]
    read, expected = pair.read(ours["Set-Cookie"].partition(";")[0])
    assert read == expected
    assert [*map(type, read.values())] == [*map(type, expected.values())]


def signature_alone(payload: bytes) -> str:
    """A value that was signed with the right key, but by a signer without a timestamp."""
    signer = flasks_serializer().make_signer()
    return (payload + b"." + signer.get_signature(payload)).decode()


DAY = 24 * 60 * 60
VALUE = {"count": 5}
COOKIES = {
    "as it should be": signed(VALUE),
    "another key": signed(VALUE, key="another"),
    "an old key": signed(VALUE, key="old"),
    "another salt": signed(VALUE, salt="another"),
    "on its last day": signed(VALUE, at=NOW - 31 * DAY),
    "too old": signed(VALUE, at=NOW - 31 * DAY - 1),
    "of tomorrow": signed(VALUE, at=NOW + 1),
    "of the year 2200": signed(VALUE, at=NOW * 5),
    "of 1970": signed(VALUE, at=0),
    "padded": signed(VALUE) + "=",
    "with garbage in its signature": signed(VALUE)[:-3] + "!" + signed(VALUE)[-3:],
    "with garbage behind": signed(VALUE) + "x",
    "cut": signed(VALUE)[:-1],
    "changed": "x" + signed(VALUE)[1:],
    "in another spelling": signed(VALUE).replace("-", "+").replace("_", "/"),
    "nothing": "",
    "one dot": ".",
    "dots": "...",
    "no dot": "abc",
    "not ASCII": signed(VALUE) + "é",
    "in quotes": f'"{signed(VALUE)}"',
    "without a timestamp": signature_alone(b"eyJjb3VudCI6NX0"),
    "an empty timestamp": signature_alone(b"eyJjb3VudCI6NX0."),
    "a timestamp that is none": signature_alone(b"eyJjb3VudCI6NX0.a"),
    "nothing but a signature": signature_alone(b""),
    "no JSON": signature_alone(b"bm8." + base64_encode(NOW.to_bytes(4, "big"))),
    "no base64": signature_alone(b"a." + base64_encode(NOW.to_bytes(4, "big"))),
    "not compressed": signature_alone(b".eyJjb3VudCI6NX0." + base64_encode(NOW.to_bytes(4, "big"))),
}


@pytest.mark.parametrize("name", COOKIES)
def test_the_same_cookies_are_believed(name: str) -> None:
    pair = Pair(SECRET_KEY_FALLBACKS=["old"])
    found, expected = (
        outcome(pair, interface, COOKIES[name])
        for interface in (SecureCookieSessionInterface(), FlaskInterface())
    )
    assert found == expected
    if name in {"as it should be", "an old key", "on its last day"}:
        assert found == VALUE


def outcome(pair: Pair, interface: Any, cookie: str) -> Any:
    asked = SimpleNamespace(cookies={"session": cookie})
    try:
        opened = interface.open_session(pair.app, asked)
        return dict(asyncio.run(opened) if asyncio.iscoroutine(opened) else opened)
    except Exception as error:
        return type(error)


GOOD, OTHER = signed({"found": 1}), signed({"found": 2})
HEADERS = [
    f"session={GOOD}",
    f"a=b; session={GOOD}; c=d",
    f"a=b;session={GOOD};c=d",
    f"a=b;  session={GOOD}",
    f"a=b;\tsession={GOOD}\t; c=d",
    f"session = {GOOD}",
    f"session ={OTHER}; session={GOOD}",
    f"session; session={GOOD}",
    f"session={GOOD}; session={OTHER}",
    f"mysession={OTHER}; session={GOOD}",
    f"session2={OTHER}; session={GOOD}",
    f"other session={OTHER}; session={GOOD}",
    f"garbage session={GOOD}",
    f'a="; session={OTHER}"; session={GOOD}',
    f'a="; session={OTHER}',
    f'session="{GOOD}"',
    f"session={GOOD} more",
    f"=session={GOOD}",
    f"a=session={GOOD}",
    f"session=;session={GOOD}",
    f"é=1; session={GOOD}",
    f"; session={GOOD}",
    "session",
    "sessions=a",
    ";",
    f"aaaaaa={OTHER}; x",
    f"aaaaaa={OTHER}; ",
    f"aaaaa={OTHER}; x",
]


@pytest.mark.parametrize("header", HEADERS)
def test_the_same_cookie_is_found(header: str) -> None:
    found, expected = Pair().read(header.encode().decode("latin-1"))
    assert found == expected


def test_the_cookie_is_found_in_any_of_several_headers() -> None:
    app = Pair().app
    connection = app.request_class(
        "GET",
        "http",
        "/",
        b"",
        quart.utils.decode_headers([(b"cookie", b"a=b"), (b"cookie", f"session={GOOD}".encode())]),
        "",
        "2",
        {},  # type: ignore[typeddict-item]  # nothing in it is asked for
        send_push_promise=None,  # type: ignore[arg-type]  # as above
    )
    opened = asyncio.run(SecureCookieSessionInterface().open_session(app, connection))
    assert opened == {"found": 1}


CONFIGURATIONS: list[dict[str, Any]] = [
    {},
    {"SESSION_COOKIE_NAME": "é"},
    {"SESSION_COOKIE_NAME": "a=b"},
    {"SESSION_COOKIE_DOMAIN": "bücher.example:80", "SESSION_COOKIE_PATH": "/a b;c"},
    {"APPLICATION_ROOT": "/root", "SESSION_COOKIE_HTTPONLY": False},
    {"SESSION_COOKIE_SECURE": True, "SESSION_COOKIE_SAMESITE": "strict"},
    {"SESSION_COOKIE_SECURE": 1, "SESSION_COOKIE_HTTPONLY": 0},
    {"SESSION_COOKIE_PARTITIONED": True},
    {"SECRET_KEY": b"bytes \xff"},
]


@pytest.mark.parametrize("config", CONFIGURATIONS)
@pytest.mark.parametrize("permanent", [False, True])
def test_the_same_header_is_set(
    config: dict[str, Any], permanent: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    expires = datetime(2030, 1, 2, 3, 4, 5, 678, tzinfo=UTC) if permanent else None
    for interface in (SecureCookieSessionInterface, FlaskInterface):
        monkeypatch.setattr(interface, "get_expiration_time", lambda self, app, session: expires)

    ours, theirs = Pair(**config).ask(lambda session: session.update(a=1))
    assert [item for item in ours if item[0] in {"Set-Cookie", "Vary"}] == [
        item for item in theirs if item[0] in {"Set-Cookie", "Vary"}
    ]


def test_what_is_wrongly_configured_raises_as_in_flask() -> None:
    with pytest.raises(ValueError, match="SameSite must be"):
        Pair(SESSION_COOKIE_SAMESITE="none of them").ask(lambda session: session.update(a=1))


def test_a_cookie_that_is_too_large_warns() -> None:
    def write(session: Any) -> None:
        session["a"] = hashlib.shake_256(b"a").hexdigest(4000)

    # Outside of a context Flask's half knows no configuration, and warns beyond Werkzeug's limit.
    with pytest.warns(UserWarning, match="'session' cookie is too large") as caught:
        ours, theirs = Pair().ask(write)
    assert dict(ours)["Set-Cookie"] == dict(theirs)["Set-Cookie"]
    assert len(caught) == 2
    with pytest.warns(UserWarning, match="'session' cookie is too large") as caught:
        Pair(MAX_COOKIE_SIZE=0).ask(write)
    assert len(caught) == 1
    with pytest.warns(UserWarning, match="the limit is 20 bytes"):
        Pair(MAX_COOKIE_SIZE=20).ask(lambda session: session.update(a=1))


@pytest.mark.parametrize("vary", ["Accept", "cookie", "Accept, Cookie", "*"])
def test_what_a_response_varies_by_already_is_kept(vary: str) -> None:
    pair = Pair()

    def changed(response: Any) -> Any:
        response.headers["vary"] = vary
        return response

    pair.app.after_request(changed)
    ours, theirs = (dict(h) for h in pair.ask(lambda session: session.update(a=1)))
    assert ours["Vary"] == Headers(theirs)["vary"]


class TagComplex(JSONTag):
    key = " c"

    def check(self, value: Any) -> bool:
        return isinstance(value, int)

    def to_json(self, value: Any) -> Any:
        return f"<{value}>"

    def to_python(self, value: Any) -> Any:
        return int(value.strip("<>")) + 100


def test_a_tag_that_is_registered_later_counts() -> None:
    class Interface(SecureCookieSessionInterface):
        serializer = TaggedJSONSerializer()

    app = Pair().app
    signer = Interface().get_signing_serializer(app)
    assert signer is not None
    assert signer.loads(signer.dumps({"a": 1}), max_age=1) == {"a": 1}
    Interface.serializer.register(TagComplex, index=0)
    assert signer.loads(signer.dumps({"a": 1}), max_age=1) == {"a": 101}


DIGESTS: list[Any] = [hashlib.sha1, hashlib.sha256, hashlib.sha512, hashlib.md5, hashlib.blake2b]


class Plainly(SecureCookieSessionInterface):
    """A subclass that overrides what it signs with."""

    salt = "another"
    digest_method = staticmethod(hashlib.sha512)
    key_derivation = "django-concat"

    def get_cookie_name(self, app: Any) -> str:
        return "renamed"

    def get_cookie_path(self, app: Any) -> str:
        return "/there"


class FlasksPlainly(FlaskInterface):
    salt = "another"
    digest_method = staticmethod(hashlib.sha512)
    key_derivation = "django-concat"

    def get_cookie_name(self, app: Any) -> str:
        return "renamed"

    def get_cookie_path(self, app: Any) -> str:
        return "/there"


@pytest.mark.parametrize("derivation", ["hmac", "concat", "django-concat", "none"])
@pytest.mark.parametrize("digest", ["sha256", *map(staticmethod, DIGESTS)])
@pytest.mark.parametrize("key", ["short", b"as long as a block of the larger hash" * 4])
def test_the_same_signature_is_made_with(derivation: str, digest: Any, key: str | bytes) -> None:
    options = {"digest_method": digest, "key_derivation": derivation}
    keys: Any = SimpleNamespace(secret_key=key, config={"SECRET_KEY_FALLBACKS": None})

    def written(base: Any) -> str:
        interface: Any = type("Interface", (base,), options)()
        try:
            return str(interface.get_signing_serializer(keys).dumps({"a": 1}))
        except TypeError:  # A name is no function.
            return "TypeError"

    assert written(SecureCookieSessionInterface) == written(FlaskInterface)


def test_a_line_break_in_what_is_configured_is_an_error() -> None:
    for save in (SecureCookieSessionInterface()._save, FlaskInterface().save_session):
        pair: Any = Pair(SESSION_COOKIE_DOMAIN="a\nb")
        session: Any = SecureCookieSession({"a": 1})
        session.modified = True
        with pytest.raises(ValueError, match="newline"):
            save(pair.app, session, Response(""))


def test_what_a_subclass_overrides_takes_effect() -> None:
    pair = Pair()
    pair.app.session_interface = Plainly()
    pair.flasks = FlasksPlainly()
    ours, theirs = (dict(h) for h in pair.ask(lambda session: session.update(a=1)))
    assert ours["Set-Cookie"] == theirs["Set-Cookie"]
    assert ours["Set-Cookie"].startswith("renamed=")
    assert pair.read(ours["Set-Cookie"].partition(";")[0]) == ({"a": 1}, {"a": 1})


class Quoting(SecureCookieSessionInterface):
    """Signs with something whose values need quotes."""

    def get_signing_serializer(self, app: Any) -> Any:
        class Serializer:
            def dumps(self, value: Any) -> str:
                return f'"{value["a"]}, ;"'

            def loads(self, text: str, max_age: int) -> Any:
                return {"a": text[1:].partition(",")[0]}

        return Serializer()


def test_values_of_another_serializer_are_quoted() -> None:
    pair = Pair()
    pair.app.session_interface = Quoting()
    ours, _ = (dict(h) for h in pair.ask(lambda session: session.update(a="b")))
    value = ours["Set-Cookie"].removesuffix("; HttpOnly; Path=/")
    assert pair.read(value)[0] == {"a": "b"}


def test_a_response_class_that_sets_cookies_itself_is_asked() -> None:
    class Careful(Response):
        def set_cookie(self, key: str, value: str = "", *args: Any, **kwargs: Any) -> None:
            super().set_cookie(f"__Host-{key}", value, *args, **kwargs)

    pair = Pair()
    pair.app.response_class = Careful
    ours, _ = (dict(h) for h in pair.ask(lambda session: session.update(a=1)))
    assert ours["Set-Cookie"].startswith("__Host-session=")


def test_a_request_class_that_reads_cookies_itself_is_asked() -> None:
    class Renamed(quart.Request):
        @property
        def cookies(self) -> Any:
            return {"session": GOOD}

    pair = Pair()
    pair.app.request_class = Renamed
    assert pair.read(f"session={OTHER}")[0] == {"found": 1}


@pytest.mark.parametrize("where", ["instance", "class"])
def test_a_method_that_is_replaced_later_is_called(
    where: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    pair, saved = Pair(), []

    async def save_session(*args: Any) -> None:
        saved.append(args)

    owner: Any = pair.app.session_interface
    owner = owner if where == "instance" else type(owner)
    monkeypatch.setattr(owner, "save_session", save_session)
    pair.ask(lambda session: session.update(a=1))
    assert len(saved) == 1


def test_lifetimes_are_looked_up_for_each_request() -> None:
    pair = Pair()
    assert pair.read(f"session={GOOD}")[0] == {"found": 1}
    pair.app.permanent_session_lifetime = timedelta(seconds=-1)
    assert pair.read(f"session={GOOD}")[0] == {}
