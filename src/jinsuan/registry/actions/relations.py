"""Note what connects an organisation with others (登记关联线索), and that it does no more."""

from __future__ import annotations

from datetime import datetime
from uuid import UUID

from django.db import transaction

from jinsuan.kernel.errors import BadInput, NotAllowed, NotFound
from jinsuan.kernel.ref import Actor, Ref, Role
from jinsuan.ledger.actions import Note, record
from jinsuan.registry.models import Organisation, Relation
from jinsuan.registry.relations import keys_of
from jinsuan.registry.sealing import Keyring

_MAY = frozenset({Role.SYSTEM, Role.PROVINCIAL_OFFICER, Role.PLATFORM_OPERATOR})
_MOST_BPS = 10_000


@transaction.atomic
def register_relation(
    organisation: UUID,
    *,
    kind: str,
    value: str,
    source: str,
    keys: Keyring,
    share_bps: int | None = None,
    actor: Actor,
    now: datetime,
) -> Ref:
    """Note a shareholder, a person, a number or an address of an organisation, as a digest only.

    The same one again changes nothing but the share, which then ends the old row and adds a new one.

    Args:
        value: for a shareholder its credit code, or who it is; for people the identity number, or
            the name where no number is known.
        share_bps: what a shareholder holds of the organisation, in 1/10000.

    Raises:
        NotAllowed: neither the platform nor an official.
        NotFound: no such organisation.
        BadInput: kind, value, source or share cannot be; the value is never repeated.
        DataKeyMissing: no key is configured.
    """
    if actor.role not in _MAY:
        raise NotAllowed("登记关联线索", "平台、省级经办或平台运营")
    if kind not in Relation.Kind.values:
        raise BadInput("关联线索", "种类不在清单里", f"可选：{'、'.join(Relation.Kind.labels)}。")
    if not source.strip():
        raise BadInput("关联线索", "没有写来源", "请写明来自企业登记还是哪份材料。")
    if share_bps is not None and not (kind == "shareholder" and 0 < share_bps <= _MOST_BPS):
        raise BadInput("持股比例", f"{share_bps} 不在万分之 1 到 10000 之间", "只有股东填写比例。")
    row = Organisation.objects.select_for_update(no_key=True).filter(id=organisation).first()
    if row is None:
        raise NotFound("机构", str(Ref("organisation", organisation)))
    digests = keys_of(kind, value, keys)
    # A value that stands under an older data key keeps that spelling, or it would be two things.
    found = Relation.objects.filter(key__in=digests).values_list("key", flat=True)
    known = {bytes(one) for one in found}
    key = next((one for one in digests if one in known), digests[0])
    live = Relation.objects.filter(
        organisation=row, kind=kind, key=key, ended_at__isnull=True
    ).first()
    if live is not None:
        if live.share_bps == share_bps:
            return Ref("relation", live.id)
        live.ended_at = now
        live.save(update_fields=["ended_at"])
    made = Relation.objects.create(
        organisation=row,
        kind=kind,
        key=key,
        share_bps=share_bps,
        source=source.strip()[:120],
        recorded_at=now,
    )
    ref = Ref("relation", made.id)
    after = {"organisation": str(organisation), "kind": kind, "source": made.source}
    record([Note(action="relation.register", subject=ref, after=after)], actor=actor, now=now)
    return ref


@transaction.atomic
def end_relation(relation: UUID, *, reason: str, actor: Actor, now: datetime) -> None:
    """It connects no more (线索失效). It stays readable; what was found by it stays too.

    Raises:
        NotAllowed, NotFound.
        BadInput: no reason.
    """
    if actor.role not in _MAY:
        raise NotAllowed("结束关联线索", "平台、省级经办或平台运营")
    if not reason.strip():
        raise BadInput("关联线索", "没有写结束的理由", "请写明依据。")
    rows = Relation.objects.select_for_update(no_key=True)
    row = rows.filter(id=relation, ended_at__isnull=True).first()
    if row is None:
        raise NotFound("有效的关联线索", str(Ref("relation", relation)))
    row.ended_at = now
    row.save(update_fields=["ended_at"])
    note = Note(action="relation.end", subject=Ref("relation", relation), reason=reason.strip())
    record([note], actor=actor, now=now)
