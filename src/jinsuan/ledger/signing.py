"""Who signs the heads of sealed blocks: a small interface; Ed25519 and SM2 behind it. Pure.

Which of them a key is for is read from the key itself.
"""

from __future__ import annotations

from collections.abc import Mapping
from hashlib import sha256
from typing import Protocol

from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey

from jinsuan.ledger import sm2
from jinsuan.ledger.chain import SIGNED_AS

ED25519 = "ed25519"
SM2 = "sm2"


class Signer(Protocol):
    """Signs heads. Another algorithm, or a key in a device, comes in here."""

    @property
    def key_id(self) -> str: ...

    @property
    def public_pem(self) -> bytes: ...

    def sign(self, head: bytes) -> bytes: ...


class Checker(Protocol):
    """Tells whether a signature under a head is good."""

    @property
    def key_id(self) -> str: ...

    def good(self, head: bytes, signature: bytes) -> bool: ...


class Ed25519Signer:
    """Signs with a private key kept as PEM (PKCS #8)."""

    def __init__(self, pem: bytes) -> None:
        """Raises ValueError when the text is no Ed25519 private key."""
        key = serialization.load_pem_private_key(pem, password=None)
        if not isinstance(key, Ed25519PrivateKey):
            raise ValueError("not an Ed25519 key")
        self._key = key

    @property
    def key_id(self) -> str:
        return _key_id(self._key.public_key())

    @property
    def public_pem(self) -> bytes:
        """What an auditor gets."""
        return self._key.public_key().public_bytes(
            serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo
        )

    def sign(self, head: bytes) -> bytes:
        return self._key.sign(SIGNED_AS + head)


class Ed25519Checker:
    """Checks with a public key kept as PEM."""

    def __init__(self, pem: bytes) -> None:
        """Raises ValueError when the text is no Ed25519 public key."""
        key = serialization.load_pem_public_key(pem)
        if not isinstance(key, Ed25519PublicKey):
            raise ValueError("not an Ed25519 key")
        self._key = key

    @property
    def key_id(self) -> str:
        return _key_id(self._key)

    def good(self, head: bytes, signature: bytes) -> bool:
        try:
            self._key.verify(signature, SIGNED_AS + head)
        except InvalidSignature:
            return False
        return True


Checkers = Mapping[str, Checker]
"""The keys an auditor trusts, by their ids."""


class Sm2Signer:
    """Signs with an SM2 private key kept as PEM (PKCS #8)."""

    def __init__(self, pem: bytes) -> None:
        """Raises ValueError when the text is no SM2 private key, Sm2Missing without the library."""
        self._key = sm2.PrivateKey.from_pem(pem)

    @property
    def key_id(self) -> str:
        return self._key.public.key_id

    @property
    def public_pem(self) -> bytes:
        """What an auditor gets."""
        return self._key.public.pem

    def sign(self, head: bytes) -> bytes:
        return self._key.sign(SIGNED_AS + head)


class Sm2Checker:
    """Checks with an SM2 public key kept as PEM."""

    def __init__(self, pem: bytes) -> None:
        """Raises ValueError when the text is no SM2 public key, Sm2Missing without the library."""
        self._key = sm2.PublicKey.from_pem(pem)

    @property
    def key_id(self) -> str:
        return self._key.key_id

    def good(self, head: bytes, signature: bytes) -> bool:
        return self._key.good(SIGNED_AS + head, signature)


def signer_of(pem: bytes) -> Signer:
    """Who signs with this private key.

    Raises:
        ValueError, TypeError: it is neither an Ed25519 nor an SM2 private key, or it has a password.
        Sm2Missing: it is SM2, and the library for that is not installed.
    """
    try:
        return Sm2Signer(pem) if sm2.is_sm2(pem) else Ed25519Signer(pem)
    except UnsupportedAlgorithm as error:
        raise ValueError("a key of another kind") from error


def checker_of(pem: bytes) -> Checker:
    """Who checks with this public key. Raises as `signer_of` does."""
    try:
        return Sm2Checker(pem) if sm2.is_sm2(pem) else Ed25519Checker(pem)
    except UnsupportedAlgorithm as error:
        raise ValueError("a key of another kind") from error


def new_private_pem(algorithm: str = ED25519) -> bytes:
    """A new private key as PEM.

    Raises:
        Sm2Missing.
    """
    if algorithm == SM2:
        return sm2.new_private_pem()
    assert algorithm == ED25519, algorithm
    return Ed25519PrivateKey.generate().private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.PKCS8,
        serialization.NoEncryption(),
    )


def _key_id(key: Ed25519PublicKey) -> str:
    raw = key.public_bytes(serialization.Encoding.Raw, serialization.PublicFormat.Raw)
    return sha256(raw).hexdigest()[:16]
