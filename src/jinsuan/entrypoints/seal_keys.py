"""The key that signs sealed blocks: a file only its owner may read, named by JINSUAN_SEAL_KEY."""

from __future__ import annotations

import os
from pathlib import Path

from jinsuan.entrypoints.database import default_folder
from jinsuan.ledger.errors import SealKeyExists, SealKeyInvalid
from jinsuan.ledger.signing import Ed25519Signer, new_private_pem

VARIABLE = "JINSUAN_SEAL_KEY"


def path() -> Path:
    """Where the key is or would be."""
    configured = os.environ.get(VARIABLE)
    return Path(configured).expanduser() if configured else default_folder() / "seal.pem"


def signer() -> Ed25519Signer | None:
    """Who signs; None when no key was ever made here.

    Raises:
        SealKeyInvalid: the key is configured and missing, open to others, or no key.
    """
    file = path()
    try:
        if not file.exists() and VARIABLE not in os.environ:
            return None
        if file.stat().st_mode & 0o077:
            raise SealKeyInvalid(str(file), "别人也可以读它，应当只有本人可读写（0600）")
        return Ed25519Signer(file.read_bytes())
    except OSError as error:
        raise SealKeyInvalid(str(file), f"读不到（{error.strerror}）") from error
    except (ValueError, TypeError) as error:
        raise SealKeyInvalid(str(file), "不是 Ed25519 私钥（PEM）") from error


def make() -> Ed25519Signer:
    """Make a new key where `signer` looks for it.

    Raises:
        SealKeyExists: there is one already.
    """
    file, pem = path(), new_private_pem()
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
    return Ed25519Signer(pem)
