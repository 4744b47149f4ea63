"""Jobs that only metering and the book know: held, used, charged, captured at the times wanted."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime
from uuid import UUID

from jinsuan.kernel.ids import new_id
from jinsuan.kernel.money import Money
from jinsuan.kernel.quantity import MILLI_UNIT_SECONDS_PER_UNIT_HOUR
from jinsuan.kernel.ref import Actor, Ref
from jinsuan.ledger.actions import Posting, post
from jinsuan.ledger.reasons import Reason
from jinsuan.metering import actions as metering
from jinsuan.metering.rating import CPU, Shape, card
from jinsuan.vouchers.actions import Capture, Want, capture, hold, release
from tests.flows.world import World

WORKER = Actor.system("test")


@dataclass(slots=True)
class MeteredJob:
    """One attempt of one job on two T4 cards and two cores."""

    world: World
    id: UUID = field(default_factory=new_id)
    attempt: UUID = field(default_factory=new_id)

    def begin(self, *, cover: str, authorised: str, now: datetime, voucher: str = "auto") -> None:
        metering.open_meters(
            [
                metering.Opening(
                    attempt=self.attempt,
                    job=self.id,
                    tenant=self.world.tenant,
                    provider=self.world.provider,
                    centre=self.world.centre_id,
                    shape=Shape(model="T4", milli_cards=2000, cpu_milli=2000, memory_mib=0),
                    authorised=Money.yuan(authorised),
                )
            ],
            actor=WORKER,
            now=now,
        )
        refused = hold(
            [
                Want(
                    attempt=self.attempt,
                    job=self.id,
                    number=1,
                    tenant=self.world.tenant,
                    provider=self.world.provider,
                    authorised=Money.yuan(authorised),
                    cover=Money.yuan(cover),
                    voucher=voucher,
                )
            ],
            actor=WORKER,
            now=now,
        )
        for error in refused.values():
            raise error

    def used(self, hours: int, *, now: datetime) -> Sequence[metering.Step]:
        """So many hours in all by now; charges and captures what is new."""
        metering.record(
            [
                metering.Reading(
                    attempt=self.attempt,
                    resource=resource,
                    milli_unit_seconds=2 * hours * MILLI_UNIT_SECONDS_PER_UNIT_HOUR,
                    occurred_at=now,
                )
                for resource in (card("T4"), CPU)
            ],
            now=now,
        )
        steps = metering.charge([self.attempt], now=now)
        capture(
            [
                Capture(
                    attempt=s.attempt,
                    charge=Ref("charge", s.charge),
                    number=s.number,
                    cumulative=s.cumulative,
                    amount=s.amount,
                )
                for s in steps
            ],
            actor=WORKER,
            now=now,
        )
        return steps

    def end(self, *, now: datetime) -> None:
        release([self.attempt], actor=WORKER, now=now)


def move(
    debit: str, credit: str, fen: int, reason: Reason, cause: Ref, *, key: str, now: datetime
) -> None:
    """One transfer by hand, as a correction or a payout makes it."""
    posting = Posting(
        key=key,
        debit=debit,
        credit=credit,
        amount=Money(fen),
        reason=reason,
        cause=cause,
        occurred_at=now,
    )
    post([posting], actor=WORKER, now=now)
