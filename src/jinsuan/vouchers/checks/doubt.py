"""What a check says: a doubt with its evidence, or that it could not look."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from jinsuan.kernel.ref import Ref

FULL = 10_000


@dataclass(frozen=True, slots=True, kw_only=True)
class Doubt:
    """Something that somebody has to explain.

    Args:
        evidence: what to look at, in one order, so that the same doubt is known again.
        detail: the numbers and the threshold, in Chinese.
    """

    code: str
    title: str
    evidence: tuple[Ref, ...]
    detail: str


class DataLacking(Exception):
    """A check cannot look. It says so instead of passing (核查不了不等于通过).

    Args:
        why: what is missing, in words.
        mend: what to do about it.
        found: what it saw all the same.
    """

    def __init__(self, why: str, mend: str, found: Sequence[Doubt] = ()) -> None:
        super().__init__(why)
        self.why, self.mend, self.found = why, mend, tuple(found)


def refs(*found: Ref) -> tuple[Ref, ...]:
    """Evidence in its one order, each thing once."""
    return tuple(sorted(set(found)))


def percent(bps: int) -> str:
    """12.34 % of 1234."""
    return f"{bps // 100}.{bps % 100:02d}%"
