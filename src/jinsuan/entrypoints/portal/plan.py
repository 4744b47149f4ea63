"""A trial placement made ready for the page: who could, at what price, and why the others not. Pure."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta
from uuid import UUID

from jinsuan.dispatch.placement import Candidate, Placement, Refused
from jinsuan.entrypoints.portal.show import Chip, lasting
from jinsuan.kernel.money import Money
from jinsuan.vouchers.actions.escrow import Want, afford
from jinsuan.vouchers.errors import NotEnoughMoney
from jinsuan.vouchers.wallets import Wallet

FOLD = 3
"""So many centres with one cause become one row."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """One centre that could take the job now."""

    code: str
    name: str
    city: str
    what: str
    chosen: bool
    cheapest: bool
    hourly: Money
    total: Money
    voucher: Money
    cash: Money
    missing: Money | None
    lasting: str


@dataclass(frozen=True, slots=True, kw_only=True)
class No:
    """One cause why centres cannot; several centres of one cause are folded."""

    chip: Chip
    names: tuple[str, ...]
    numbers: tuple[str, ...]
    mend: str

    @property
    def folded(self) -> bool:
        return len(self.names) > 1

    @property
    def each(self) -> list[tuple[str, str]]:
        return list(zip(self.names, self.numbers, strict=True))


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """Everything a trial found."""

    rows: tuple[Row, ...]
    refused: tuple[No, ...]
    refusals: int
    may_wait: bool

    @property
    def chosen(self) -> Row | None:
        return next((row for row in self.rows if row.chosen), None)


def make_plan(
    placement: Placement, wallet: Wallet, *, tenant: UUID, voucher: str, centre: str
) -> Plan:
    """Show a placement. `centre` is the code that was picked; empty takes the cheapest."""
    codes = [c.cluster.centre_code for c in placement.candidates]
    picked = centre if centre in codes else (codes[0] if codes else "")
    rows, taken = [], False
    for number, candidate in enumerate(placement.candidates):
        chosen = candidate.cluster.centre_code == picked and not taken
        taken = taken or chosen
        rows.append(_row(candidate, wallet, tenant, voucher, chosen=chosen, cheapest=number == 0))
    return Plan(
        rows=tuple(rows),
        refused=_fold(placement.refused),
        refusals=len(placement.refused),
        may_wait=placement.may_wait,
    )


def _row(
    candidate: Candidate,
    wallet: Wallet,
    tenant: UUID,
    voucher: str,
    *,
    chosen: bool,
    cheapest: bool,
) -> Row:
    want = Want(
        attempt=tenant,
        job=tenant,
        number=0,
        tenant=tenant,
        provider=candidate.cluster.owner_id,
        authorised=candidate.authorised,
        cover=candidate.authorised,
        voucher=voucher,
    )
    missing = None
    try:
        parts, _ = afford(want, wallet)
        by_voucher, cash = parts.voucher_total, parts.cash
    except NotEnoughMoney as error:
        by_voucher, cash = error.from_vouchers, error.cash_needed
        missing = error.cash_needed - error.cash_available
    return Row(
        code=candidate.cluster.centre_code,
        name=candidate.cluster.centre_name,
        city=candidate.cluster.city.removesuffix("市"),
        what="只用处理器" if candidate.choice is None else str(candidate.choice.model),
        chosen=chosen,
        cheapest=cheapest,
        hourly=candidate.hourly,
        total=candidate.authorised,
        voucher=by_voucher,
        cash=cash,
        missing=missing,
        lasting=lasting(timedelta(seconds=candidate.max_seconds)),
    )


def _fold(refused: Sequence[Refused]) -> tuple[No, ...]:
    """Nearest to a yes first: what is only busy, then by cause; many of one cause fold."""
    causes: dict[tuple[bool, str, str], list[Refused]] = defaultdict(list)
    for one in refused:
        causes[(not one.passing, one.cause, one.mend)].append(one)
    found: list[No] = []
    for key in sorted(causes, key=lambda k: (k[0], len(causes[k]), k[1])):
        group = causes[key]
        found += [_no(part) for part in ([group] if len(group) >= FOLD else [[g] for g in group])]
    return tuple(found)


def _no(group: Sequence[Refused]) -> No:
    first = group[0]
    kind, icon = ("warn", "clock") if first.passing else ("", "x")
    return No(
        chip=Chip(first.cause, kind, icon),
        names=tuple(one.centre_name for one in group),
        numbers=tuple(one.numbers for one in group),
        mend=first.mend,
    )


def payable(error: NotEnoughMoney) -> Money:
    """A whole-yuan budget that vouchers and cash do cover, in the same proportion; nought if none.

    Two fen are kept back, because the voucher's share is rounded down.
    """
    if error.cash_needed.fen <= 0:
        return Money(0)
    fen = error.needed.fen * error.cash_available.fen // error.cash_needed.fen - 2
    return Money(max(0, fen) // 100 * 100)
