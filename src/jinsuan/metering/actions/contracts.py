"""Contracts: register what two parties signed, and find the one that use is metered under."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime
from uuid import UUID

from django.db import IntegrityError, transaction
from django.db.models import F, Q

from jinsuan.kernel.errors import NotAllowed, NotFound
from jinsuan.kernel.period import beijing_date
from jinsuan.kernel.ref import Actor, Ref, Role
from jinsuan.ledger.actions import Note, record as note
from jinsuan.metering.errors import ContractInvalid, ContractNumberTaken
from jinsuan.metering.models import Contract, ContractLine
from jinsuan.registry.models import Organisation

REGISTRARS = frozenset({Role.PROVINCIAL_OFFICER, Role.PLATFORM_OPERATOR, Role.SYSTEM})
MAX_NUMBER = 80
MAX_DESCRIPTION = 200
DIGEST_BYTES = 32
_MAX_FEN = 2**63 - 1


@dataclass(frozen=True, slots=True, kw_only=True)
class ContractItem:
    """One line of a contract.

    Args:
        category: a value of `ContractLine.Category`, such as "compute".
        ceiling_fen: what the line comes to with tax; None for "as used".
    """

    category: str
    description: str
    ceiling_fen: int | None


@transaction.atomic
def register_contract(
    *,
    number: str,
    tenant: UUID,
    provider: UUID,
    signed_on: date,
    effective_from: date,
    effective_to: date | None,
    lines: Sequence[ContractItem],
    text_digest: bytes | None = None,
    actor: Actor,
    now: datetime,
) -> Ref:
    """Register what two parties signed (登记合同). Jobs placed from now on are metered under it.

    Args:
        effective_to: the first day on which it holds no more; None when it has no end.
        text_digest: SHA-256 of the signed text, where it is at hand.

    Raises:
        NotAllowed: the actor is neither of the parties nor somebody who registers for others.
        NotFound: a party is not registered.
        ContractInvalid: the number, the parties, a date or a line cannot be.
        ContractNumberTaken: the two parties already have a contract with this number.
    """
    _may_register(actor, tenant, provider)
    number = number.strip()
    _check_heading(number, tenant, provider)
    _check_dates(number, signed_on, effective_from, effective_to, today=beijing_date(now))
    _check_lines(number, lines)
    assert text_digest is None or len(text_digest) == DIGEST_BYTES, text_digest
    known = set(Organisation.objects.filter(id__in=[tenant, provider]).values_list("id", flat=True))
    for party in (tenant, provider):
        if party not in known:
            raise NotFound("机构", str(Ref("organisation", party)))
    contract = Contract(
        number=number,
        tenant_id=tenant,
        provider_id=provider,
        signed_on=signed_on,
        text_digest=text_digest,
        effective_from=effective_from,
        effective_to=effective_to,
        recorded_at=now,
    )
    _save_once(contract)
    ContractLine.objects.bulk_create(
        ContractLine(
            contract=contract,
            category=line.category,
            description=line.description.strip(),
            ceiling_fen=line.ceiling_fen,
            effective_from=effective_from,
            effective_to=effective_to,
        )
        for line in lines
    )
    ref = Ref("contract", contract.id)
    after = _content(contract, lines)
    note([Note(action="contract.register", subject=ref, after=after)], actor=actor, now=now)
    return ref


def _content(contract: Contract, lines: Sequence[ContractItem]) -> dict[str, object]:
    """What was registered, for the audit book."""
    ends, text = contract.effective_to, contract.text_digest
    assert contract.signed_on is not None, contract
    return {
        "number": contract.number,
        "tenant": str(Ref("organisation", contract.tenant_id)),
        "provider": str(Ref("organisation", contract.provider_id)),
        "signed_on": contract.signed_on.isoformat(),
        "effective_from": contract.effective_from.isoformat(),
        "effective_to": "" if ends is None else ends.isoformat(),
        "lines": [
            {"category": x.category, "description": x.description, "ceiling_fen": x.ceiling_fen}
            for x in lines
        ],
        "text_sha256": "" if text is None else bytes(text).hex(),
    }


def _may_register(actor: Actor, tenant: UUID, provider: UUID) -> None:
    if actor.role in REGISTRARS:
        return
    if actor.role is Role.TENANT and actor.organisation == tenant:
        return
    if actor.role is Role.CENTRE_OPERATOR and actor.organisation == provider:
        return
    raise NotAllowed("登记这份合同", "合同一方的用算主体或算力企业，或省级经办、平台运营")


def _check_heading(number: str, tenant: UUID, provider: UUID) -> None:
    if not number:
        raise ContractInvalid("（无编号）", "合同编号", "没有填写", "请照合同首页填写编号")
    if len(number) > MAX_NUMBER or not number.isprintable():
        shown = number[:MAX_NUMBER]
        problem = f"有 {len(number)} 个字符，最多 {MAX_NUMBER} 个，且不能有换行等控制字符"
        raise ContractInvalid(shown, "合同编号", problem, "请照合同首页填写编号")
    if tenant == provider:
        raise ContractInvalid(
            number, "合同双方", "甲乙双方是同一家机构", "自有自用不算购买算力，请填写真正的另一方"
        )


def _check_dates(
    number: str, signed_on: date, effective_from: date, effective_to: date | None, *, today: date
) -> None:
    if signed_on > today:
        problem = f"签订日 {signed_on} 在今天（{today}）之后"
        raise ContractInvalid(number, "签订日", problem, "请在合同签订后登记")
    if effective_to is not None and effective_to <= effective_from:
        problem = f"终止日 {effective_to} 不晚于生效日 {effective_from}"
        mend = "终止日是合同不再有效的第一天，应晚于生效日"
        raise ContractInvalid(number, "终止日", problem, mend)
    if effective_to is not None and effective_to <= signed_on:
        problem = f"终止日 {effective_to} 不晚于签订日 {signed_on}"
        raise ContractInvalid(number, "终止日", problem, "请核对两个日期")


def _check_lines(number: str, lines: Sequence[ContractItem]) -> None:
    if not lines:
        mend = "请至少填写一行，写明类别、内容和金额"
        raise ContractInvalid(number, "合同明细", "一行也没有", mend)
    kinds = {value: str(label) for value, label in ContractLine.Category.choices}
    for place, line in enumerate(lines, start=1):
        where = f"合同明细第 {place} 行"
        if line.category not in kinds:
            mend = (
                f"可用的类别：{'、'.join(f'{label}（{value}）' for value, label in kinds.items())}"
            )
            raise ContractInvalid(number, where, f"没有“{line.category[:20]}”这个类别", mend)
        if not 0 < len(line.description.strip()) <= MAX_DESCRIPTION:
            problem = f"内容有 {len(line.description.strip())} 个字符"
            raise ContractInvalid(number, where, problem, f"内容应有 1 至 {MAX_DESCRIPTION} 个字符")
        if line.ceiling_fen is not None and not 0 < line.ceiling_fen <= _MAX_FEN:
            problem = f"含税金额 {line.ceiling_fen} 分不在范围内"
            raise ContractInvalid(number, where, problem, "金额应大于 0；按实际用量结算的不填金额")


def _save_once(contract: Contract) -> None:
    """Save it, or say which contract has its number. The table decides when two come at once."""
    try:
        with transaction.atomic():
            contract.save(force_insert=True)
    except IntegrityError:
        first = Contract.objects.filter(
            tenant=contract.tenant_id, provider=contract.provider_id, number=contract.number
        ).first()
        if first is None:
            raise
        raise ContractNumberTaken(
            contract.number, beijing_date(first.recorded_at), Ref("contract", first.id)
        ) from None


def in_force(
    pairs: set[tuple[UUID, UUID]], *, actor: Actor, now: datetime
) -> dict[tuple[UUID, UUID], UUID]:
    """The contract that each tenant's new use of each provider is metered under.

    It is the one signed last among those in force today that buy compute; where there is none, the
    standard contract, made on first use.
    """
    today = beijing_date(now)
    rows = (
        Contract.objects.filter(tenant__in={tenant for tenant, _ in pairs})
        .filter(
            Q(standard=True)
            | Q(effective_from__lte=today, lines__category=ContractLine.Category.COMPUTE)
            & (Q(effective_to__isnull=True) | Q(effective_to__gt=today))
        )
        .order_by("-standard", F("signed_on").asc(nulls_first=True), "recorded_at", "id")
    )
    # The last word stays: the standard contract first, then by the day of signing.
    found = {(c.tenant_id, c.provider_id): c.id for c in rows}
    for tenant, provider in sorted(pairs - found.keys()):
        found[tenant, provider] = _open_standard(tenant, provider, actor=actor, now=now)
    return found


def _open_standard(tenant: UUID, provider: UUID, *, actor: Actor, now: datetime) -> UUID:
    today = beijing_date(now)
    contract, made = Contract.objects.get_or_create(
        tenant_id=tenant,
        provider_id=provider,
        standard=True,
        defaults={
            "number": f"STD-{today:%Y}-{tenant.hex[-8:]}-{provider.hex[-8:]}",
            "effective_from": today,
            "recorded_at": now,
        },
    )
    if made:
        ContractLine.objects.create(
            contract=contract,
            category=ContractLine.Category.COMPUTE,
            description="按量使用算力，按下单时锁定的价目计费",
            effective_from=today,
        )
        subject = Ref("contract", contract.id)
        note([Note(action="contract.open_standard", subject=subject)], actor=actor, now=now)
    return contract.id
