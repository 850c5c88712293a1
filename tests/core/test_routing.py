"""The URL map, bound to requests and websockets."""

from __future__ import annotations

import asyncio
import itertools
import warnings
from collections.abc import Callable, Iterable
from types import SimpleNamespace
from typing import Any, NoReturn

import pytest
from werkzeug.exceptions import HTTPException, MethodNotAllowed, NotFound
from werkzeug.routing import BaseConverter, MapAdapter, RequestRedirect, Rule, RuleFactory, Submount
from werkzeug.routing.exceptions import WebsocketMismatch

from quart import current_app, Quart, routing
from quart.routing import QuartMap, QuartRule


def make_request(path: str = "/", **values: Any) -> Any:
    defaults = {
        "host": "example.com",
        "scheme": "http",
        "root_path": "",
        "method": "GET",
        "query_string": b"",
        "is_websocket": False,
        "warns_as": "quart.app",
    }
    return SimpleNamespace(**{**defaults, "path": path, **values})


def bind(
    url_map: QuartMap,
    path: str = "/",
    subdomain: str | None = "",
    name: str | None = None,
    **more: Any,
) -> MapAdapter:
    return url_map.bind_to_request(make_request(path, **more), subdomain, name)


def make_map(*rules: RuleFactory, **options: Any) -> QuartMap:
    return QuartMap(rules, **options)


def test_match_takes_path_and_method_from_the_request() -> None:
    url_map = make_map(
        QuartRule("/items", endpoint="list"),
        QuartRule("/items", endpoint="create", methods=["POST"]),
        QuartRule("/items/<int:id>", endpoint="item"),
    )
    assert bind(url_map, "/items").match() == ("list", {})
    assert bind(url_map, "/items", method="POST").match() == ("list", {})
    assert bind(url_map, "/items/7").match() == ("item", {"id": 7})
    rule, values = bind(url_map, "/items").match(return_rule=True)
    assert (rule.rule, values) == ("/items", {})


def test_values_of_a_static_rule_are_not_shared() -> None:
    url_map = make_map(QuartRule("/", endpoint="index"))
    first, second = (bind(url_map).match()[1] for _ in range(2))
    assert first == second == {}
    assert first is not second


@pytest.mark.parametrize("scheme", ["http", "https", "ws", "wss"])
@pytest.mark.parametrize("is_websocket", [False, True])
def test_websocket_rules_match_websockets_only(is_websocket: bool, scheme: str) -> None:
    endpoint = "socket" if is_websocket else "page"
    kind = {"scheme": scheme, "is_websocket": is_websocket}
    url_map = make_map(
        QuartRule("/both", endpoint="page", methods=["GET"]),
        QuartRule("/both", endpoint="socket", methods=["GET"], websocket=True),
        QuartRule("/both/<name>", endpoint="page", methods=["GET"]),
        QuartRule("/both/<name>", endpoint="socket", methods=["GET"], websocket=True),
        QuartRule("/page", endpoint="page", methods=["GET"]),
        QuartRule("/socket", endpoint="socket", methods=["GET"], websocket=True),
    )
    assert bind(url_map, "/both", **kind).match()[0] == endpoint
    assert bind(url_map, "/both/x", **kind).match()[0] == endpoint
    assert bind(url_map, "/both").match(websocket=is_websocket)[0] == endpoint
    with pytest.raises(WebsocketMismatch):
        bind(url_map, "/page" if is_websocket else "/socket", **kind).match()


@pytest.mark.parametrize("first", [{"redirect_to": "/login"}, {"defaults": {"page": 1}}])
def test_the_first_of_two_rules_for_a_path_is_matched(first: dict[str, Any]) -> None:
    url_map = make_map(QuartRule("/", endpoint="first", **first), QuartRule("/", endpoint="second"))
    if "redirect_to" in first:
        with pytest.raises(RequestRedirect):
            bind(url_map).match()
    else:
        assert bind(url_map).match() == ("first", {"page": 1})


def test_wrong_method_names_the_right_ones() -> None:
    url_map = make_map(QuartRule("/", endpoint="index", methods=["PUT", "DELETE"]))
    with pytest.raises(MethodNotAllowed) as caught:
        bind(url_map).match()
    assert set(caught.value.valid_methods or ()) == {"PUT", "DELETE"}


def test_redirects_keep_root_path_and_query() -> None:
    url_map = make_map(QuartRule("/dir/", endpoint="dir"))
    adapter = bind(url_map, "/dir", root_path="/app", query_string="ä=1".encode())
    with pytest.raises(RequestRedirect) as caught:
        adapter.match()
    assert caught.value.new_url == "http://example.com/app/dir/?ä=1"


def test_a_query_that_is_no_utf_8_is_bound() -> None:
    url_map = make_map(QuartRule("/", endpoint="index"))
    assert bind(url_map, query_string=b"a=\xff").match() == ("index", {})


def test_rules_added_later_are_found() -> None:
    url_map = make_map(QuartRule("/one", endpoint="one"))
    assert bind(url_map, "/one").match()[0] == "one"
    with pytest.raises(NotFound):
        bind(url_map, "/two").match()
    url_map.add(QuartRule("/two", endpoint="two"))
    assert bind(url_map, "/two").match()[0] == "two"


def test_methods_changed_later_count() -> None:
    rule = QuartRule("/", endpoint="index", methods=["GET"])
    url_map = make_map(rule)
    assert bind(url_map).match()[0] == "index"
    assert rule.methods is not None
    rule.methods.add("PATCH")
    assert bind(url_map, method="PATCH").match()[0] == "index"


@pytest.mark.parametrize(
    ("host", "name", "endpoint"),
    [
        ("example.com", "example.com", "root"),
        ("api.example.com", "example.com", "api"),
        ("API.Example.com", "EXAMPLE.com:80", "api"),
        ("api.example.com", "api.example.com", "root"),
        ("bücher.example.com", "example.com", "any"),
    ],
)
def test_subdomain_is_found_in_the_host(host: str, name: str, endpoint: str) -> None:
    url_map = make_map(
        QuartRule("/", endpoint="root"),
        QuartRule("/", endpoint="api", subdomain="api"),
        QuartRule("/", endpoint="any", subdomain="<which>"),
    )
    assert bind(url_map, subdomain=None, name=name, host=host).match()[0] == endpoint


def test_a_host_of_somebody_else_matches_nothing() -> None:
    url_map = make_map(QuartRule("/", endpoint="root"))
    with pytest.warns(UserWarning, match="example.com"):
        adapter = bind(url_map, subdomain=None, name="example.com", host="other.org")
    with pytest.raises(NotFound):
        adapter.match()


def test_with_a_subdomain_given_the_host_does_not_matter() -> None:
    url_map = make_map(QuartRule("/", endpoint="root"))
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        adapter = bind(url_map, name="example.com", host="127.0.0.1:5000")
    assert adapter.match()[0] == "root"
    assert adapter.build("root", force_external=True) == "http://example.com/"


def test_host_matching() -> None:
    url_map = make_map(
        QuartRule("/", endpoint="one", host="one.org"),
        QuartRule("/", endpoint="two", host="<name>.two.org"),
        host_matching=True,
    )
    assert bind(url_map, subdomain=None, host="one.org").match() == ("one", {})
    assert bind(url_map, subdomain=None, host="x.two.org").match() == ("two", {"name": "x"})


@pytest.mark.parametrize(
    ("scheme", "built"), [("http", "ws://example.com/socket"), ("wss", "wss://example.com/socket")]
)
def test_urls_of_websockets_are_absolute(scheme: str, built: str) -> None:
    url_map = make_map(QuartRule("/socket", endpoint="socket", methods=["GET"], websocket=True))
    assert bind(url_map, scheme=scheme).build("socket") == built


def test_international_names_are_encoded() -> None:
    url_map = make_map(QuartRule("/", endpoint="index"))
    adapter = bind(url_map, name="bücher.example:8000")
    assert adapter.build("index", force_external=True) == "http://xn--bcher-kva.example:8000/"


def test_a_name_that_cannot_be_one_is_a_bad_request() -> None:
    with pytest.raises(HTTPException) as caught:
        bind(make_map(QuartRule("/", endpoint="index")), host="a" * 64 + ".org")
    assert caught.value.code == 400


def test_few_of_the_names_that_clients_invent_are_kept() -> None:
    async def main() -> None:
        app = Quart(__name__)
        app.add_url_rule("/", view_func=lambda: "")
        client = app.test_client()
        for host in (*(f"h{number}" for number in range(routing.MOST_HOSTS + 5)), "b." * 1_000):
            assert (await client.get("/", headers={"Host": host})).status_code == 200
            assert len(routing._good_hosts) <= routing.MOST_HOSTS
        assert not any(len(host) > 1_000 for host, *_ in routing._good_hosts)

    asyncio.run(main())


def test_rule_factories_keep_what_a_rule_is() -> None:
    rule = QuartRule(
        "/socket",
        endpoint="socket",
        methods=["GET"],
        websocket=True,
        provide_automatic_options=True,
    )
    (copy,) = make_map(Submount("/v1", [rule])).iter_rules()
    assert (copy.rule, copy.websocket, copy.methods) == ("/v1/socket", True, {"GET", "HEAD"})
    assert isinstance(copy, QuartRule)
    assert copy.provide_automatic_options is True


def rules_with_everything() -> Iterable[Rule]:
    yield QuartRule("/", endpoint="index")
    yield QuartRule("/a", endpoint="a", methods=["GET"])
    yield QuartRule("/a", endpoint="a-post", methods=["POST"])
    yield QuartRule("/a", endpoint="a-socket", methods=["GET"], websocket=True)
    yield QuartRule("/a/", endpoint="a-slash", methods=["PUT"])
    yield QuartRule("/b", endpoint="b", methods=["GET"])
    yield QuartRule("/b", endpoint="b-again", methods=["GET", "POST"])
    yield QuartRule("/c", endpoint="c", defaults={"page": 1})
    yield QuartRule("/c/<int:page>", endpoint="c")
    yield QuartRule("/d/", endpoint="d")
    yield QuartRule("/e//f", endpoint="ef", merge_slashes=False)
    yield QuartRule("/g", endpoint="g", redirect_to="/a")
    yield QuartRule("/h", endpoint="a", alias=True, methods=["GET"])
    yield QuartRule("/i", endpoint="i", build_only=True)
    yield QuartRule("/j/", endpoint="j", strict_slashes=False)
    yield QuartRule("/<name>", endpoint="name", methods=["GET", "DELETE"])
    yield QuartRule("/<path:rest>", endpoint="rest", methods=["PATCH"])
    yield QuartRule("/sub", endpoint="sub", subdomain="s")


PATHS = [
    "",
    "/",
    "//",
    "/a",
    "/a/",
    "//a",
    "/b",
    "/c",
    "/c/1",
    "/c/2",
    "/d",
    "/d/",
    "/e//f",
    "/e/f",
]
PATHS += ["/g", "/h", "/i", "/j", "/j/", "/k", "/k/l", "/sub", "a"]


def outcome(match: Any, **values: Any) -> Any:
    try:
        return match(**values)
    except RequestRedirect as redirect:
        return redirect.new_url
    except MethodNotAllowed as error:
        return sorted(error.valid_methods or ())
    except HTTPException as error:
        return type(error)


@pytest.mark.parametrize("subdomain", ["", "s"])
@pytest.mark.parametrize("scheme", ["http", "ws"])
def test_looking_up_finds_what_searching_finds(scheme: str, subdomain: str) -> None:
    url_map = make_map(*rules_with_everything())
    assert url_map._static_rules.keys() >= {("", "/a"), ("", "/d/"), ("s", "/sub")}
    for path in ("/b", "/g", "/h", "/i"):
        assert url_map._look_up("", path, "GET", scheme == "ws") is None
    for path, method in itertools.product(PATHS, ["GET", "POST", "PUT", "DELETE", "PATCH"]):
        adapter = bind(url_map, path, subdomain, scheme=scheme, method=method)
        searched = outcome(MapAdapter.match, self=adapter, return_rule=True)
        assert outcome(adapter.match, return_rule=True) == searched, (path, method)


@pytest.mark.parametrize("subdomain", ["", "s"])
@pytest.mark.parametrize("websocket", [False, True])
def test_what_is_found_without_an_adapter_is_what_an_adapter_finds(
    websocket: bool, subdomain: str
) -> None:
    url_map = make_map(*rules_with_everything())
    scheme, found_some = "ws" if websocket else "http", 0
    for path, method in itertools.product(PATHS, ["GET", "POST", "PUT", "DELETE", "PATCH"]):
        normal = "/" + path.lstrip("/")  # as a request's path is
        adapter = bind(url_map, normal, subdomain, scheme=scheme, method=method)
        if (found := url_map._search(subdomain, normal, method, websocket)) is not None:
            assert found == MapAdapter.match(adapter, return_rule=True), (path, method)
            found_some += 1
    assert found_some or websocket


def test_a_redirect_or_an_error_is_left_to_the_adapter() -> None:
    url_map = make_map(*rules_with_everything())
    for path in ("/d", "/g", "/h", "/c/1", "/e/f", "/nothing/of/this"):
        assert url_map._search("", path, "GET", websocket=False) is None, path


def test_a_converter_may_ask_for_the_current_application() -> None:
    class Known(BaseConverter):
        def to_python(self, value: str) -> str:
            return f"{current_app.name}:{value}"

    app = Quart("here")
    app.url_map.converters["known"] = Known

    @app.get("/<known:name>")
    async def show(name: str) -> str:
        return name

    async def ask() -> str:
        response = await app.test_client().get("/x")
        return await response.get_data(as_text=True)

    assert asyncio.run(ask()) == "here:x"


def _refuse(*args: object, **kwargs: object) -> NoReturn:
    raise NotFound


class _Refusing(QuartMap):
    bind_to_request = _refuse


def _of_the_map(app: Quart, patch: pytest.MonkeyPatch) -> None:
    patch.setattr(app.url_map, "bind_to_request", _refuse)


def _of_the_maps_class(app: Quart, patch: pytest.MonkeyPatch) -> None:
    patch.setattr(QuartMap, "bind_to_request", _refuse)


def _of_the_adapters_class(app: Quart, patch: pytest.MonkeyPatch) -> None:
    patch.setattr(routing.QuartMapAdapter, "match", _refuse)


def _of_werkzeugs_adapter(app: Quart, patch: pytest.MonkeyPatch) -> None:
    patch.setattr(MapAdapter, "match", _refuse)


def _how_werkzeugs_adapter_is_made(app: Quart, patch: pytest.MonkeyPatch) -> None:
    patch.setattr(MapAdapter, "__init__", _refuse)


def _the_class_itself(app: Quart, patch: pytest.MonkeyPatch) -> None:
    patch.setattr(app.url_map, "__class__", _Refusing)


@pytest.mark.parametrize(
    "replace",
    [
        _of_the_map,
        _of_the_maps_class,
        _of_the_adapters_class,
        _of_werkzeugs_adapter,
        _how_werkzeugs_adapter_is_made,
        _the_class_itself,
    ],
)
def test_what_is_replaced_after_a_request_matches_the_next_one(
    replace: Callable[[Quart, pytest.MonkeyPatch], None], monkeypatch: pytest.MonkeyPatch
) -> None:
    app = Quart(__name__)
    app.add_url_rule("/", "index", lambda: "index")

    async def status() -> int:
        return (await app.test_client().get("/")).status_code

    assert asyncio.run(status()) == 200
    with monkeypatch.context() as patch:
        replace(app, patch)
        assert asyncio.run(status()) == 404
    assert asyncio.run(status()) == 200
