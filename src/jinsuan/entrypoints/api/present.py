"""Turn frozen views into the shapes of the API."""

from __future__ import annotations

from typing import Any

from jinsuan.dispatch.placement import Candidate, Placement
from jinsuan.dispatch.queries import AttemptView, JobView
from jinsuan.kernel.money import Money
from jinsuan.ledger.queries import StatementLine, TransferView
from jinsuan.metering.queries import ChargeStep
from jinsuan.metering.rating import Prices
from jinsuan.protocol.states import JOB_STATE_ZH, OUTCOME_ZH, JobState, Outcome
from jinsuan.registry.capacity import ClusterFree
from jinsuan.vouchers.actions.escrow import Want, afford
from jinsuan.vouchers.errors import NotEnoughMoney
from jinsuan.vouchers.queries import FundingView, VoucherView
from jinsuan.vouchers.wallets import Wallet


def job(view: JobView, *, fundings: list[FundingView] | None = None) -> dict[str, Any]:
    """A job; with its attempts and money when `fundings` are given."""
    outcome = None if view.outcome is None else Outcome(view.outcome)
    shown: dict[str, Any] = {
        "id": str(view.ref),
        "name": view.name,
        "state": view.state,
        "state_zh": JOB_STATE_ZH[JobState(view.state)],
        "outcome": outcome,
        "outcome_zh": None if outcome is None else OUTCOME_ZH[outcome],
        "why": view.why,
        "priority": view.priority,
        "submitted_at": view.submitted_at,
        "started_at": view.started_at,
        "ended_at": view.ended_at,
        "settled_at": view.settled_at,
        "cancel_requested_at": view.cancel_requested_at,
    }
    if fundings is not None:
        shown["spec"] = view.spec
        shown["attempts"] = [attempt(one) for one in view.attempts]
        shown["money"] = money(fundings)
    return shown


def attempt(view: AttemptView) -> dict[str, Any]:
    """One try of a job."""
    return {
        "id": str(view.ref),
        "number": view.number,
        "state": view.state,
        "cause": view.cause,
        "exit_code": view.exit_code,
        "centre": view.centre_code,
        "centre_name": view.centre_name,
        "cluster": view.cluster,
        "engine": view.engine,
        "allocation": list(view.allocation),
        "started_at": view.started_at,
        "ended_at": view.ended_at,
    }


def money(fundings: list[FundingView]) -> dict[str, str]:
    """What a job may cost and did cost, over all its attempts."""
    live = [f for f in fundings if f.released_at is None or f.captured]
    return {
        "authorised": Money.total(f.authorised for f in live).plain,
        "held": Money.total(f.held for f in fundings).plain,
        "charged": Money.total(f.captured for f in fundings).plain,
        "from_vouchers": Money.total(f.voucher_captured for f in fundings).plain,
        "cash": Money.total(f.cash_captured - f.shortfall for f in fundings).plain,
        "shortfall": Money.total(f.shortfall for f in fundings).plain,
    }


def plan(placement: Placement, wallet: Wallet, *, want: Want) -> dict[str, Any]:
    """A dry run with who would pay what at each candidate."""
    return {
        "candidates": [_candidate(c, wallet, want) for c in placement.candidates],
        "refused": [
            {
                "centre": r.centre_code,
                "centre_name": r.centre_name,
                "cause": r.cause,
                "numbers": r.numbers,
                "mend": r.mend,
                "passing": r.passing,
            }
            for r in placement.refused
        ],
    }


def _candidate(candidate: Candidate, wallet: Wallet, want: Want) -> dict[str, Any]:
    asked = Want(
        attempt=want.attempt,
        job=want.job,
        number=want.number,
        tenant=want.tenant,
        provider=candidate.cluster.owner_id,
        authorised=candidate.authorised,
        cover=candidate.authorised,
        voucher=want.voucher,
    )
    affordable = True
    try:
        parts, _ = afford(asked, wallet)
        from_vouchers, cash = parts.voucher_total, parts.cash
    except NotEnoughMoney as error:
        affordable, from_vouchers, cash = False, error.from_vouchers, error.cash_needed
    cluster = candidate.cluster
    return {
        "centre": cluster.centre_code,
        "centre_name": cluster.centre_name,
        "city": cluster.city,
        "cluster": cluster.name,
        "accelerators": None if candidate.choice is None else str(candidate.choice),
        "hourly": candidate.hourly.plain,
        "authorised": candidate.authorised.plain,
        "max_seconds": candidate.max_seconds,
        "from_vouchers": from_vouchers.plain,
        "cash": cash.plain,
        "affordable": affordable,
    }


def centre(clusters: list[ClusterFree], *, prices: Prices | None = None) -> dict[str, Any]:
    """One centre from its clusters; with prices when it is shown alone."""
    first = clusters[0]
    cards: dict[str, int] = {}
    free: dict[str, int] = {}
    nodes = [node for cluster in clusters for node in cluster.nodes]
    for node in nodes:
        if node.model is not None:
            cards[node.model] = cards.get(node.model, 0) + len(node.cards_free_milli)
            whole = sum(1 for milli in node.cards_free_milli if milli == 1000)
            free[node.model] = free.get(node.model, 0) + whole
    return {
        "code": first.centre_code,
        "name": first.centre_name,
        "city": first.city,
        "kind": first.kind,
        "network": first.network,
        "open": first.open,
        "closed_reason": first.closed_reason,
        "last_seen_at": first.last_seen_at,
        "nodes": len(nodes),
        "cards": cards,
        "cards_free": free,
        "cpu_free": sum(node.cpu_free_milli for node in nodes) // 1000,
        "prices": None
        if prices is None
        else {resource: yuan_per_hour(milli) for resource, milli in sorted(prices.items())},
    }


def yuan_per_hour(millifen: int) -> str:
    """A price in thousandths of a fen as yuan, with at least two decimals and no rounding."""
    assert millifen >= 0, millifen
    yuan, rest = divmod(millifen, 100_000)
    decimals = f"{rest:05d}".rstrip("0").ljust(2, "0")
    return f"{yuan}.{decimals}"


def charge(step: ChargeStep, moved: list[TransferView]) -> dict[str, Any]:
    """One charge with the transfers that it caused."""
    return {
        "id": str(step.ref),
        "attempt": str(step.attempt),
        "number": step.number,
        "amount": step.amount.plain,
        "cumulative": step.cumulative.plain,
        "recorded_at": step.recorded_at,
        "transfers": [
            {
                "ref": str(view.ref),
                "debit": view.debit,
                "credit": view.credit,
                "amount": view.amount.plain,
                "reason": view.reason,
                "reason_zh": view.reason.label,
                "recorded_at": view.recorded_at,
            }
            for view in moved
        ],
    }


def statement_line(line: StatementLine) -> dict[str, Any]:
    """One line of an account."""
    return {
        "transfer": str(line.transfer),
        "other": line.other,
        "amount": line.amount.plain,
        "balance": line.balance.plain,
        "reason": line.reason,
        "reason_zh": line.reason.label,
        "cause": str(line.cause),
        "occurred_at": line.occurred_at,
        "recorded_at": line.recorded_at,
    }


def voucher(view: VoucherView) -> dict[str, Any]:
    """One voucher."""
    return {
        "id": str(view.ref),
        "title": view.title,
        "article": view.article,
        "state": view.state,
        "face": view.face.plain,
        "left": view.left.plain,
        "rate": str(view.rate),
        "valid_from": view.valid_from,
        "expires_on": view.expires_on,
    }
