"""What the sdist of Flask-pyoidc leaves out: signing an ID token with a key made for it."""

from typing import Any

from Cryptodome.PublicKey import RSA
from jwkest.jwk import RSAKey
from jwkest.jws import JWS

# Once: some tokens are valid for a second.
_KEY = RSAKey(kid="made for the tests", key=RSA.generate(2048), alg="RS256", use="sig")


def signed_id_token(claims: dict[str, Any]) -> tuple[str, RSAKey]:
    return JWS(claims, alg="RS256").sign_compact([_KEY]), _KEY
