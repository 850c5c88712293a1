"""The URLs of an application: building one, and binding the URL map to a request."""

from __future__ import annotations

from typing import Any, ClassVar, TYPE_CHECKING
from urllib.parse import quote

from werkzeug.routing import BuildError, MapAdapter

from .._flask import SetUpAtAnyTime
from .._stock import Watched
from ..globals import _cv_app
from ..routing import bind_to_request

if TYPE_CHECKING:
    from ..wrappers.base import BaseRequestWebsocket

# Characters that stay unquoted in a fragment: RFC 3986 section 3.5, and "#" and "%" as in Flask.
_ANCHOR_SAFE = "%!#$&'()*+,/:;=?@"


class UrlMethods(SetUpAtAnyTime, metaclass=Watched):
    """Methods that match URLs and build them."""

    #: Whether SERVER_NAME alone makes rules match subdomains. In Flask it needs another setting.
    _names_subdomains: ClassVar[bool] = True

    def url_for(
        self,
        /,
        endpoint: str,
        *,
        _anchor: str | None = None,
        _external: bool | None = None,
        _method: str | None = None,
        _scheme: str | None = None,
        **values: Any,
    ) -> str:
        """Build the URL of *endpoint*, as `flask.Flask.url_for` does.

        Raises:
            BuildError: if there is none for these values.
            RuntimeError: outside of a request, if SERVER_NAME is not set.
        """
        ctx = _cv_app.get(None)
        connected = None if ctx is None else ctx.connected
        if connected is not None:
            adapter = connected.url_adapter
            if endpoint.startswith("."):
                blueprint = connected.connection.blueprint  # type: ignore[union-attr]  # it has one
                endpoint = endpoint[1:] if blueprint is None else f"{blueprint}{endpoint}"
            external = _scheme is not None if _external is None else _external
        else:
            adapter = self.create_url_adapter(None) if ctx is None else ctx.url_adapter
            external = True if _external is None else _external
        if adapter is None:
            raise RuntimeError(
                "Expected a request, or SERVER_NAME in the configuration, to build a URL, got"
                " neither. Set SERVER_NAME (and APPLICATION_ROOT and PREFERRED_URL_SCHEME as"
                " needed)."
            )
        if _scheme is not None and not external:
            raise ValueError(f"Expected _external=True beside _scheme, got {external!r}.")
        self.inject_url_defaults(endpoint, values)
        try:
            url = adapter.build(
                endpoint, values, method=_method, url_scheme=_scheme, force_external=external
            )
        except BuildError as error:
            values.update(_anchor=_anchor, _method=_method, _scheme=_scheme, _external=external)
            return self.handle_url_build_error(error, endpoint, values)
        return url if _anchor is None else f"{url}#{quote(_anchor, safe=_ANCHOR_SAFE)}"

    def create_url_adapter(self, request: Any) -> MapAdapter | None:
        """Bind the URL map to *request* (or websocket), or without one to SERVER_NAME.

        Raises:
            SecurityError: if the host is not one of TRUSTED_HOSTS.
        """
        if request is not None:
            trusted = self._trusted_hosts(request)
            if trusted is not None:
                request.trusted_hosts = trusted
                # Reading it checks it.
                request.host  # noqa: B018
            server_name = self.config["SERVER_NAME"]
            subdomain = None
            if self.url_map.host_matching:
                server_name = None
            elif not (
                self.subdomain_matching or (server_name is not None and self._names_subdomains)
            ):
                subdomain = self.url_map.default_subdomain or ""
            return bind_to_request(self.url_map, request, subdomain, server_name)
        if self.config["SERVER_NAME"] is None:
            return None
        scheme = "https" if self.config["PREFER_SECURE_URLS"] else None
        return self.url_map.bind(
            self.config["SERVER_NAME"],
            script_name=self.config["APPLICATION_ROOT"],
            url_scheme=scheme or self.config["PREFERRED_URL_SCHEME"],
        )

    def _trusted_hosts(self, request: BaseRequestWebsocket) -> list[str] | None:
        """Return the hosts that *request* may name, or None if it may name any."""
        hosts: list[str] | None = self.config["TRUSTED_HOSTS"]
        return request.trusted_hosts if hosts is None else hosts

    def _host_by_default(self) -> str | None:
        """Return the host for a request over HTTP/1.0 that names none."""
        return self.config["SERVER_NAME"] or ""
