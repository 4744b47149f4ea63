"""The hashes that a block may name: SHA-256, and SM3 (GB/T 32905). Pure."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import cache
from hashlib import sha256

from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives import hashes

Hash = Callable[[bytes], bytes]
"""Makes 32 bytes of any."""

SHA256 = "sha256"
SM3 = "sm3"


class UnknownHash(ValueError):
    """No hash of this name is known here, or the cryptographic library was built without it."""


def _sha256(data: bytes) -> bytes:
    return sha256(data).digest()


def _sm3(data: bytes) -> bytes:
    # Not hashlib: there it depends on the OpenSSL that Python happens to be linked with.
    state = hashes.Hash(hashes.SM3())
    state.update(data)
    return state.finalize()


_HASHES: Mapping[str, Hash] = {SHA256: _sha256, SM3: _sm3}
ALGORITHMS = tuple(_HASHES)


@cache
def hash_named(algorithm: str) -> Hash:
    """The hash of this name.

    Raises:
        UnknownHash: its text says in Chinese what to do.
    """
    found = _HASHES.get(algorithm)
    if found is None:
        raise UnknownHash(
            f"摘要算法 {algorithm[:20]} 本程序不认识，只认 {'、'.join(ALGORITHMS)}；"
            "如文件由更新的版本导出，请用那个版本核验"
        )
    try:
        found(b"")
    except UnsupportedAlgorithm as error:
        raise UnknownHash(
            f"本机的密码库（cryptography 所用的 OpenSSL）没有摘要算法 {algorithm}；"
            "请换用 PyPI 上的 cryptography 安装包，或在另一台机器上办理"
        ) from error
    return found
