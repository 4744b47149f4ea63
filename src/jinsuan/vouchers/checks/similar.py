"""Find texts that are nearly the same among very many: MinHash with bands. Pure.

Two texts that have at least 80 % of their pieces in common share a key with a chance above 99.7 %;
whoever shares one is then compared exactly, so a key alone accuses nobody.
"""

from __future__ import annotations

from functools import lru_cache
from hashlib import blake2b
from uuid import UUID

import numpy as np
import numpy.typing as npt

from jinsuan.vouchers.checks.papers import plain_number, shingles
from jinsuan.vouchers.checks.thresholds import Copies

BANDS, ROWS = 34, 8
"""1 - (1 - 0.8^8)^34 = 0.998 at 80 %, and 12 % of those that are half alike are compared in vain."""
SALT = b"jinsuan:paper:1"
_HIGH = np.uint64(32)


def recipe(at: Copies) -> str:
    """How keys are made; keys of another recipe are made anew."""
    return f"1:{at.shingle}:{at.least_shingles}:{BANDS}x{ROWS}"


def keys_of(*, provider: UUID, contract: str, text: str, at: Copies) -> list[int]:
    """The keys of one application: of its number with its provider, and of its text."""
    return [number_key(provider, contract), *text_keys(text, at)]


def number_key(provider: UUID, contract: str) -> int:
    """One key per contract number of a provider."""
    return _key(b"number", provider.bytes + plain_number(contract).encode())


def text_keys(text: str, at: Copies) -> list[int]:
    """One key per band; none for a text too short to be compared."""
    pieces = shingles(text, at.shingle)
    if not pieces or len(pieces) < at.least_shingles:
        return []
    hashed = np.array([_word(SALT, one.encode()) for one in pieces], dtype=np.uint64)
    factors, shifts = _permutations()
    # Wraps around 2^64 on purpose; the high half of an odd multiple is evenly spread.
    mixed = (hashed[:, None] * factors[None, :] + shifts[None, :]) >> _HIGH
    least = mixed.min(axis=0).astype(np.uint32)
    rows = least.reshape(BANDS, ROWS)
    return [_key(b"band%d" % n, row.tobytes()) for n, row in enumerate(rows)]


@lru_cache(maxsize=1)
def _permutations() -> tuple[npt.NDArray[np.uint64], npt.NDArray[np.uint64]]:
    many = range(BANDS * ROWS)
    factors = [_word(SALT + b":a", n.to_bytes(4, "big")) | 1 for n in many]
    shifts = [_word(SALT + b":b", n.to_bytes(4, "big")) for n in many]
    return np.array(factors, dtype=np.uint64), np.array(shifts, dtype=np.uint64)


def _word(salt: bytes, data: bytes) -> int:
    return int.from_bytes(blake2b(data, digest_size=8, salt=salt[-16:]).digest(), "big")


def _key(kind: bytes, data: bytes) -> int:
    """A number that PostgreSQL's bigint holds."""
    return _word(kind, data) >> 1
