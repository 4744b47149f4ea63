"""Canonical JSON, its SHA-256, and the id that follows from a transfer's key. Pure.

One fact has exactly one canonical text, so two people who hash it get the same digest: keys
sorted, no blanks, UTF-8 unescaped, whole numbers only.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from hashlib import sha256
from uuid import UUID

from jinsuan.kernel.ref import Ref
from jinsuan.ledger.reasons import Reason
from jinsuan.ledger.steps import Step


def canonical(value: Mapping[str, object]) -> str:
    """The one canonical text of a value made of texts, whole numbers, truths, lists and mappings.

    >>> canonical({"b": [1, None], "a": "晋"})
    '{"a":"晋","b":[1,null]}'
    """
    return _text_of(_plain(value))


_text_of = json.JSONEncoder(
    ensure_ascii=False, sort_keys=True, separators=(",", ":"), allow_nan=False
).encode


def _plain(value: object) -> object:
    """The value with mappings and sequences made plain. Whatever has two spellings asserts."""
    if isinstance(value, Mapping):
        for key in value:
            assert isinstance(key, str), f"not a text as key: {key!r}"
        return {key: _plain(inner) for key, inner in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(inner) for inner in value]
    assert value is None or isinstance(value, str | int), (
        f"{value!r} has no single canonical form; pass a text or a whole number"
    )
    return value


def digest(text: str) -> bytes:
    """SHA-256 of the UTF-8 text."""
    return sha256(text.encode()).digest()


def transfer_content(
    *,
    key: str,
    debit: str,
    credit: str,
    fen: int,
    reason: Reason,
    cause: Ref,
    step: Step = Step.SINGLE,
    pending: str = "",
) -> str:
    """What a transfer claims, as canonical text. Its digest is the request hash.

    The times stay out: a caller that retries after a crash tells the same fact a little later.
    A transfer in one step says nothing of steps, as before there were any.

    Args:
        pending: the key of the pending transfer that a post or a void resolves.
    """
    claimed: dict[str, object] = {
        "key": key,
        "debit": debit,
        "credit": credit,
        "fen": fen,
        "reason": str(reason),
        "cause": str(cause),
    }
    if step is not Step.SINGLE:
        claimed["step"] = str(step)
    if pending:
        claimed["pending"] = pending
    return _text_of(claimed)  # all plain by the types above, and a settlement has thousands


def transfer_id(key: str) -> UUID:
    """The id that follows from a key: UUID version 8 (RFC 9562, section 5.8) of its SHA-256.

    >>> transfer_id("capture:1").version
    8
    """
    number = int.from_bytes(digest(f"transfer:{key}")[:16])
    number = number & ~(0xF << 76) | (0x8 << 76)
    number = number & ~(0b11 << 62) | (0b10 << 62)
    return UUID(int=number)
