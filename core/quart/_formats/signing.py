"""Sign and read cookies as itsdangerous does, keeping what stays the same between requests.

Only the usual is done here: writing a session, and reading one that was signed with the newest key
and is not too old. itsdangerous' own code does everything else: another key, another spelling of
the same signature, an expired or forged cookie. So exactly the cookies that itsdangerous accepts
are accepted.
"""

from __future__ import annotations

import hmac
import zlib
from binascii import a2b_base64, b2a_base64
from functools import cached_property, lru_cache
from typing import Any

from flask.json import tag as tags
from itsdangerous import TimestampSigner, URLSafeTimedSerializer
from itsdangerous.encoding import int_to_bytes, want_bytes

from .._flask import json_provider
from .._stock import Besides, Stock
from . import json_text

_TO_URL = bytes.maketrans(b"+/", b"-_")
_FROM_URL = bytes.maketrans(b"-_", b"+/")


def _encode(data: bytes) -> bytes:
    """Return *data* in base64 for URLs, without padding, in four calls less than itsdangerous."""
    return b2a_base64(data, newline=False).rstrip(b"=").translate(_TO_URL)


def _decode(data: bytes) -> bytes:
    return a2b_base64(data.translate(_FROM_URL) + b"=" * (-len(data) % 4))


# Cached, as many requests come in one second.
@lru_cache(maxsize=4)
def _stamp(timestamp: int) -> bytes:
    return _encode(int_to_bytes(timestamp))


class _Signer(TimestampSigner):
    """A signer that keeps its keys. Cost: "key" in docs/performance.md."""

    @cached_property
    def _derived(self) -> dict[object, bytes]:
        return {}

    @cached_property
    def _mac(self) -> hmac.HMAC:
        """A hash that has digested the newest key; each signature continues from a copy."""
        return hmac.new(self.derive_key(), digestmod=self.digest_method)

    def derive_key(self, secret_key: str | bytes | None = None) -> bytes:
        key = self._derived.get(secret_key)
        if key is None:
            key = self._derived[secret_key] = super().derive_key(secret_key)
        return key

    def get_signature(self, value: str | bytes) -> bytes:
        return self._signature_of(want_bytes(value))

    def _signature_of(self, value: bytes) -> bytes:
        mac = self._mac.copy()
        mac.update(value)
        return _encode(mac.digest())

    def sign(self, value: str | bytes) -> bytes:
        stamped = b"%b.%b" % (want_bytes(value), _stamp(self.get_timestamp()))
        return b"%b.%b" % (stamped, self._signature_of(stamped))

    def newest(self, signed: bytes, max_age: int) -> bytes | None:
        """Return what was signed, if it was signed with the newest key and is not too old.

        None means that only `unsign` can tell.
        """
        value, _, signature = signed.rpartition(b".")
        if not hmac.compare_digest(signature, self._signature_of(value)):
            return None
        payload, separator, stamp = value.rpartition(b".")
        try:
            age = self.get_timestamp() - int.from_bytes(_decode(stamp), "big")
        except ValueError:
            return None
        return payload if separator and 0 <= age <= max_age else None


# The methods whose work is done here in a short way, unless somebody has replaced one.
SIGNING: Besides = [
    (
        URLSafeTimedSerializer,
        ["dumps", "loads", "make_signer", "dump_payload", "load_payload"],
    ),
    (TimestampSigner, ["derive_key", "get_signature", "sign", "unsign", "get_timestamp"]),
]
_TAGGING = Stock(tags.TaggedJSONSerializer, "dumps", "loads", "tag")
_DEFAULT_TAGS = [
    tags.TagDict,
    tags.PassDict,
    tags.TagTuple,
    tags.PassList,
    tags.TagBytes,
    tags.TagMarkup,
    tags.TagUUID,
    tags.TagDateTime,
]
_SCALARS = frozenset({str, int, float, bool, type(None)})
# Compression saves at most a byte up to this length: zlib makes eleven bytes of twelve equal ones.
_TINY = 12
# Texts up to this length can be compressed with a small window. Cookies are shorter.
_SHORT = 4096


class Serializer(URLSafeTimedSerializer):
    """A serializer that keeps its signer, and skips tags where a session needs none."""

    serializer: Any

    @cached_property
    def _signer(self) -> _Signer:
        return super().make_signer()  # type: ignore[return-value]  # the class it was made with

    def make_signer(self, salt: str | bytes | None = None) -> Any:
        return self._signer if salt in (None, self.salt) else super().make_signer(salt)

    @cached_property
    def _stock_order(self) -> list[object] | None:
        if type(self.serializer) is not tags.TaggedJSONSerializer:
            return None
        order = self.serializer.order
        return list(order) if [type(tag) for tag in order] == _DEFAULT_TAGS else None

    def _has_stock_tags(self) -> bool:
        # A tag may be registered at any time. Comparing lists of the same objects is quick.
        stock = self._stock_order
        return (
            stock is not None
            and stock == self.serializer.order
            and _TAGGING.of(type(self.serializer))
        )

    def loads(  # type: ignore[override]  # as in TimedSerializer
        self,
        s: str | bytes,
        max_age: int | None = None,
        return_timestamp: bool = False,
        salt: str | bytes | None = None,
    ) -> object:
        if salt is None and max_age is not None and not return_timestamp:
            signed = s.encode() if type(s) is str else want_bytes(s)
            payload = self._signer.newest(signed, max_age)
            if payload is not None:
                return self.load_payload(payload)
        return super().loads(s, max_age, return_timestamp, salt)

    def load_payload(self, payload: bytes, *args: object, **kwargs: object) -> object:
        if not (args or kwargs or payload.startswith(b".")):
            try:
                text = _decode(payload).decode()
                # A tag is an object's key that begins with a space. Searching the text for one
                # takes no time; walking through all objects takes as long as parsing them.
                if '" ' not in text and self._has_stock_tags():
                    provider = json_provider()
                    return json_text.loads(text) if provider is None else provider.loads(text)
            except Exception:  # itsdangerous raises the right error.
                pass
        return super().load_payload(payload, *args, **kwargs)

    def dumps(self, obj: object, salt: str | bytes | None = None) -> str:
        if salt is not None or not self.is_text_serializer:
            return super().dumps(obj, salt)
        return self._signer.sign(self.dump_payload(obj)).decode()

    def dump_payload(self, obj: object) -> bytes:
        data = self._json(obj)
        if len(data) > _TINY:
            compressed = _compress(data)
            # Decide as itsdangerous does, so that the cookie is the same whoever writes it.
            if len(compressed) < len(data) - 1:
                return b"." + _encode(compressed)
        return _encode(data)

    def _json(self, obj: object) -> bytes:
        if type(obj) is dict and self._has_stock_tags() and self._needs_no_tag(obj):
            provider = json_provider()
            if provider is None:
                return json_text.dumps_compact(obj).encode()
            return want_bytes(provider.dumps(obj, separators=(",", ":")))
        return want_bytes(self.serializer.dumps(obj, **self.serializer_kwargs))

    def _needs_no_tag(self, session: dict[str, object]) -> bool:
        # The second case: a dict whose only key is a tag would be read as a tagged value.
        return (
            _SCALARS.issuperset(map(type, session.values()))
            and next(iter(session), None) not in self.serializer.tags
        )


def _compress(data: bytes) -> bytes:
    """Return what `zlib.compress` returns. Cost: "compression" in docs/performance.md.

    zlib asks for 256 KiB of memory for each call. A window that holds all of a short text gives the
    same result, except for the two bytes in front, which state the window's size.
    """
    if len(data) > _SHORT:
        return zlib.compress(data)
    compressor = zlib.compressobj(wbits=13, memLevel=6)
    return b"x\x9c" + (compressor.compress(data) + compressor.flush())[2:]


@lru_cache(maxsize=16)
def serializer_for(
    keys: Any, salt: str, serializer: object, key_derivation: str, digest: object
) -> Serializer:
    return Serializer(
        list(keys),
        salt=salt,
        serializer=serializer,
        signer=_Signer,
        signer_kwargs={"key_derivation": key_derivation, "digest_method": digest},
    )
