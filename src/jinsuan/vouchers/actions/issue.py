"""Open a programme year with its pool, and issue vouchers from it."""

from __future__ import annotations

from datetime import date, datetime
from fractions import Fraction
from uuid import UUID

from django.db import transaction

from jinsuan.kernel.errors import NotAllowed, NotFound
from jinsuan.kernel.money import Money
from jinsuan.kernel.period import beijing_date
from jinsuan.kernel.ref import Actor, Ref, Role
from jinsuan.ledger import accounts
from jinsuan.ledger.actions import Note, Posting, post, record
from jinsuan.ledger.reasons import Reason
from jinsuan.policy.library import load_pack
from jinsuan.vouchers.differences import check_not_stopped
from jinsuan.vouchers.errors import ProgrammeClosed, VoucherTermsInvalid
from jinsuan.vouchers.models import Programme, Voucher
from jinsuan.vouchers.terms import Pays, terms_of


@transaction.atomic
def open_programme(
    *,
    code: str,
    title: str,
    document: str,
    article: str,
    opens_on: date,
    closes_on: date,
    rate: Fraction,
    pool: Money,
    pack: str = "",
    rule: str = "",
    pays: Pays = Pays.DEDUCT,
    actor: Actor,
    now: datetime,
) -> Ref:
    """Open a year (开年度): fund the pool from the budget, once.

    Raises:
        NotAllowed: the actor is no provincial officer.
        VoucherTermsInvalid: the code was used before.
    """
    _officer(actor, "开设算力券年度")
    if Programme.objects.filter(code=code).exists():
        raise VoucherTermsInvalid(f"年度代码 {code} 已经存在", "换一个代码，或查看已有年度")
    programme = Programme.objects.create(
        code=code,
        title=title,
        document=document,
        article=article,
        opens_on=opens_on,
        closes_on=closes_on,
        rate_numerator=rate.numerator,
        rate_denominator=rate.denominator,
        pool_fen=pool.fen,
        pack=pack,
        rule=rule,
        pays=pays,
    )
    ref = Ref("programme", programme.id)
    posting = Posting(
        key=f"pool:{ref}",
        debit=accounts.budget(opens_on.year),
        credit=accounts.pool(code),
        amount=pool,
        reason=Reason.POOL_FUNDING,
        cause=ref,
        occurred_at=now,
    )
    post([posting], actor=actor, now=now)
    after = {"code": code, "pool_fen": pool.fen, "rate": str(rate), "article": article}
    record([Note(action="programme.open", subject=ref, after=after)], actor=actor, now=now)
    return ref


@transaction.atomic
def open_year(
    *, pack: str, rule: str, number: int, pool: Money | None = None, actor: Actor, now: datetime
) -> Ref:
    """Open a programme year of a pack (开年度): rate and pool are the law's own, the rest is in the
    terms (办理口径).

    Args:
        number: the Beijing year.
        pool: only where the document names none.

    Raises:
        NotAllowed, NotFound: no officer; the rule grants no vouchers.
        VoucherTermsInvalid: opened before, outside the document's time, or a pool where the law has
            one, or none where it has not.
    """
    terms = terms_of(pack, rule)
    first, last = date(number, 1, 1), date(number, 12, 31)
    document = load_pack(pack)
    opens, closes = max(first, document.first_day), min(last, document.last_day)
    if opens > closes:
        raise VoucherTermsInvalid(
            f"{document.number} 在 {number} 年不适用", "请核对年份和文件的施行期"
        )
    law = terms.law(opens)
    named = Money(law.values[terms.pool].number) if terms.pool else None
    if (named is None) == (pool is None):
        raise VoucherTermsInvalid(
            "年度总额只能来自文件" if named else "文件没有写年度总额",
            "去掉填写的总额" if named else "按主管部门核定的数填写总额",
        )
    return open_programme(
        code=f"{number}:{terms.code}",
        title=f"{number} 年度{document.rules[rule].title}",
        document=document.number,
        article=document.rules[rule].article,
        opens_on=opens,
        closes_on=closes,
        rate=terms.rate_of(opens, high=False),
        pool=named or pool or Money(0),
        pack=pack,
        rule=rule,
        pays=terms.pays,
        actor=actor,
        now=now,
    )


@transaction.atomic
def issue(
    *,
    programme: str,
    tenant: UUID,
    face: Money,
    expires_on: date,
    reason: str,
    actor: Actor,
    now: datetime,
) -> Ref:
    """Issue one voucher from the pool (发放). The pool can never be promised twice.

    Raises:
        NotAllowed: the actor is no provincial officer.
        NotFound: no such programme.
        ProgrammeClosed: the document behind it is not in force today.
        VoucherTermsInvalid: a face of nought or less, or an expiry already past.
        PaymentStopped: the pool has a difference that nobody has cleared.
        InsufficientBalance: the pool has not that much left.
    """
    _officer(actor, "发放算力券")
    assert actor.person is not None
    found = Programme.objects.filter(code=programme).first()
    if found is None:
        raise NotFound("算力券年度", programme)
    today = beijing_date(now)
    if not found.opens_on <= today <= found.closes_on:
        raise ProgrammeClosed(found.title, today, found.opens_on, found.closes_on)
    if face <= Money(0):
        raise VoucherTermsInvalid(f"面额 {face} 不是正数", "面额应大于 0")
    if expires_on < today:
        raise VoucherTermsInvalid(f"有效期至 {expires_on}，已经过去", "改成今天或以后")
    check_not_stopped([accounts.pool(found.code)])
    voucher = Voucher.objects.create(
        programme=found,
        tenant_id=tenant,
        face_fen=face.fen,
        rate_numerator=found.rate_numerator,
        rate_denominator=found.rate_denominator,
        valid_from=today,
        expires_on=expires_on,
        issued_by_id=actor.person,
        issued_at=now,
        reason=reason,
    )
    ref = Ref("voucher", voucher.id)
    posting = Posting(
        key=f"issue:{ref}",
        debit=accounts.pool(found.code),
        credit=accounts.voucher(ref),
        amount=face,
        reason=Reason.VOUCHER_ISSUE,
        cause=ref,
        occurred_at=now,
    )
    post([posting], actor=actor, now=now)
    after = {"programme": found.code, "tenant": str(tenant), "face_fen": face.fen}
    note = Note(action="voucher.issue", subject=ref, reason=reason, after=after)
    record([note], actor=actor, now=now)
    return ref


def _officer(actor: Actor, act: str) -> None:
    if actor.role is not Role.PROVINCIAL_OFFICER:
        raise NotAllowed(act, "省级经办")
