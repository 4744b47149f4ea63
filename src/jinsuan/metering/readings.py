"""Whether a cumulative reading can be believed. Pure; no Django here.

A reading that fails is kept as a finding that somebody must explain, and is never charged.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum

from jinsuan.kernel.quantity import MILLI

MAX_AHEAD = timedelta(minutes=5)
TOLERANCE = timedelta(seconds=30)


class Doubt(StrEnum):
    """Why a reading is put aside (疑点)."""

    AHEAD = "ahead"  # 时间超前
    DECREASED = "decreased"  # 累计值变小
    JUMPED = "jumped"  # 超过物理可能
    FOREIGN = "foreign"  # 资源不属于该作业
    CORRECTED = "corrected"  # 读数已经更正
    ENDED = "ended"  # 作业已经结束


DOUBT_ZH = {
    Doubt.AHEAD: "读数时间比平台时间超前 5 分钟以上",
    Doubt.DECREASED: "累计读数变小",
    Doubt.JUMPED: "累计读数超过该作业所占资源可能达到的上限",
    Doubt.FOREIGN: "读数的资源不在该作业的占用范围内",
    Doubt.CORRECTED: "该资源的读数已经更正，之后又报来更大的读数",
    Doubt.ENDED: "读数时间晚于作业结束 30 秒以上",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Claim:
    """What a reading is judged against.

    Args:
        held_milli: thousandths of a unit that the attempt holds; None when it holds none of it.
        since: when the lease was given, on the platform's clock.
        last: the last believed cumulative value.
        corrected: whether people agreed that this meter was wrong; what it says from then on is
            theirs to judge.
        ended: when the attempt ended, on the centre's clock; None while it runs.
    """

    held_milli: int | None
    since: datetime
    last: int
    corrected: bool = False
    ended: datetime | None = None


def doubt(
    milli_unit_seconds: int, occurred_at: datetime, claim: Claim, *, now: datetime
) -> Doubt | None:
    """Return why this reading cannot be believed, or None.

    The upper bound uses the platform's own clock (`since` to `now`), so a centre's clock that runs
    fast or a made-up time stamp cannot raise it.
    """
    if claim.held_milli is None:
        return Doubt.FOREIGN
    if occurred_at > now + MAX_AHEAD:
        return Doubt.AHEAD
    if claim.ended is not None and occurred_at > claim.ended + TOLERANCE:
        return Doubt.ENDED
    if milli_unit_seconds < claim.last:
        return Doubt.DECREASED
    if claim.corrected and milli_unit_seconds > claim.last:
        return Doubt.CORRECTED
    longest = now - claim.since + TOLERANCE
    ceiling_ms = claim.held_milli * (longest // timedelta(milliseconds=1))
    if milli_unit_seconds * MILLI > ceiling_ms:
        return Doubt.JUMPED
    return None


def doubt_in_file(
    milli_unit_seconds: int, occurred_at: datetime, claim: Claim, *, received_at: datetime
) -> Doubt | None:
    """The same for a reading that was handed in by file, perhaps weeks after it was taken.

    A live reading is judged at once, so time itself bounds it. Here the file's own time does, with
    as much allowance as a centre's clock has, and never beyond the moment the file came.
    `actions.rated` says the same in SQL.
    """
    seen = min(received_at, occurred_at + MAX_AHEAD)
    return doubt(milli_unit_seconds, occurred_at, claim, now=seen)
