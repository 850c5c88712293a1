"""Sessions: Flask's, opened and saved by coroutines.

The classes extend Flask's, so that what sets and reads the cookie is Flask's code, and a cookie
signed on one side can be read on the other.
"""

from __future__ import annotations

import hashlib
from datetime import datetime, UTC as UTC
from functools import cached_property, lru_cache
from typing import Any, cast, TYPE_CHECKING

from flask import sessions as flask_sessions
from flask.sessions import (
    NullSession as NullSession,
    SecureCookieSession as SecureCookieSession,
    session_json_serializer as session_json_serializer,
    SessionMixin as SessionMixin,
)
from itsdangerous import TimestampSigner, URLSafeTimedSerializer
from werkzeug.wrappers import Response as WerkzeugResponse

from .wrappers import BaseRequestWebsocket as BaseRequestWebsocket, Response as Response

if TYPE_CHECKING:
    from .app import Quart

    # To a type checker they are not Flask's, whose methods are not awaited.
    class _Interface: ...

    class _CookieInterface: ...

else:
    _Interface = flask_sessions.SessionInterface
    _CookieInterface = flask_sessions.SecureCookieSessionInterface


class SessionInterface(_Interface):
    """How sessions are opened and saved; a subclass defines `open_session` and `save_session`.

    Each of the two may be a plain function as well.
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
        """Return what stands for the session where none can be opened: it refuses writing."""
        return self.null_session_class()

    def is_null_session(self, instance: object) -> bool:
        """Whether *instance* is what `make_null_session` returns."""
        return isinstance(instance, self.null_session_class)

    async def open_session(self, app: Quart, request: BaseRequestWebsocket) -> SessionMixin | None:
        """Return the session of *request*, a new one, or None if the app cannot have one."""
        raise NotImplementedError(
            f"{type(self).__name__} does not say how a session is opened; define open_session."
        )

    async def save_session(
        self,
        app: Quart,
        session: SessionMixin,
        response: Response | WerkzeugResponse | None,
    ) -> None:
        """Keep *session*, with the help of *response*, which is None after a websocket."""
        raise NotImplementedError(
            f"{type(self).__name__} does not say how a session is saved; define save_session."
        )


def _sha1(string: bytes = b"", *, usedforsecurity: bool = True) -> Any:
    # Looked up late: a FIPS build of Python may have no `hashlib.sha1`.
    return hashlib.sha1(string, usedforsecurity=usedforsecurity)


class _Serializer(URLSafeTimedSerializer):
    """A serializer that keeps its signer, and the signer its keys.

    To derive a key takes as long as to sign with it.
    """

    @cached_property
    def _signer(self) -> Any:
        return super().make_signer()

    def make_signer(self, salt: str | bytes | None = None) -> Any:
        return self._signer if salt in (None, self.salt) else super().make_signer(salt)


class _Signer(TimestampSigner):
    @cached_property
    def _derived(self) -> dict[Any, bytes]:
        return {}

    def derive_key(self, secret_key: str | bytes | None = None) -> bytes:
        key = self._derived.get(secret_key)
        if key is None:
            key = self._derived[secret_key] = super().derive_key(secret_key)
        return key


_flasks_sha1: Any = flask_sessions.SecureCookieSessionInterface.digest_method


@lru_cache(maxsize=16)
def _serializer_for(
    keys: Any, salt: str, serializer: Any, key_derivation: str, digest: Any
) -> _Serializer:
    # `hmac` is several times as fast with the function of OpenSSL as with one around it.
    digest = hashlib.sha1 if digest in (_sha1, _flasks_sha1) else digest
    return _Serializer(
        list(keys),
        salt=salt,
        serializer=serializer,
        signer=_Signer,
        signer_kwargs={"key_derivation": key_derivation, "digest_method": digest},
    )


class KeptKeys:
    """What a cookie interface of Flask's, behind this class, signs with: made once for its keys."""

    if TYPE_CHECKING:
        digest_method: Any
        key_derivation: str
        salt: str
        serializer: Any

    def get_signing_serializer(self, app: Any) -> URLSafeTimedSerializer | None:
        """Return what signs the cookie, None if the application has no secret key."""
        if not app.secret_key:
            return None
        # The last one signs; the others are accepted.
        keys = *(app.config["SECRET_KEY_FALLBACKS"] or ()), app.secret_key
        return _serializer_for(
            keys, self.salt, self.serializer, self.key_derivation, self.digest_method
        )


class SecureCookieSessionInterface(KeptKeys, SessionInterface, _CookieInterface):
    """Keep the session in a cookie that is signed: clients can read it but not change it."""

    #: Opening a session reads a cookie and does nothing else, so it may wait until somebody asks.
    #: This holds for the class that says so, and not for those derived from it.
    opens_lazily = True
    digest_method = staticmethod(_sha1)

    if TYPE_CHECKING:
        session_class: type[SecureCookieSession]

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

    def _open(self, app: Quart, request: BaseRequestWebsocket) -> SecureCookieSession | None:
        """What `open_session` does; it need not be awaited."""
        return flask_sessions.SecureCookieSessionInterface.open_session(
            cast(Any, self), cast(Any, app), cast(Any, request)
        )

    def _save(
        self, app: Quart, session: SessionMixin, response: Response | WerkzeugResponse | None
    ) -> None:
        """What `save_session` does; it need not be awaited."""
        if response is not None:
            flask_sessions.SecureCookieSessionInterface.save_session(
                cast(Any, self), cast(Any, app), session, cast(Any, response)
            )
        elif session.modified:
            app.logger.error(
                "The session was changed while a websocket was open. The change is lost: an open"
                " websocket has no response that could set the cookie."
            )
