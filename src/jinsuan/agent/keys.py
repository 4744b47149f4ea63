"""The agent's Ed25519 key: made at enrolment, kept in the state folder, never sent anywhere."""

from __future__ import annotations

import os
from pathlib import Path

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    PublicFormat,
    load_pem_private_key,
)

from jinsuan.agent.errors import KeyExposed, NotEnrolled

FILE = "agent.key"


def make_key() -> Ed25519PrivateKey:
    """A new key, in memory only."""
    return Ed25519PrivateKey.generate()


def public_bytes(key: Ed25519PrivateKey) -> bytes:
    """The 32 bytes that the platform registers."""
    return key.public_key().public_bytes(Encoding.Raw, PublicFormat.Raw)


def save_key(folder: Path, key: Ed25519PrivateKey) -> Path:
    """Keep the key, readable by its owner only. An earlier key is replaced in one step."""
    folder.mkdir(parents=True, exist_ok=True)
    pem = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    path, half = folder / FILE, folder / f"{FILE}.new"
    half.unlink(missing_ok=True)
    out = os.open(half, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600)
    try:
        os.write(out, pem)
        os.fsync(out)
    finally:
        os.close(out)
    half.replace(path)
    return path


def load_key(folder: Path) -> Ed25519PrivateKey:
    """Read the key back.

    Raises:
        NotEnrolled: there is none, or the file is no Ed25519 key.
        KeyExposed: others on the machine may read it.
    """
    path = folder / FILE
    try:
        if path.stat().st_mode & 0o077:
            raise KeyExposed(str(path))
        key = load_pem_private_key(path.read_bytes(), password=None)
    except (OSError, ValueError):
        raise NotEnrolled(str(path)) from None
    if not isinstance(key, Ed25519PrivateKey):
        raise NotEnrolled(str(path))
    return key
