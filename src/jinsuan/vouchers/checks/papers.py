"""Between applications: the same contract twice, the same words twice, one contract in pieces. Pure."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import date
from uuid import UUID

from jinsuan.kernel.money import Money
from jinsuan.kernel.ref import Ref
from jinsuan.vouchers.checks.doubt import FULL, Doubt, percent, refs
from jinsuan.vouchers.checks.thresholds import Copies, Splitting

_IDLE = re.compile(r"[\W_]+")


@dataclass(frozen=True, slots=True, kw_only=True)
class Paper:
    """One application as the checks see it.

    Args:
        group: whether its applicant is this case's, or connected with it.
        files: the contract's scans, by digest.
        on: when it was opened.
    """

    case: Ref
    number: str
    applicant: UUID
    provider: UUID
    group: bool
    contract: str
    files: tuple[tuple[bytes, Ref], ...]
    text: str
    amount: Money
    on: date


@dataclass(frozen=True, slots=True, kw_only=True)
class Billed:
    """An invoice that a redemption counts, and the case that has used up its number."""

    invoice: Ref
    number: str
    case: Ref | None
    ours: bool


def claimed_elsewhere(bills: Iterable[Billed]) -> list[Doubt]:
    """发票号码: counted here, and used up by a case of somebody else's, in whatever programme."""
    return [
        Doubt(
            code="invoice_elsewhere",
            title="发票已在另一案件中使用",
            evidence=refs(one.invoice, one.case),
            detail=f"发票 {one.number} 计入了本次金额，而已在另一案件中登记为已用。一张发票在所有方向里只用一次。",
        )
        for one in bills
        if one.case is not None and not one.ours
    ]


def plain_number(text: str) -> str:
    """A contract's number without width, case and marks."""
    return _IDLE.sub("", unicodedata.normalize("NFKC", text)).upper()


def shingles(text: str, size: int) -> frozenset[str]:
    """All pieces of some characters of a text, marks and spaces left out."""
    plain = _IDLE.sub("", unicodedata.normalize("NFKC", text)).lower()
    return frozenset(plain[i : i + size] for i in range(len(plain) - size + 1))


def likeness_bps(first: frozenset[str], second: frozenset[str]) -> int:
    """What two sets have in common of all they have (Jaccard), rounded down."""
    whole = len(first | second)
    return len(first & second) * FULL // whole if whole else 0


def same_contract(mine: Paper, others: Iterable[Paper]) -> list[Doubt]:
    """同一合同: a number with the same provider, or a scan, that stands in another application."""
    found = []
    scans = dict(mine.files)
    for other in others:
        twins = [(scans[digest], ref) for digest, ref in other.files if digest in scans]
        number = (
            other.provider == mine.provider
            and other.applicant != mine.applicant
            and plain_number(other.contract) == plain_number(mine.contract)
        )
        if number:
            found.append(
                Doubt(
                    code="same_contract_number",
                    title="合同编号已在另一申领中使用",
                    evidence=refs(mine.case, other.case),
                    detail=(
                        f"合同编号“{mine.contract}”与案件 {other.number} 的“{other.contract}”相同，"
                        "供给方也相同。"
                    ),
                )
            )
        if twins:
            found.append(
                Doubt(
                    code="same_contract_file",
                    title="合同扫描件与另一申领完全相同",
                    evidence=refs(*(ref for pair in twins for ref in pair)),
                    detail=f"与案件 {other.number} 有 {len(twins)} 份合同文件的摘要相同。",
                )
            )
    return found


def near_copies(mine: Paper, others: Iterable[Paper], at: Copies) -> list[Doubt]:
    """文字雷同: purpose and lines of two different applicants are nearly the same."""
    own = shingles(mine.text, at.shingle)
    found = []
    if len(own) < at.least_shingles:
        return []
    for other in others:
        if other.applicant == mine.applicant:
            continue
        theirs = shingles(other.text, at.shingle)
        alike = likeness_bps(own, theirs)
        if len(theirs) >= at.least_shingles and alike >= at.similar_bps:
            found.append(
                Doubt(
                    code="near_copy",
                    title="申领内容与另一主体高度雷同",
                    evidence=refs(mine.case, other.case),
                    detail=(
                        f"合同明细和用途的文字与案件 {other.number} 相同 {percent(alike)}，"
                        f"门槛 {percent(at.similar_bps)}。"
                    ),
                )
            )
    return found


def splitting(mine: Paper, others: Iterable[Paper], at: Splitting) -> list[Doubt]:
    """拆分: contracts of one group with one provider, each below a threshold and together at or above
    it within a month; or many just below it within a year.
    """
    limit = Money(at.threshold_fen)
    if mine.amount >= limit:
        return []
    below = [
        one
        for one in others
        if one.group
        and one.provider == mine.provider
        and one.case != mine.case
        and one.amount < limit
    ]
    found = []
    together = [mine, *_within(mine, below, at.days)]
    total = Money.total(one.amount for one in together)
    if len(together) > 1 and total >= limit:
        words = f"在 {at.days} 天内，合计 {total}。门槛：每份低于 {limit} 而合计达到"
        found.append(_pieces("splitting", "疑似拆分合同", together, words))
    near = [
        one
        for one in [mine, *_within(mine, below, at.near_days)]
        if one.amount.fen * FULL >= limit.fen * at.near_bps
    ]
    if mine in near and len(near) >= at.near_count:
        words = (
            f"在 {at.near_days} 天内，各在 {limit} 的 {percent(at.near_bps)} 以上而低于它。"
            f"门槛：{at.near_count} 份"
        )
        found.append(_pieces("just_below", "多份合同恰好低于门槛", near, words))
    return found


def _within(mine: Paper, others: Iterable[Paper], days: int) -> list[Paper]:
    return [one for one in others if abs((one.on - mine.on).days) <= days]


def _pieces(code: str, title: str, papers: Iterable[Paper], words: str) -> Doubt:
    ordered = sorted(papers, key=lambda one: (one.on, one.number))
    parts = "、".join(f"案件 {one.number} {one.amount}" for one in ordered)
    return Doubt(
        code=code,
        title=title,
        evidence=refs(*(one.case for one in ordered)),
        detail=f"同一主体或其关联方与同一供给方有 {len(ordered)} 份合同：{parts}；{words}。",
    )
