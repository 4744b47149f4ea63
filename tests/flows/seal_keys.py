"""Keys and signers of both kinds for the tests of the seal, and OpenSSL as the other implementation."""

from __future__ import annotations

import shutil
import subprocess
from functools import cache
from pathlib import Path

from jinsuan.ledger.signing import Signer, new_private_pem, signer_of

DIGESTS = ("sha256", "sm3")
SIGNATURES = ("unsigned", "ed25519", "sm2")
WAYS = tuple((digest, signature) for digest in DIGESTS for signature in SIGNATURES)


@cache
def private_pem(signature: str, which: int = 0) -> bytes:
    """A key of this kind; another one for another number."""
    return new_private_pem(signature)


@cache
def signer(signature: str, which: int = 0) -> Signer | None:
    return None if signature == "unsigned" else signer_of(private_pem(signature, which))


@cache
def why_no_openssl() -> str:
    """Why OpenSSL cannot be asked about SM2 here; empty when it can."""
    if shutil.which("openssl") is None:
        return "no openssl command"
    found = openssl("list", "-public-key-algorithms")
    return "" if b"SM2" in found.stdout.upper() else "this openssl was built without SM2"


def openssl(*words: str | Path) -> subprocess.CompletedProcess[bytes]:
    return subprocess.run(["openssl", *map(str, words)], capture_output=True, check=False)


SM2_WAY = ("-rawin", "-digest", "sm3", "-pkeyopt", "distid:1234567812345678")
