"""Personal data at rest: sealed with AES-256-GCM under keys that are never in the database. Pure.

A sealed value is `version, length of the key's id, the id, nonce, ciphertext`. The place where it
stands (table, field, row) is bound to it, so a ciphertext copied to another row does not open.
"""

from __future__ import annotations

import base64
import binascii
import hmac
import re
import secrets
from dataclasses import dataclass
from hashlib import sha256
from uuid import UUID

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from jinsuan.registry.errors import (
    DataKeyInvalid,
    DataKeyMissing,
    DataKeyUnknown,
    PersonalDataDamaged,
)

VERSION = 1
SECRET_BYTES = 32
NONCE_BYTES = 12
KEY_ID = re.compile(r"[a-z0-9][a-z0-9-]{0,23}")


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """Where a sealed value stands: `person.phone` of one row."""

    field: str
    row: UUID

    def bound(self) -> bytes:
        """What goes into the seal, so that it opens here only."""
        return f"jinsuan|{self.field}|{self.row}".encode()


@dataclass(frozen=True, slots=True)
class DataKey:
    """One key with its public name. Its secret never appears in a traceback or a log."""

    id: str
    secret: bytes

    def __repr__(self) -> str:
        return f"DataKey({self.id})"

    def part(self, use: str) -> bytes:
        """A key for one use alone: the index must say nothing of the cipher's key."""
        return hmac.digest(self.secret, f"jinsuan.{use}".encode(), "sha256")


@dataclass(frozen=True, slots=True)
class Keyring:
    """The keys in use: the first one seals, all of them open (so keys can be changed)."""

    keys: tuple[DataKey, ...] = ()

    @property
    def first(self) -> DataKey:
        """The key that seals.

        Raises:
            DataKeyMissing: there is none.
        """
        if not self.keys:
            raise DataKeyMissing
        return self.keys[0]

    def seal(self, text: str, place: Place) -> bytes:
        """Encrypt a value for one place."""
        key, nonce = self.first, secrets.token_bytes(NONCE_BYTES)
        sealed = AESGCM(key.part("seal")).encrypt(nonce, text.encode(), place.bound())
        name = key.id.encode()
        return bytes([VERSION, len(name)]) + name + nonce + sealed

    def open(self, sealed: bytes, place: Place) -> str:
        """Decrypt a value that stands at `place`.

        Raises:
            DataKeyMissing: no key is configured.
            DataKeyUnknown: it was sealed under a key that is not configured.
            PersonalDataDamaged: it was changed, or it comes from another place.
        """
        name, rest = _parts(sealed, place)
        if not self.keys:
            raise DataKeyMissing
        for key in self.keys:
            if key.id == name:
                nonce, cipher = rest[:NONCE_BYTES], rest[NONCE_BYTES:]
                try:
                    return AESGCM(key.part("seal")).decrypt(nonce, cipher, place.bound()).decode()
                except InvalidTag:
                    raise PersonalDataDamaged(place.field) from None
        raise DataKeyUnknown(name)

    def stale(self, sealed: bytes, place: Place) -> bool:
        """Whether a value was sealed under a key that is not the first any more."""
        return _parts(sealed, place)[0] != self.first.id

    def index(self, text: str, use: str) -> bytes:
        """A keyed hash for equality under the first key: it finds a value and tells nothing."""
        return _index(self.first, text, use)

    def indices(self, text: str, use: str) -> list[bytes]:
        """The hashes under every key: rows that were not sealed anew are found too."""
        if not self.keys:
            raise DataKeyMissing
        return [_index(key, text, use) for key in self.keys]


def _index(key: DataKey, text: str, use: str) -> bytes:
    return hmac.digest(key.part(f"index.{use}"), text.encode(), "sha256")


def _parts(sealed: bytes, place: Place) -> tuple[str, bytes]:
    """The key's id, and nonce with ciphertext."""
    data = bytes(sealed)
    if len(data) < 2 or data[0] != VERSION or len(data) <= 2 + data[1] + NONCE_BYTES:
        raise PersonalDataDamaged(place.field)
    end = 2 + data[1]
    return data[2:end].decode("ascii", "replace"), data[end:]


def read_keyring(text: str) -> Keyring:
    """Read `id:secret,id:secret`; empty text is a ring without keys, which refuses when used.

    Raises:
        DataKeyInvalid: it is not of that form. The refusal never repeats the secret.
    """
    keys: list[DataKey] = []
    for place, item in enumerate((i for i in text.split(",") if i.strip()), start=1):
        name, colon, secret = item.strip().partition(":")
        if not colon or not KEY_ID.fullmatch(name):
            raise DataKeyInvalid(place, "应写作“编号:密钥”，编号只用小写字母、数字和短横")
        try:
            raw = base64.b64decode(secret, altchars=b"-_", validate=True)
        except (binascii.Error, ValueError):
            raise DataKeyInvalid(place, "密钥不是 base64 文字") from None
        if len(raw) != SECRET_BYTES:
            raise DataKeyInvalid(place, f"密钥应为 {SECRET_BYTES} 字节，实为 {len(raw)} 字节")
        if any(key.id == name for key in keys):
            raise DataKeyInvalid(place, f"编号 {name} 重复")
        keys.append(DataKey(name, raw))
    return Keyring(tuple(keys))


def new_key() -> str:
    """A fresh `id:secret`; the id is a digest of the secret, so that no two keys share one."""
    raw = secrets.token_bytes(SECRET_BYTES)
    return f"k{sha256(raw).hexdigest()[:10]}:{base64.urlsafe_b64encode(raw).decode()}"
