"""Who signs the heads of sealed blocks: a small interface, and Ed25519 behind it. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from hashlib import sha256
from typing import Protocol

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey

from jinsuan.ledger.chain import SIGNED_AS


class Signer(Protocol):
    """Signs heads. Another algorithm, such as SM2 or a key in a device, comes in here."""

    @property
    def key_id(self) -> str: ...

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


def new_private_pem() -> bytes:
    """A new private key as PEM."""
    return Ed25519PrivateKey.generate().private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.PKCS8,
        serialization.NoEncryption(),
    )


def _key_id(key: Ed25519PublicKey) -> str:
    raw = key.public_bytes(serialization.Encoding.Raw, serialization.PublicFormat.Raw)
    return sha256(raw).hexdigest()[:16]
