"""How blocks are sealed here: the key that signs them and the hash that they are made with.

The key is a file only its owner may read, named by JINSUAN_SEAL_KEY; what it signs with, Ed25519 or
SM2, follows from the key. The hash is JINSUAN_SEAL_DIGEST.
"""

from __future__ import annotations

import os
from pathlib import Path

from jinsuan.entrypoints.database import default_folder
from jinsuan.ledger.errors import (
    SealDigestInvalid,
    SealKeyExists,
    SealKeyInvalid,
    SealLibraryMissing,
)
from jinsuan.ledger.hashing import SHA256, UnknownHash, hash_named
from jinsuan.ledger.signing import ED25519, Signer, new_private_pem, signer_of
from jinsuan.ledger.sm2 import INSTALL, Sm2Missing

VARIABLE = "JINSUAN_SEAL_KEY"
DIGEST = "JINSUAN_SEAL_DIGEST"


def path() -> Path:
    """Where the key is or would be."""
    configured = os.environ.get(VARIABLE)
    return Path(configured).expanduser() if configured else default_folder() / "seal.pem"


def digest() -> str:
    """The hash that new blocks are made with.

    Raises:
        SealDigestInvalid: it is configured, and unknown or not to be had on this machine.
    """
    name = os.environ.get(DIGEST, "").strip().lower() or SHA256
    try:
        hash_named(name)
    except UnknownHash as error:
        raise SealDigestInvalid(str(error)) from error
    return name


def signer() -> Signer | None:
    """Who signs; None when no key was ever made here.

    Raises:
        SealKeyInvalid: the key is configured and missing, open to others, or no key.
        SealLibraryMissing: it is SM2, and the optional package for that is not installed.
    """
    file = path()
    try:
        if not file.exists() and VARIABLE not in os.environ:
            return None
        if file.stat().st_mode & 0o077:
            raise SealKeyInvalid(str(file), "别人也可以读它，应当只有本人可读写（0600）")
        return signer_of(file.read_bytes())
    except OSError as error:
        raise SealKeyInvalid(str(file), f"读不到（{error.strerror}）") from error
    except Sm2Missing:
        raise SealLibraryMissing(str(file), INSTALL) from None
    except (ValueError, TypeError) as error:
        raise SealKeyInvalid(
            str(file), "不是 Ed25519 或 SM2 私钥（PKCS #8 的 PEM，不带口令）"
        ) from error


def make(algorithm: str = ED25519) -> Signer:
    """Make a new key where `signer` looks for it.

    Raises:
        SealKeyExists: there is one already.
        SealLibraryMissing.
    """
    file = path()
    try:
        pem = new_private_pem(algorithm)
    except Sm2Missing:
        raise SealLibraryMissing(str(file), INSTALL) from None
    try:
        file.parent.mkdir(parents=True, exist_ok=True)
        # Made closed: at no moment may anyone else open it.
        descriptor = os.open(file, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    except FileExistsError:
        raise SealKeyExists(str(file)) from None
    except OSError as error:
        raise SealKeyInvalid(str(file), f"写不进去（{error.strerror}）") from error
    with os.fdopen(descriptor, "wb") as out:
        out.write(pem)
    return signer_of(pem)
