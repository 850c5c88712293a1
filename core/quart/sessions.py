"""Sessions: Flask's, opened and saved by coroutines.

The classes extend Flask's. A cookie is the same, to the byte, whichever of the two has signed it,
and each can read the other's. The usual case takes a short way (`_formats/signing.py`,
`_formats/cookies.py`).
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from datetime import datetime, UTC as UTC
from typing import Any, cast, ClassVar, NamedTuple, TYPE_CHECKING

from flask import sessions as flask_sessions
from flask.sessions import (
    NullSession as NullSession,
    SecureCookieSession as SecureCookieSession,
    session_json_serializer as session_json_serializer,
    SessionMixin as SessionMixin,
)
from itsdangerous import BadSignature, URLSafeTimedSerializer
from werkzeug.wrappers import Response as WerkzeugResponse

from ._formats.cookies import cookie_of, is_ordinary, set_cookie, vary_by_cookie
from ._formats.signing import Serializer, serializer_for, SIGNING
from ._stock import Stock
from .wrappers import BaseRequestWebsocket as BaseRequestWebsocket, Response as Response

if TYPE_CHECKING:
    from .app import Quart

    # For a type checker they do not derive from Flask's, whose methods are plain.
    class _Interface: ...

    class _CookieInterface: ...

else:
    _Interface = flask_sessions.SessionInterface
    _CookieInterface = flask_sessions.SecureCookieSessionInterface


class SessionInterface(_Interface):
    """How sessions are opened and saved; a subclass defines `open_session` and `save_session`.

    Each of the two may be a plain method as well.
    """

    if TYPE_CHECKING:
        null_session_class: type[NullSession]
        pickle_based: bool

        def get_cookie_name(self, app: Quart) -> str: ...
        def get_cookie_domain(self, app: Quart) -> str | None: ...
        def get_cookie_path(self, app: Quart) -> str: ...
        def get_cookie_httponly(self, app: Quart) -> bool: ...
        def get_cookie_secure(self, app: Quart) -> bool: ...
        def get_cookie_samesite(self, app: Quart) -> str | None: ...
        def get_cookie_partitioned(self, app: Quart) -> bool: ...
        def get_expiration_time(self, app: Quart, session: SessionMixin) -> datetime | None: ...
        def should_set_cookie(self, app: Quart, session: SessionMixin) -> bool: ...

    async def make_null_session(self, app: Quart) -> NullSession:
        """Return a session for apps that cannot open one: it raises when somebody writes to it."""
        return self.null_session_class()

    def is_null_session(self, instance: object) -> bool:
        """Whether *instance* is what `make_null_session` returns."""
        return isinstance(instance, self.null_session_class)

    async def open_session(self, app: Quart, request: BaseRequestWebsocket) -> SessionMixin | None:
        """Return the session of *request*, a new one, or None if the app cannot have one."""
        raise NotImplementedError(
            f"Expected {type(self).__name__} to define open_session, got none. Define it, as a"
            " plain or an async method."
        )

    async def save_session(
        self,
        app: Quart,
        session: SessionMixin,
        response: Response | WerkzeugResponse | None,
    ) -> None:
        """Save *session*, usually in *response*, which is None after a websocket."""
        raise NotImplementedError(
            f"Expected {type(self).__name__} to define save_session, got none. Define it, as a"
            " plain or an async method."
        )


def _sha1(string: bytes = b"", *, usedforsecurity: bool = True) -> object:
    # Looked up at the call, as a FIPS build of Python may have no `hashlib.sha1`.
    return hashlib.sha1(string, usedforsecurity=usedforsecurity)


_FlaskCookies = flask_sessions.SecureCookieSessionInterface
_FLASKS = "get_signing_serializer", "open_session", "save_session"
_OPENING = Stock(_FlaskCookies, *_FLASKS)
_SIGNING = Stock(
    _FlaskCookies, *_FLASKS, besides=[(flask_sessions, ["URLSafeTimedSerializer"]), *SIGNING]
)
_flasks_sha1: object = _FlaskCookies.digest_method


class PreparedCookies:
    """Mixed into an interface like Flask's, to prepare once what all sessions share.

    Overrides in a subclass take effect. For unusual cases it calls Flask's own methods.
    """

    if TYPE_CHECKING:
        digest_method: Any
        key_derivation: str
        salt: str
        serializer: Any
        session_class: type[SecureCookieSession]

        get_cookie_name: Callable[..., str]
        get_cookie_domain: Callable[..., str | None]
        get_cookie_path: Callable[..., str]
        get_cookie_httponly: Callable[..., bool]
        get_cookie_secure: Callable[..., bool]
        get_cookie_samesite: Callable[..., str | None]
        get_cookie_partitioned: Callable[..., bool]
        get_expiration_time: Callable[..., datetime | None]
        should_set_cookie: Callable[..., bool]

    def get_signing_serializer(self, app: Any) -> URLSafeTimedSerializer | None:
        """Return the serializer that signs the cookie; None if there is no secret key."""
        key = app.secret_key
        if not key:
            return None
        if not _SIGNING.of(_FlaskCookies):
            return _FlaskCookies.get_signing_serializer(cast(Any, self), app)
        # The last one signs; the others are accepted.
        keys = *(app.config["SECRET_KEY_FALLBACKS"] or ()), key
        # Use OpenSSL's own function, and no wrapper. Cost: "digest" in docs/performance.md.
        digest = self.digest_method
        digest = hashlib.sha1 if digest in (_sha1, _flasks_sha1) else digest
        return serializer_for(keys, self.salt, self.serializer, self.key_derivation, digest)

    def _open(self, app: Any, request: Any) -> SecureCookieSession | None:
        """Do the work of `open_session`, without a coroutine."""
        if not _OPENING.of(_FlaskCookies):
            return _FlaskCookies.open_session(cast(Any, self), app, request)
        serializer = self.get_signing_serializer(app)
        if serializer is None:
            return None
        signed = cookie_of(request, self.get_cookie_name(app))
        if signed:
            max_age = int(app.permanent_session_lifetime.total_seconds())
            # No `suppress`, as each session comes here.
            try:
                return self.session_class(serializer.loads(signed, max_age=max_age))
            except BadSignature:
                pass
        return self.session_class()

    def _save(self, app: Any, session: SessionMixin, response: Any) -> None:
        """Do the work of `save_session`, without a coroutine."""
        serializer: object = self.get_signing_serializer(app)
        # An empty session's cookie may have to be deleted. Another serializer's value may need
        # quotes.
        if not session or type(serializer) is not Serializer or not is_ordinary(response):
            _FlaskCookies.save_session(cast(Any, self), app, session, response)
            return
        is_set = self.should_set_cookie(app, session)
        if is_set or session.accessed:
            vary_by_cookie(response)
        if is_set:
            set_cookie(
                response,
                self.get_cookie_name(app),
                serializer.dumps(dict(session)),
                self.get_expiration_time(app, session),
                httponly=self.get_cookie_httponly(app),
                domain=self.get_cookie_domain(app),
                path=self.get_cookie_path(app),
                secure=self.get_cookie_secure(app),
                partitioned=self.get_cookie_partitioned(app),
                samesite=self.get_cookie_samesite(app),
            )


class SecureCookieSessionInterface(PreparedCookies, SessionInterface, _CookieInterface):
    """Keep the session in a cookie that is signed: clients can read it but not change it."""

    #: Opening such a session only reads a cookie, so it may wait until the session is used. This
    #: holds for this class, and not for classes derived from it.
    opens_lazily: ClassVar[Late]
    digest_method = staticmethod(_sha1)

    async def open_session(
        self, app: Quart, request: BaseRequestWebsocket
    ) -> SecureCookieSession | None:
        return self._open(app, request)

    async def save_session(
        self,
        app: Quart,
        session: SessionMixin,
        response: Response | WerkzeugResponse | None,
    ) -> None:
        self._save(app, session, response)

    def _save(self, app: object, session: SessionMixin, response: object) -> None:
        if response is not None:
            super()._save(app, session, response)
        elif session.modified:
            report_lost(app, "A websocket")


def report_lost(app: Any, who: str, *, accepted: bool = True) -> None:
    """Log that *who* changed the session when no cookie could be set any more."""
    reason = "nothing sent after `accept` can set the cookie"
    if not accepted:
        reason = "this server does not send the response of a websocket that is refused"
    app.logger.warning(
        "%s changed the session, and the change is lost: %s. Change the session in a request,"
        " before the page opens the websocket, or keep in a database what the websocket learns.",
        who,
        reason,
    )


class Late(NamedTuple):
    """What must be original for a class to open sessions as late as at their first use."""

    #: All methods that are concerned.
    all: Stock
    #: Those that a request calls whose session nobody uses. Each request asks for these.
    unused: Stock


def asked_for_late(cls: type) -> Late:
    """Return what to ask of an interface of *cls* before its session is opened late."""
    opening = "open_session", "save_session"
    every = Stock(
        cls,
        *("get_cookie_name", "get_signing_serializer", "is_null_session", *opening),
        *("session_class", "should_set_cookie"),
        besides=[(_FlaskCookies, ["get_signing_serializer", *opening])],
        lasts=True,
    )
    besides = [] if cls is _FlaskCookies else [(_FlaskCookies, opening)]
    return Late(every, Stock(cls, *opening, besides=besides, lasts=True))


SecureCookieSessionInterface.opens_lazily = asked_for_late(SecureCookieSessionInterface)
