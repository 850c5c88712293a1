"""The URL map: Werkzeug's, bound to a connection without a WSGI environment."""

from __future__ import annotations

import re
import sys
import warnings
from collections.abc import Callable, Iterable, Mapping
from typing import Any, cast, TYPE_CHECKING

import werkzeug.routing.map as werkzeug_map
from werkzeug.datastructures import ImmutableDict
from werkzeug.exceptions import BadHost
from werkzeug.routing import IntegerConverter, Map, MapAdapter, Rule, RuleFactory, ValidationError
from werkzeug.routing.exceptions import NoMatch, RequestAliasRedirect, RequestPath
from werkzeug.sansio.utils import get_host

from ._formats.caching import Few, kept
from ._formats.headers import Undecoded
from ._kind import REQUEST
from ._stock import count_change, Stock, watch, Watched
from .wrappers.base import BaseRequestWebsocket as BaseRequestWebsocket

if TYPE_CHECKING:
    from .app import Quart

#: (domain, path) -> the rules that match exactly this, for one method or another.
StaticRules = dict[tuple[str, str], list[Rule]]


class QuartRule(Rule):
    """A URL rule; with *websocket* it matches websockets and nothing else."""

    def __init__(
        self,
        string: str,
        defaults: Mapping[str, object] | None = None,
        subdomain: str | None = None,
        methods: Iterable[str] | None = None,
        endpoint: Any | None = None,
        strict_slashes: bool | None = None,
        merge_slashes: bool | None = None,
        host: str | None = None,
        websocket: bool = False,
        provide_automatic_options: bool = False,
        *,
        build_only: bool = False,
        redirect_to: str | Callable[..., str] | None = None,
        alias: bool = False,
    ) -> None:
        super().__init__(
            string,
            defaults=defaults,
            subdomain=subdomain,
            methods=methods,
            build_only=build_only,
            endpoint=endpoint,
            strict_slashes=strict_slashes,
            merge_slashes=merge_slashes,
            redirect_to=redirect_to,
            alias=alias,
            host=host,
            websocket=websocket,
        )
        self.provide_automatic_options = provide_automatic_options

    def get_empty_kwargs(self) -> dict[str, Any]:
        # Werkzeug's `empty` drops these two; without them a rule in a `Submount` matches requests.
        return {
            **super().get_empty_kwargs(),
            "merge_slashes": self.merge_slashes,
            "websocket": self.websocket,
            "provide_automatic_options": self.provide_automatic_options,
        }


_WERKZEUGS_MATCHING = Stock(MapAdapter, "match", "get_default_redirect")


class QuartMapAdapter(MapAdapter, metaclass=Watched):
    """A URL map bound to one connection."""

    map: QuartMap

    def match(
        self,
        path_info: str | None = None,
        method: str | None = None,
        return_rule: bool = False,
        query_args: Mapping[str, object] | str | None = None,
        websocket: bool | None = None,
    ) -> tuple[Any, Mapping[str, Any]]:
        """Return the endpoint (or, with *return_rule*, the rule) and the values in the path.

        Raises:
            RequestRedirect: if another URL is meant.
            NotFound: if no rule matches.
            MethodNotAllowed: if one would match another method.
        """
        if _WERKZEUGS_MATCHING.of(MapAdapter):
            rule = self._match_static(
                self.path_info if path_info is None else path_info,
                (method or self.default_method).upper(),
                self.websocket if websocket is None else websocket,
            )
            if rule is not None:
                return rule if return_rule else rule.endpoint, {}
        return super().match(path_info, method, return_rule, query_args, websocket)  # type: ignore[call-overload, no-any-return]  # it has no overload for a plain bool

    def _match_static(self, path: str, method: str, websocket: bool) -> Rule | None:
        domain = self.subdomain
        if domain is None or self.map.host_matching:
            domain = self.server_name
        return self.map._look_up(domain, path, method, websocket)


class _IntegerConverter(IntegerConverter):
    """Werkzeug's converter, safe against more digits than Python reads."""

    def to_python(self, value: str) -> int:
        most = sys.get_int_max_str_digits()
        if 0 < most < len(value):
            raise ValidationError(f"Expected at most {most} digits, got {len(value)}.")
        return cast(int, super().to_python(value))


class QuartMap(Map, metaclass=Watched):
    """All URL rules of an application."""

    default_converters = ImmutableDict({**Map.default_converters, "int": _IntegerConverter})

    _static: StaticRules | None = None

    def __setattr__(self, name: str, value: object) -> None:
        super().__setattr__(name, value)
        if name in _COUNTED:
            count_change()

    def __delattr__(self, name: str) -> None:
        super().__delattr__(name)
        if name in _COUNTED:
            count_change()

    def add(self, rulefactory: RuleFactory) -> None:
        super().add(rulefactory)
        self._static = None

    @property
    def _static_rules(self) -> StaticRules:
        """The rules without variable parts, which are looked up in a dict.

        Werkzeug's matcher prefers a static part to a variable one at every step, so a rule that is
        equal to the whole path is the one it would find. What may end otherwise (redirects,
        aliases, merged slashes, two rules for one path and method) is left to it.
        """
        static = self._static
        if static is None:
            static = self._static = _find_static_rules(self)
        return static

    def _look_up(self, domain: str, path: str, method: str, websocket: bool) -> Rule | None:
        """Return the static rule that matches, or None if there is none or Werkzeug must tell."""
        found = None
        # Ask the rules each time, as Werkzeug does: their attributes may be changed at any time.
        for rule in (self._static or self._static_rules).get((domain, path), ()):
            if rule.websocket is websocket and (rule.methods is None or method in rule.methods):
                if found is not None:
                    return None
                found = rule
        if found is None or found.redirect_to is not None or found.alias or found.defaults:
            return None
        return found

    def _search(
        self, domain: str, path: str, method: str, websocket: bool
    ) -> tuple[Rule, dict[str, Any]] | None:
        """Return the rule that Werkzeug's matcher finds; None for a redirect or an error.

        An adapter makes these, as they depend on the host.
        """
        self.update()
        try:
            rule, values = self._matcher.match(domain, path, method, websocket)
        except (NoMatch, RequestAliasRedirect, RequestPath):
            return None
        if rule.redirect_to is not None or len(self._rules_by_endpoint[rule.endpoint]) > 1:
            return None  # Rules of one endpoint may redirect to each other.
        return rule, cast("dict[str, Any]", values)

    def bind_to_request(
        self,
        request: BaseRequestWebsocket,
        subdomain: str | None,
        server_name: str | None,
    ) -> MapAdapter:
        """Bind to the host, path and method of *request*.

        *server_name* stands for the host in URLs that are built. Without a *subdomain* it is what
        the request's host has in front of *server_name*; a host that does not end with it matches
        nothing.
        """
        name, subdomain, query = _bound_to(self, request, subdomain, server_name)
        adapter = _adapter_class()(
            self,
            _to_ascii(name),
            request.root_path,
            subdomain,
            request.scheme,
            request.path,
            request.method,
            query,
        )
        # Werkzeug looks at the scheme, which a proxy may have changed.
        adapter.websocket = request.is_websocket
        return adapter


def bind_to_request(
    url_map: Map, request: BaseRequestWebsocket, subdomain: str | None, server_name: str | None
) -> MapAdapter:
    """Do `QuartMap.bind_to_request` for *url_map*, which may be Werkzeug's."""
    if isinstance(url_map, QuartMap):
        return url_map.bind_to_request(request, subdomain, server_name)
    name, subdomain, query = _bound_to(url_map, request, subdomain, server_name)
    root, scheme, path = request.root_path, request.scheme, request.path
    adapter = url_map.bind(name, root, subdomain, scheme, request.method, path, query)
    adapter.websocket = request.is_websocket
    return adapter


def _bound_to(
    url_map: Map, request: BaseRequestWebsocket, subdomain: str | None, server_name: str | None
) -> tuple[str, str | None, str]:
    """Return the server's name, the subdomain and the query for binding."""
    host = request.host
    name = host if server_name is None else _without_port(request.scheme, server_name)
    if url_map.host_matching:
        subdomain = None
    elif subdomain is None:
        subdomain = _subdomain(host, name, request.warns_as)
    query = request.query_string
    return name, subdomain, query.decode("utf-8", "replace") if query else ""


def _adapter_class() -> type[MapAdapter]:
    """Return the class of adapters: ours, or what somebody has put in the place of Werkzeug's.

    That is under its name here for Quart, and in the module of `Map` for Flask.
    """
    if not _NAME_HERE.of(_HERE):
        return MapAdapter
    return QuartMapAdapter if _NAME_THERE.of(werkzeug_map) else werkzeug_map.MapAdapter


def can_do_without_adapter(app: Quart, connection: BaseRequestWebsocket) -> bool:
    """Whether *connection* can be matched without an adapter, which then only URL building needs.

    Cost: "adapter" in docs/performance.md.

    Raises:
        BadHost: if the host cannot be one.
    """
    url_map, server_name = app.url_map, app.config["SERVER_NAME"]
    if (
        app._plans.stages(app, REQUEST).plain_map is not url_map
        or url_map.host_matching
        or (server_name is not None and app._names_subdomains)
        or app._trusted_hosts(connection) is not None
        or not _BOUND_TO.of(type(connection))
    ):
        return False
    headers = connection.headers
    if type(headers) is Undecoded:
        host: bytes | str | None = headers.first.get(b"host")
    else:
        host = headers.get("host")
    if host is None:
        return False
    # Check the host as `bind_to_request` does, which comes later and must not fail then.
    if (key := (host, connection.scheme, server_name)) not in _good_hosts:
        text = host if isinstance(host, str) else host.decode("latin-1")
        _to_ascii(server_name or get_host(connection.scheme, text))
        _good_hosts.keep(key, host)
    return True


def match_without_adapter(
    app: Quart, connection: BaseRequestWebsocket
) -> tuple[Rule, dict[str, Any]] | None:
    """Return the matching rule and the values in the path; None if only an adapter can tell."""
    url_map: QuartMap = app.url_map  # type: ignore[assignment]  # as its class says
    domain, path, method = url_map.default_subdomain or "", connection.path, connection.method
    rule = url_map._look_up(domain, path, method, connection.is_websocket)
    if rule is None:
        return url_map._search(domain, path, method, connection.is_websocket)
    return rule, {}


def plain_map_of(app: Quart) -> QuartMap | None:
    """Return the URL map of *app*, if *app* allows matching without an adapter."""
    url_map = app.url_map
    if (
        type(url_map) is QuartMap
        and not app.subdomain_matching
        and app._url_adapters.within(app)
        and app._makes_requests_late
        and _adapter_class() is QuartMapAdapter
        and _MATCHING.within(url_map)
    ):
        return url_map
    return None


#: Hosts that can be one, with the scheme and the server's name. Clients send few different ones.
#: Cost: "host" in docs/performance.md.
MOST_HOSTS = 256
_good_hosts: Few[tuple[bytes | str, str, str | None]] = Few(MOST_HOSTS)


#: The methods whose work `match_without_adapter` does: of classes that count their changes, and of
#: a map. Those of Werkzeug's classes are asked about each time.
_MATCHING = Stock(
    QuartMap,
    # These are also checked on the object.
    *("bind_to_request", "bind_to_environ"),
    besides=[(QuartMapAdapter, ("__init__", "match"))],
)
_COUNTED = _MATCHING.names | {"__class__"}
_BOUND_TO = Stock(
    BaseRequestWebsocket,
    "host",
    besides=[
        (Map, ("bind", "bind_to_environ")),
        (MapAdapter, ("__init__", "match", "get_default_redirect")),
    ],
)
BINDING = Stock(Map, "bind", "bind_to_environ", besides=[(werkzeug_map, ["MapAdapter"])])

# The names under which the class of adapters is looked up.
_HERE = sys.modules[__name__]
_NAME_HERE, _NAME_THERE = Stock(_HERE, "MapAdapter"), Stock(werkzeug_map, "MapAdapter")
watch(_HERE)
watch(werkzeug_map)


def _find_static_rules(url_map: QuartMap) -> StaticRules:
    found: dict[tuple[str, str], list[Rule]] = {}
    for rule in url_map.iter_rules():
        if not rule.build_only:
            domain = (rule.host if url_map.host_matching else rule.subdomain) or ""
            path = _MANY_SLASHES.sub("/", rule.rule) if rule.merge_slashes else rule.rule
            found.setdefault((domain, path), []).append(rule)
    return {
        key: rules
        for key, rules in found.items()
        if "<" not in "".join(key) and all(map(_is_ordinary, rules))
    }


_MANY_SLASHES = re.compile("/{2,}")


def _is_ordinary(rule: Rule) -> bool:
    """Whether *rule* matches one path, and no other rule of its endpoint takes its place."""
    return not (rule.arguments or "//" in rule.rule)


def _without_port(scheme: str, name: str) -> str:
    """Strip the scheme's usual port, as `request.host` does."""
    return name.lower().removesuffix(":80" if scheme in {"http", "ws"} else ":443")


_warned: dict[Any, Any] = {}


def _subdomain(host: str, name: str, module: str) -> str:
    if host == name:
        return ""
    found, wanted = host.lower().split("."), name.lower().split(".")
    if found[-len(wanted) :] != wanted:
        # The warning begins as Werkzeug's, since programs ignore that by text and module. It leaves
        # out the host, as Python remembers each text, and clients can send any number of hosts.
        warnings.warn_explicit(
            f"Current server name {name!r} is not that of a request, so no rule matches.",
            *(UserWarning, __file__, _subdomain.__code__.co_firstlineno, module, _warned),
        )
        return "<invalid>"
    return ".".join(filter(None, found[: -len(wanted)]))


# Clients send few different names. Cost: "host" in docs/performance.md.
@kept(256)
def _to_ascii(name: str) -> str:
    host, separator, port = name.lower().partition(":")
    try:
        return f"{host.encode('idna').decode('ascii')}{separator}{port}"
    except UnicodeError:
        raise BadHost() from None
