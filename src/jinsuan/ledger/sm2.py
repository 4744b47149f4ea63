"""SM2 signatures (GB/T 32918.2) as PEM keys and DER signatures that OpenSSL 3 reads. Pure.

The arithmetic is gmalg's, an optional package; here is only what stands around it: the keys' files
(GM/T 0009, RFC 5208 and 5480), the signature's one encoding, and refusing everything else.
"""

from __future__ import annotations

import re
from base64 import b64decode, b64encode
from dataclasses import dataclass
from typing import Any, Self

from cryptography.hazmat.primitives.asymmetric.utils import (
    decode_dss_signature,
    encode_dss_signature,
)

from jinsuan.ledger.hashing import SM3, hash_named

USER = b"1234567812345678"
"""Whose signature it is, where nothing else was agreed (GB/T 35276)."""
INSTALL = 'pip install "jinsuan[sm]"'

_CURVE = bytes.fromhex("06082a811ccf5501822d")  # OID 1.2.156.10197.1.301
_EC_SM2 = bytes.fromhex("301306072a8648ce3d0201") + _CURVE
_PUBLIC = bytes.fromhex("3059") + _EC_SM2 + bytes.fromhex("034200")
"""What stands before the 65 bytes of a point in a public key's file."""
_PUBLIC_INSIDE = bytes.fromhex("a144034200")
_PRIVATE = re.compile(
    rb"\x30(?:[\x00-\x7f]|\x81.)\x02\x01\x00"
    + re.escape(_EC_SM2)
    + rb"\x04.\x30.\x02\x01\x01\x04\x20(?P<secret>.{32})(?:\xa0\x0a"
    + re.escape(_CURVE)
    + rb")?(?:"
    + re.escape(_PUBLIC_INSIDE)
    + rb"(?P<point>\x04.{64}))?",
    re.DOTALL,
)
_PEM = re.compile(
    rb"-----BEGIN (?P<what>[A-Z0-9 ]+)-----\s(?P<body>[A-Za-z0-9+/=\s]+)-----END (?P=what)-----"
)
_P = 0xFFFFFFFEFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFF00000000FFFFFFFFFFFFFFFF
_A = _P - 3
_B = 0x28E9FA9E9D9F5E344D5A9E4BCF6509A7F39789F515AB8F92DDBCBD414D940E93
_N = 0xFFFFFFFEFFFFFFFFFFFFFFFFFFFFFFFF7203DF6B21C6052B53BBF40939D54123


class Sm2Missing(ValueError):
    """The optional package that computes SM2 is not installed."""

    def __init__(self) -> None:
        super().__init__(f"这是国密 SM2 密钥，本机没有安装 SM2 的程序包；请运行 {INSTALL}")


def _library() -> Any:
    try:
        import gmalg
    except ImportError:
        raise Sm2Missing from None
    return gmalg


def is_sm2(pem: bytes) -> bool:
    """Whether a key's file is on the SM2 curve, whatever else is wrong with it."""
    found = _PEM.search(pem)
    try:
        return found is not None and _CURVE in b64decode(found["body"])
    except ValueError:
        return False


def _der(pem: bytes, what: bytes) -> bytes:
    found = _PEM.search(pem)
    if found is None or found["what"] != what:
        raise ValueError(f"not a {what.decode().lower()} as PEM")
    return b64decode(found["body"])


def _pem(der: bytes, what: str) -> bytes:
    text = b64encode(der).decode()
    lines = [text[start : start + 64] for start in range(0, len(text), 64)]
    return "\n".join([f"-----BEGIN {what}-----", *lines, f"-----END {what}-----", ""]).encode()


@dataclass(frozen=True, slots=True)
class PublicKey:
    """A point of the curve, as 0x04 and its two coordinates."""

    point: bytes

    def __post_init__(self) -> None:
        x, y = int.from_bytes(self.point[1:33], "big"), int.from_bytes(self.point[33:], "big")
        if len(self.point) != 65 or self.point[0] != 4 or max(x, y) >= _P:
            raise ValueError("not an uncompressed point")
        if (y * y - (x * x * x + _A * x + _B)) % _P:
            raise ValueError("not on the SM2 curve")

    @classmethod
    def from_pem(cls, pem: bytes) -> Self:
        """Raises ValueError, or Sm2Missing."""
        _library()
        der = _der(pem, b"PUBLIC KEY")
        if not der.startswith(_PUBLIC):
            raise ValueError("not an SM2 public key")
        return cls(der[len(_PUBLIC) :])

    @property
    def pem(self) -> bytes:
        return _pem(_PUBLIC + self.point, "PUBLIC KEY")

    @property
    def key_id(self) -> str:
        """A digest, by SM3: whoever must use national algorithms uses no other here."""
        return hash_named(SM3)(self.point).hex()[:16]

    def good(self, message: bytes, signature: bytes) -> bool:
        """Whether the signature is good. Strict DER alone is read: nobody can spell it anew."""
        try:
            r, s = decode_dss_signature(signature)
        except ValueError:
            return False
        if not (0 < r < _N and 0 < s < _N):
            return False
        key = _library().SM2(uid=USER, pk=self.point)
        return bool(key.verify(message, r.to_bytes(32, "big"), s.to_bytes(32, "big")))


@dataclass(frozen=True, slots=True, repr=False)
class PrivateKey:
    """A secret number and its point."""

    secret: bytes
    public: PublicKey

    @classmethod
    def from_pem(cls, pem: bytes) -> Self:
        """Raises ValueError, also where the public part belongs to another key, or Sm2Missing."""
        library = _library()
        found = _PRIVATE.fullmatch(_der(pem, b"PRIVATE KEY"))
        if found is None or not 0 < int.from_bytes(found["secret"], "big") < _N - 1:
            raise ValueError("not an SM2 private key")
        point = library.SM2().generate_pk(found["secret"])
        if found["point"] not in {None, point}:
            raise ValueError("the public part belongs to another key")
        return cls(found["secret"], PublicKey(point))

    def sign(self, message: bytes) -> bytes:
        """The signature as DER (GB/T 35276). It is checked: what is sealed cannot be signed again."""
        r, s = _library().SM2(sk=self.secret, uid=USER, pk=self.public.point).sign(message)
        signature = encode_dss_signature(int.from_bytes(r, "big"), int.from_bytes(s, "big"))
        if not self.public.good(message, signature):
            raise RuntimeError("an SM2 signature came out wrong")
        return signature


def new_private_pem() -> bytes:
    """A new private key as PEM, laid out as OpenSSL does. Raises Sm2Missing."""
    secret, point = _library().SM2().generate_keypair()
    inner = b"\x02\x01\x01\x04\x20" + secret.rjust(32, b"\0") + _PUBLIC_INSIDE + point
    inner = b"\x30" + bytes([len(inner)]) + inner
    der = b"\x02\x01\x00" + _EC_SM2 + b"\x04" + bytes([len(inner)]) + inner
    return _pem(b"\x30\x81" + bytes([len(der)]) + der, "PRIVATE KEY")
