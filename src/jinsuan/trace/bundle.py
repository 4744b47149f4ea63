"""One transfer with everything it takes to work it out again elsewhere, as one JSON value.

Only what the books say; `verify` reads it without a database. People are ids, files are digests.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

from jinsuan.casework.models import Case, Decision, PaymentLine
from jinsuan.kernel.errors import NotAllowed, NotFound
from jinsuan.kernel.ref import Actor, Ref, Role
from jinsuan.ledger import accounts, queries as ledger
from jinsuan.ledger.models import Transfer
from jinsuan.ledger.seal import evidence_of
from jinsuan.metering.models import Charge, ChargeLine, LockedPrice, Meter
from jinsuan.policy.library import known
from jinsuan.trace.money import captures_of
from jinsuan.trace.verify import FORMAT
from jinsuan.vouchers.models import Application, Clawback, Funding, Redemption, Voucher

MAKES = frozenset({Role.AUDITOR, Role.PROVINCIAL_OFFICER, Role.SYSTEM})
"""Who may take one: it holds the whole case, the ids of all its people included."""


class _Draft:
    """What belongs into a bundle, each thing once."""

    def __init__(self) -> None:
        self.transfers: dict[UUID, ledger.TransferView] = {}
        self.charges: dict[UUID, int] = {}  # attempt to the last number
        self.vouchers: set[UUID] = set()
        self.redemptions: set[UUID] = set()
        self.clawbacks: set[UUID] = set()
        self.lines: set[UUID] = set()

    def add(self, found: Iterable[ledger.TransferView]) -> None:
        for one in found:
            self.transfers[one.ref.id] = one


def make_bundle(
    viewer: Actor, ref: Ref, *, keys: Mapping[str, str] | None = None, now: datetime
) -> dict[str, Any]:
    """Everything behind one transfer.

    Args:
        keys: public keys (PEM) by their ids, for the convenience of whoever has none yet.

    Raises:
        NotFound: no such transfer.
        NotAllowed: neither an auditor nor the province.
    """
    if viewer.role not in MAKES:
        raise NotAllowed("下载溯源包", "审计或省级经办")
    start = ledger.transfer(ref)
    draft = _Draft()
    draft.add([start])
    _follow(draft, start)
    for voucher in draft.vouchers:
        _grants(draft, voucher)
    for attempt, last in draft.charges.items():
        _money_of_attempt(draft, attempt, last)
    held = [one.pending for one in draft.transfers.values() if one.pending is not None]
    draft.add([ledger.transfer(one) for one in held])
    cases, decisions = _cases(draft)
    made: dict[str, Any] = {
        "format": FORMAT,
        "transfer": str(start.ref),
        "made_at": now.astimezone(UTC).isoformat(timespec="seconds"),
        "transfers": _transfers(draft),
        "attempts": [_attempt(pk, last) for pk, last in sorted(draft.charges.items())],
        "vouchers": [_voucher(row) for row in _rows(Voucher, draft.vouchers)],
        "decisions": [_decision(row) for row in decisions],
        "packs": [_pack(name) for name in sorted({row.pack for row in decisions})],
        "cases": [_case(row) for row in cases],
        "redemptions": [_redemption(row) for row in _rows(Redemption, draft.redemptions)],
        "payments": [_line(row) for row in _rows(PaymentLine, draft.lines)],
        "clawbacks": [_clawback(row) for row in _rows(Clawback, draft.clawbacks)],
        "keys": dict(keys or {}),
    }
    made["audit"] = evidence_of(_subjects(made))
    return made


def _rows(model: type[Any], ids: Iterable[UUID]) -> list[Any]:
    return list(model.objects.filter(id__in=set(ids)).order_by("id"))


def _follow(draft: _Draft, start: ledger.TransferView) -> None:
    """From the transfer to its attempts, vouchers and redemptions."""
    cause = start.cause
    if cause.kind in ("charge", "attempt"):
        _attempt_behind(draft, cause)
    elif cause.kind in ("decision", "case"):
        rows = Application.objects.filter(**{cause.kind: cause.id})
        draft.vouchers.update(rows.values_list("grant", flat=True))
    elif cause.kind == "voucher":
        draft.vouchers.add(cause.id)
    elif cause.kind == "clawback":
        draft.clawbacks.add(cause.id)
        draft.vouchers.add(Clawback.objects.get(id=cause.id).voucher_id)
    elif cause.kind == "redemption":
        draft.redemptions.add(cause.id)
    elif cause.kind == "paymentline":
        draft.lines.add(cause.id)
        basis = Ref.read(PaymentLine.objects.get(id=cause.id).basis)
        assert basis.kind == "redemption", basis
        draft.redemptions.add(basis.id)
    for code in (accounts.parse(start.debit), accounts.parse(start.credit)):
        named = [part for part in (code.id, code.sub) if part.startswith("voucher_")]
        draft.vouchers.update(Ref.read(part).id for part in named)
    for redemption in _rows(Redemption, draft.redemptions):
        _reimbursed(draft, redemption)


def _attempt_behind(draft: _Draft, cause: Ref) -> None:
    if cause.kind == "attempt":
        draft.charges[cause.id] = 0
        return
    charge = Charge.objects.filter(id=cause.id).first()
    if charge is None:
        raise NotFound("费用", str(cause))
    draft.charges[charge.attempt_id] = charge.number


def _reimbursed(draft: _Draft, row: Redemption) -> None:
    """What earlier redemptions came to counts in this one, so all captures of the voucher belong."""
    earlier = Redemption.objects.filter(voucher=row.voucher_id, number__lte=row.number)
    draft.vouchers.add(row.voucher_id)
    for one in earlier.exclude(case__state__in=("refused", "withdrawn")).select_related("voucher"):
        draft.redemptions.add(one.id)
        ref = Ref("redemption", one.id)
        draft.add(ledger.transfers_caused_by(ref))
        for line in PaymentLine.objects.filter(basis=str(ref)):
            draft.lines.add(line.id)
            draft.add(ledger.transfers_caused_by(Ref("paymentline", line.id)))
        causes = [found.cause.id for found in captures_of(one)]
        for attempt, number in Charge.objects.filter(id__in=causes).values_list(
            "attempt_id", "number"
        ):
            draft.charges[attempt] = max(number, draft.charges.get(attempt, 0))


def _grants(draft: _Draft, voucher: UUID) -> None:
    draft.add(ledger.transfers_caused_by(Ref("voucher", voucher)))
    for row in Application.objects.filter(grant=voucher, decision__isnull=False):
        assert row.decision_id is not None
        decision = Ref("decision", row.decision_id)
        for what in ("grant", "limit"):
            draft.add(ledger.transfers_with_key_prefix(f"{what}:{decision}"))


def _money_of_attempt(draft: _Draft, attempt: UUID, last: int) -> None:
    """All holds of an attempt, and what each charge up to the last made move."""
    draft.add(ledger.transfers_caused_by(Ref("attempt", attempt)))
    charges = Charge.objects.filter(attempt=attempt, number__lte=last)
    refs = [Ref("charge", pk) for pk in charges.values_list("id", flat=True)]
    for found in ledger.transfers_caused_by_each(refs).values():
        draft.add(found)
    funding = Funding.objects.filter(attempt=attempt).first()
    for source in [] if funding is None else funding.sources.filter(voucher__isnull=False):
        assert source.voucher_id is not None
        if source.voucher_id not in draft.vouchers:
            draft.vouchers.add(source.voucher_id)
            _grants(draft, source.voucher_id)


def _transfers(draft: _Draft) -> list[dict[str, Any]]:
    rows = Transfer.objects.filter(id__in=draft.transfers).order_by("number", "id")
    return [
        {
            "transfer": str(Ref("transfer", row.id)),
            "number": row.number,
            "hash": bytes(row.request_hash).hex(),
            "occurred_at": row.occurred_at.astimezone(UTC).isoformat(),
            "recorded_at": row.recorded_at.astimezone(UTC).isoformat(),
            "content": _content(draft.transfers[row.id]),
        }
        for row in rows
    ]


def _content(view: ledger.TransferView) -> dict[str, Any]:
    return {
        "key": view.key,
        "debit": view.debit,
        "credit": view.credit,
        "fen": view.amount.fen,
        "reason": str(view.reason),
        "cause": str(view.cause),
        "step": str(view.step),
        "pending": view.pending_key,
    }


def _attempt(pk: UUID, last: int) -> dict[str, Any]:
    meter = Meter.objects.get(attempt=pk)
    funding = Funding.objects.get(attempt=pk)
    prices = LockedPrice.objects.filter(attempt=pk).order_by("resource")
    charges = Charge.objects.filter(attempt=pk, number__lte=last).order_by("number")
    return {
        "attempt": str(Ref("attempt", pk)),
        "job": str(Ref("job", meter.job)),
        "number": funding.number,
        "contract": str(Ref("contract", meter.contract_id)),
        "tenant": str(Ref("organisation", meter.tenant_id)),
        "provider": str(Ref("organisation", meter.provider_id)),
        "authorised_fen": meter.authorised_fen,
        "rate": [funding.rate_numerator, funding.rate_denominator],
        "prices": [
            {
                "resource": one.resource,
                "millifen_per_hour": one.millifen_per_hour,
                "tariff": str(Ref("tariff", one.tariff_id)),
            }
            for one in prices
        ],
        "charges": [_charge(row) for row in charges],
    }


def _charge(row: Charge) -> dict[str, Any]:
    lines = ChargeLine.objects.filter(charge=row).select_related("reading")
    return {
        "charge": str(Ref("charge", row.id)),
        "number": row.number,
        "cumulative_fen": row.cumulative_fen,
        "amount_fen": row.amount_fen,
        "readings": [
            {
                "reading": str(Ref("reading", line.reading_id)),
                "resource": line.reading.resource,
                "milli_unit_seconds": line.reading.milli_unit_seconds,
                "occurred_at": line.reading.occurred_at.astimezone(UTC).isoformat(),
                "recorded_at": line.reading.recorded_at.astimezone(UTC).isoformat(),
            }
            for line in lines.order_by("reading__resource")
        ],
    }


def _voucher(row: Voucher) -> dict[str, Any]:
    application = Application.objects.filter(grant=row.id).first()
    decision = None if application is None else application.decision_id
    return {
        "voucher": str(Ref("voucher", row.id)),
        "programme": row.programme.code,
        "tenant": str(row.tenant_id),
        "face_fen": row.face_fen,
        "rate": [row.rate_numerator, row.rate_denominator],
        "valid_from": str(row.valid_from),
        "expires_on": str(row.expires_on),
        "case": None if row.case_id is None else str(Ref("case", row.case_id)),
        "decision": None if decision is None else str(Ref("decision", decision)),
        "contract": None if row.contract_id is None else str(Ref("contract", row.contract_id)),
    }


def _cases(draft: _Draft) -> tuple[list[Case], list[Decision]]:
    applications = Application.objects.filter(grant__in=draft.vouchers)
    ids = set(applications.values_list("case_id", flat=True))
    redemptions = Redemption.objects.filter(id__in=draft.redemptions)
    ids |= set(redemptions.values_list("case_id", flat=True))
    decisions = Decision.objects.filter(case__in=ids).order_by("recorded_at", "id")
    return _rows(Case, ids), list(decisions)


def _decision(row: Decision) -> dict[str, Any]:
    return {
        "decision": str(Ref("decision", row.id)),
        "case": str(Ref("case", row.case_id)),
        "pack": row.pack,
        "rule": row.rule,
        "mode": row.mode,
        "outcome": row.outcome,
        "bound_fen": row.bound_fen,
        "amount_fen": row.amount_fen,
        "person": str(row.person),
        "reason": row.reason,
        "content": row.content,
        "digest": bytes(row.content_digest).hex(),
    }


def _pack(name: str) -> dict[str, Any]:
    path = known().get(name)
    return {"pack": name, "text": "" if path is None else path.read_text("utf-8")}


def _case(row: Case) -> dict[str, Any]:
    return {
        "case": str(Ref("case", row.id)),
        "number": row.number,
        "state": row.state,
        "moves": [
            {
                "number": move.number,
                "name": move.name,
                "level": move.level,
                "person": None if move.person is None else str(move.person),
                "reason": move.reason,
                "after": bytes(move.after_digest).hex(),
            }
            for move in row.moves.order_by("number")
        ],
        "attachments": [
            {
                "attachment": str(Ref("attachment", one.id)),
                "purpose": one.purpose,
                "sha256": bytes(one.sha256).hex(),
            }
            for one in row.attachments.order_by("id")
        ],
    }


FOUR = ("contract_fen", "metered_fen", "invoiced_fen", "paid_fen", "captured_fen")


def _redemption(row: Redemption) -> dict[str, Any]:
    numbers = (*FOUR, "cumulative_fen", "before_fen", "amount_fen", "binding")
    return {
        "redemption": str(Ref("redemption", row.id)),
        "case": str(Ref("case", row.case_id)),
        "voucher": str(Ref("voucher", row.voucher_id)),
        "number": row.number,
        "through": str(row.through),
        **{name: getattr(row, name) for name in numbers},
    }


def _line(row: PaymentLine) -> dict[str, Any]:
    return {
        "line": str(Ref("paymentline", row.id)),
        "batch": str(Ref("paymentbatch", row.batch_id)),
        "basis": row.basis,
        "amount_fen": row.amount_fen,
        "state": row.state,
        "bank_reference": row.bank_reference,
    }


def _clawback(row: Clawback) -> dict[str, Any]:
    return {
        "clawback": str(Ref("clawback", row.id)),
        "voucher": str(Ref("voucher", row.voucher_id)),
        "amount_fen": row.amount_fen,
        "proposed_by": str(row.proposed_by),
        "confirmed_by": None if row.confirmed_by is None else str(row.confirmed_by),
    }


def _subjects(made: Mapping[str, Any]) -> set[str]:
    """The things whose audit rows belong into the bundle."""
    found = {
        one[name]
        for group, name in (
            ("transfers", "transfer"),
            ("vouchers", "voucher"),
            ("decisions", "decision"),
            ("cases", "case"),
            ("redemptions", "redemption"),
            ("payments", "batch"),
            ("clawbacks", "clawback"),
            ("attempts", "job"),
        )
        for one in made[group]
    }
    return found | {one["attachment"] for case in made["cases"] for one in case["attachments"]}
