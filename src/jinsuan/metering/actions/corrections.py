"""用量更正: the centre admits that its meter was wrong; the province agrees; a new charge follows.

A provincial officer agrees, whatever the sign: a fifth or more of the money is the treasury's, and
centre and tenant together could write each other a higher bill for it. Neither is asked again: the
centre spoke first, and the tenant never pays more than it authorised when it ordered.
"""

from __future__ import annotations

from datetime import datetime
from uuid import UUID

from django.db import transaction

from jinsuan.kernel.errors import BadInput, NotAllowed, NotFound
from jinsuan.kernel.ref import Actor, Ref, Role
from jinsuan.ledger.actions import Note, record
from jinsuan.metering.actions.use import (
    Step,
    charge_lines,
    latest_readings,
    next_charge,
    step_of,
)
from jinsuan.metering.errors import CorrectionRefused
from jinsuan.metering.models import (
    ChargeLine,
    LockedPrice,
    Meter,
    UsageReading,
    UseCorrection,
)
from jinsuan.metering.readings import DOUBT_ZH, Claim, doubt

KIND = "usecorrection"


@transaction.atomic
def propose_correction(
    attempt: UUID,
    resource: str,
    cumulative: int,
    *,
    reason: str,
    document: str,
    actor: Actor,
    now: datetime,
) -> Ref:
    """Say what the last cumulative reading should have been (提出用量更正). Saying the same again
    finds the first one.

    Args:
        cumulative: milli-unit-seconds.
        document: the number of the paper that proves it.

    Raises:
        NotFound: no attempt that this provider's centre ran.
        NotAllowed, BadInput: no centre operator; no reason or document.
        CorrectionRefused: it changes nothing, cannot be, or another one waits for its answer.
    """
    person = actor.person
    if actor.role is not Role.CENTRE_OPERATOR or person is None:
        raise NotAllowed("提出用量更正", "算力中心的经办人")
    meter = _meter(attempt)
    if meter is None or meter.provider_id != actor.organisation:
        raise NotFound("作业的计量", str(Ref("attempt", attempt)))
    for name, said, most in (("更正事由", reason, 300), ("依据文件", document, 120)):
        if not said.strip() or len(said.strip()) > most:
            raise BadInput(name, f"没有填写，或超过 {most} 字", "请写明查实了什么、凭哪份文件。")
    held = LockedPrice.objects.filter(attempt=attempt, resource=resource).first()
    stands = _stands(attempt, resource)
    last = meter.corrections.order_by("-number").first()
    same = last is not None and (last.resource, last.after_milli) == (resource, cumulative)
    if last is not None and same and (last.agreed is None or stands[1] == last.number):
        return Ref(KIND, last.id)
    if last is not None and last.agreed is None:
        raise CorrectionRefused("这次尝试已有一件更正等待复核", "请先由省级经办答复那一件。")
    if cumulative == stands[0]:
        raise CorrectionRefused(f"现在的读数就是 {cumulative} 毫单位秒", "没有要更正的。")
    claim = Claim(held_milli=None if held is None else held.held_milli, since=meter.since, last=0)
    why = doubt(cumulative, now, claim, now=now)
    if why is not None:
        raise CorrectionRefused(f"{DOUBT_ZH[why]}（{cumulative} 毫单位秒）", "请核对资源和数值。")
    row = UseCorrection.objects.create(
        attempt=meter,
        number=1 if last is None else last.number + 1,
        resource=resource,
        before_milli=stands[0],
        after_milli=cumulative,
        reason=reason.strip(),
        document=document.strip(),
        proposed_by=person,
        proposed_at=now,
    )
    return _note("use_correction.propose", row, reason, actor, now)


@transaction.atomic
def apply_correction(correction: UUID, *, actor: Actor, now: datetime) -> Step | None:
    """Agree (同意更正): a corrected reading is added, and a charge of what it changes.

    Returns:
        The charge, to be moved in the book by the caller in the same transaction; None when no fen
        changes or it was agreed to before.

    Raises:
        NotAllowed: no provincial officer, the one who proposed, or one of the parties.
        NotFound, CorrectionRefused: no such proposal; refused before; the readings moved on.
    """
    row, meter = _answerable(correction, actor)
    if row.agreed:
        return None
    if meter.due:
        raise CorrectionRefused("这次尝试还有没计费的读数", "平台几秒内会计费，请稍后再办。")
    if _stands(meter.attempt, row.resource)[0] != row.before_milli:
        raise CorrectionRefused("提出更正以后又有新的读数", "请驳回这一件，由中心按新的读数重提。")
    _answer(row, True, "", actor, now)
    readings = list(latest_readings({meter.attempt})[meter.attempt])
    old = next((one for one in readings if one.resource == row.resource), None)
    fresh = UsageReading.objects.create(
        attempt=meter.attempt,
        resource=row.resource,
        milli_unit_seconds=row.after_milli,
        # Of the same moment as the wrong one: a correction is no later use.
        occurred_at=meter.since if old is None else old.occurred_at,
        recorded_at=now,
        correction=row.number,
    )
    readings = [*(one for one in readings if one is not old), fresh]
    prices = dict(
        LockedPrice.objects.filter(attempt=meter.attempt).values_list(
            "resource", "millifen_per_hour"
        )
    )
    charge = next_charge(meter, readings, prices, now=now)
    _note("use_correction.agree", row, row.reason, actor, now)
    if charge is None:
        return None
    charge.correction = row
    charge.save(force_insert=True)
    ChargeLine.objects.bulk_create(charge_lines(charge, readings, prices))
    meter.save(update_fields=["charges", "charged_fen"])
    return step_of(charge)


@transaction.atomic
def reject_correction(correction: UUID, *, reason: str, actor: Actor, now: datetime) -> None:
    """Do not agree (驳回更正); nothing changes.

    Raises:
        NotAllowed, NotFound, CorrectionRefused: as `apply_correction`.
        BadInput: no reason.
    """
    row, _ = _answerable(correction, actor)
    if row.agreed:
        raise CorrectionRefused("这一件已经同意", "结论不能改写；有新情况请中心另提一件。")
    if not reason.strip():
        raise BadInput("意见", "没有填写", "请写明为什么不同意。")
    _answer(row, False, reason.strip()[:300], actor, now)
    _note("use_correction.reject", row, reason, actor, now)


def _meter(attempt: UUID) -> Meter | None:
    """Locked, so that no reading or charge comes in between."""
    return Meter.objects.select_for_update(no_key=True).filter(attempt=attempt).first()


def _stands(attempt: UUID, resource: str) -> tuple[int, int]:
    """The reading that counts now, and by which correction."""
    for one in latest_readings({attempt})[attempt]:
        if one.resource == resource:
            return one.milli_unit_seconds, one.correction
    return 0, 0


def _answerable(correction: UUID, actor: Actor) -> tuple[UseCorrection, Meter]:
    if actor.role is not Role.PROVINCIAL_OFFICER or actor.person is None:
        raise NotAllowed("复核用量更正", "省级经办")
    found = UseCorrection.objects.filter(id=correction).values_list("attempt", flat=True).first()
    meter = None if found is None else _meter(found)
    if meter is None:
        raise NotFound("用量更正", str(Ref(KIND, correction)))
    row = UseCorrection.objects.select_for_update(no_key=True).get(id=correction)
    if row.proposed_by == actor.person:
        raise NotAllowed("复核自己提出的更正", "省级经办中的另一人")
    if actor.organisation in (meter.tenant_id, meter.provider_id):
        raise NotAllowed("复核本单位的更正", "与双方无关的省级经办")
    if row.agreed is False:
        raise CorrectionRefused("这一件已经驳回", "结论不能改写；有新情况请中心另提一件。")
    return row, meter


def _answer(row: UseCorrection, agreed: bool, answer: str, actor: Actor, now: datetime) -> None:
    row.answered_by, row.answered_at = actor.person, now
    row.agreed, row.answer = agreed, answer
    row.save(update_fields=["answered_by", "answered_at", "agreed", "answer"])


def _note(action: str, row: UseCorrection, reason: str, actor: Actor, now: datetime) -> Ref:
    ref = Ref(KIND, row.id)
    after = {
        "attempt": str(Ref("attempt", row.attempt_id)),
        "resource": row.resource,
        "before_milli": row.before_milli,
        "after_milli": row.after_milli,
        "document": row.document,
    }
    record([Note(action=action, subject=ref, reason=reason, after=after)], actor=actor, now=now)
    return ref
