"""Identifiers: UUIDv7 made in Python, shown with a prefix (`job_…`) that says what they name.

The text form is the prefix, an underscore and 26 characters of Crockford's base 32 in lower case,
so it sorts by time, survives being read aloud, and never needs quoting in a shell, a URL or a
ledger account code. UUIDv7: RFC 9562, section 5.7.
"""

from __future__ import annotations

import os
import threading
import time
from uuid import UUID

_ALPHABET = "0123456789abcdefghjkmnpqrstvwxyz"
_VALUE = {letter: value for value, letter in enumerate(_ALPHABET)}
_LENGTH = 26
# Two letters at a time: a statement of a million lines shows four million identifiers.
_PAIRS = [a + b for a in _ALPHABET for b in _ALPHABET]
_PLACES = tuple(range(5 * (_LENGTH - 2), -1, -10))
_lock = threading.Lock()
_last_ms = 0
_last_tail = 0


def new_id(at_ms: int | None = None) -> UUID:
    """Make a UUIDv7. Ids made by one process in one millisecond still sort in order of making.

    Args:
        at_ms: Unix milliseconds to stamp it with; the machine's clock when left out.
    """
    global _last_ms, _last_tail
    ms = time.time_ns() // 1_000_000 if at_ms is None else at_ms
    with _lock:
        tail = int.from_bytes(os.urandom(10)) & ((1 << 74) - 1)
        if at_ms is None:
            if ms <= _last_ms:
                ms = _last_ms
                # A wide random step: a forked process starts from the same tail as its parent.
                tail = (_last_tail + 1 + (tail & ((1 << 48) - 1))) & ((1 << 74) - 1)
                if tail <= _last_tail:
                    ms += 1
            _last_ms, _last_tail = ms, tail
    high, low = tail >> 62, tail & ((1 << 62) - 1)
    return UUID(int=(ms << 80) | (0x7 << 76) | (high << 64) | (0b10 << 62) | low)


def show_id(prefix: str, value: UUID) -> str:
    """The text form: `show_id("job", UUID(int=0))` is `job_` and 26 zeros."""
    assert prefix.isascii() and prefix.isalpha() and prefix.islower(), prefix
    number = value.int
    return f"{prefix}_{''.join([_PAIRS[number >> place & 1023] for place in _PLACES])}"


def read_id(prefix: str, text: str) -> UUID:
    """Read `job_…` back.

    Raises:
        ValueError: another prefix, another length, a letter outside the alphabet or too large.
    """
    head, _, body = text.partition("_")
    if head != prefix or len(body) != _LENGTH:
        raise ValueError(f"{text!r} is not a {prefix}_… identifier")
    number = 0
    for letter in body:
        if letter not in _VALUE:
            raise ValueError(f"{text!r} has a character that identifiers never have: {letter!r}")
        number = number * 32 + _VALUE[letter]
    if number >> 128:
        raise ValueError(f"{text!r} is too large for an identifier")
    return UUID(int=number)
