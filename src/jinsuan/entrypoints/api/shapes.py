"""The shapes of answers, as the OpenAPI document shows them. Money is text in yuan, "12.34"."""

from __future__ import annotations

from datetime import date, datetime
from typing import Any

from ninja import Schema


class SpecProblemOut(Schema):
    """One thing to mend in a job specification: where, what is wrong, and how to mend it."""

    path: str
    problem: str
    mend: str


class ProblemOut(Schema):
    """A refusal (application/problem+json): what happened, why, what to do next."""

    type: str
    title: str
    status: int
    code: str
    detail: str
    instance: str
    problems: list[SpecProblemOut] | None = None
    needed: str | None = None


class MeOut(Schema):
    """Who the token stands for."""

    person: str | None
    organisation: str
    organisation_name: str
    role: str
    scopes: list[str]


class AttemptOut(Schema):
    """One try of a job at one centre."""

    id: str
    number: int
    state: str
    cause: str | None
    exit_code: int | None
    centre: str
    centre_name: str
    cluster: str
    engine: str
    allocation: list[dict[str, Any]]
    started_at: datetime | None
    ended_at: datetime | None


class AttemptPageOut(Schema):
    """Attempts, first to begin first."""

    items: list[AttemptOut]
    next_cursor: str | None


class TransferOut(Schema):
    """One movement in the book. Its ref can be traced: `/trace/{ref}`."""

    ref: str
    debit: str
    credit: str
    amount: str
    reason: str
    reason_zh: str
    recorded_at: datetime


class ChargeOut(Schema):
    """One step of what a job costs, and the transfers that paid it."""

    id: str
    attempt: str
    number: int
    amount: str
    cumulative: str
    recorded_at: datetime
    transfers: list[TransferOut]


class ChargePageOut(Schema):
    """Charges, oldest first."""

    items: list[ChargeOut]
    next_cursor: str | None


class MoneyOut(Schema):
    """What a job may cost and did cost, in yuan."""

    authorised: str
    held: str
    charged: str
    from_vouchers: str
    cash: str
    shortfall: str


class JobOut(Schema):
    """One job."""

    id: str
    name: str
    state: str
    state_zh: str
    outcome: str | None
    outcome_zh: str | None
    why: str
    priority: int
    submitted_at: datetime
    started_at: datetime | None
    ended_at: datetime | None
    settled_at: datetime | None
    cancel_requested_at: datetime | None
    spec: dict[str, Any] | None = None
    attempts: list[AttemptOut] | None = None
    money: MoneyOut | None = None


class JobPageOut(Schema):
    """A page of jobs, newest first."""

    items: list[JobOut]
    next_cursor: str | None


class CandidateOut(Schema):
    """A place that could run the job now, and what it would cost."""

    centre: str
    centre_name: str
    city: str
    cluster: str
    accelerators: str | None
    hourly: str
    authorised: str
    max_seconds: int
    from_vouchers: str
    cash: str
    affordable: bool


class RefusedOut(Schema):
    """A place that could not, and why."""

    centre: str
    centre_name: str
    cause: str
    numbers: str
    mend: str
    passing: bool


class PlanOut(Schema):
    """A dry run: every centre is in one of the two lists."""

    candidates: list[CandidateOut]
    refused: list[RefusedOut]


class CentreOut(Schema):
    """One centre and what is free there; asked for alone, with today's prices in yuan per hour."""

    code: str
    name: str
    city: str
    kind: str
    network: str
    open: bool
    closed_reason: str
    last_seen_at: datetime | None
    nodes: int
    cards: dict[str, int]
    cards_free: dict[str, int]
    cpu_free: int
    prices: dict[str, str] | None = None


class CentrePageOut(Schema):
    """Centres in order of their codes."""

    items: list[CentreOut]
    next_cursor: str | None


class VoucherOut(Schema):
    """One voucher."""

    id: str
    title: str
    article: str
    state: str
    face: str
    left: str
    rate: str
    valid_from: date
    expires_on: date


class VoucherPageOut(Schema):
    """Vouchers, first to expire first."""

    items: list[VoucherOut]
    next_cursor: str | None


class AccountOut(Schema):
    """The tenant's money, in yuan."""

    cash: str
    held: str
    vouchers: str


class StatementLineOut(Schema):
    """One line of an account: positive amounts came in, `balance` is what stood after it."""

    transfer: str
    other: str
    amount: str
    balance: str
    reason: str
    reason_zh: str
    cause: str
    occurred_at: datetime
    recorded_at: datetime


class StatementPageOut(Schema):
    """Lines of an account, newest first."""

    items: list[StatementLineOut]
    next_cursor: str | None


class TraceStepOut(Schema):
    """One step from a fen to its cause."""

    number: int
    title: str
    ref: str | None
    facts: list[list[str]]


class TraceOut(Schema):
    """The path from one transfer back to the law."""

    ref: str
    steps: list[TraceStepOut]


class NotificationOut(Schema):
    """What the token's person was told in its role. `subject` is the thing to look at."""

    id: str
    kind: str
    subject: str
    number: str
    title: str
    words: str
    occurred_at: datetime
    read_at: datetime | None


class NotificationPageOut(Schema):
    """Notifications, newest first."""

    items: list[NotificationOut]
    next_cursor: str | None
