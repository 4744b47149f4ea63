"""What tenants can spend today: vouchers that pay together, and cash."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import date
from fractions import Fraction
from typing import NamedTuple
from uuid import UUID

from jinsuan.kernel.money import Money
from jinsuan.kernel.ref import Ref
from jinsuan.ledger import accounts
from jinsuan.ledger.queries import balances
from jinsuan.ledger.statements import read
from jinsuan.vouchers.split import Purse


@dataclass(frozen=True, slots=True, kw_only=True)
class Wallet:
    """What a tenant can spend today.

    Args:
        groups: vouchers that pay together, each group with its rate; the one whose voucher expires
            first is first.
    """

    groups: tuple[tuple[Fraction, tuple[Purse, ...]], ...]
    cash: Money

    @property
    def purses(self) -> tuple[Purse, ...]:
        """The vouchers that would pay first, whoever provides."""
        return self.groups[0][1] if self.groups else ()

    @property
    def rate(self) -> Fraction:
        return self.groups[0][0] if self.groups else Fraction(0)

    def at(
        self, provider: UUID | None, voucher: str = "auto"
    ) -> tuple[Fraction, tuple[Purse, ...]]:
        """The vouchers that pay at one provider, and their rate.

        Args:
            voucher: "auto", "none" or one voucher's text id.
        """
        for rate, purses in self.groups:
            fit = tuple(
                p
                for p in purses
                if p.provider in (None, provider) and voucher in ("auto", p.voucher)
            )
            if fit:
                return rate, fit
        return Fraction(0), ()


class _Usable(NamedTuple):
    """A voucher that may pay on a day, with its programme's rate."""

    tenant: UUID
    id: UUID
    expires_on: date
    provider: UUID | None
    programme: UUID
    rate_numerator: int
    rate_denominator: int


_USABLE = """
    SELECT v.tenant_id, v.id, v.expires_on, v.provider_id, p.id,
           v.rate_numerator, v.rate_denominator
    FROM vouchers_voucher v JOIN vouchers_programme p ON p.id = v.programme_id
    LEFT JOIN metering_contract c ON c.id = v.contract_id
    WHERE v.tenant_id = ANY (%(tenants)s::uuid[]) AND v.state = 'issued'
      AND v.valid_from <= %(day)s AND v.expires_on >= %(day)s AND p.pays = 'deduct'
      -- A voucher pays for what is metered under its own contract: the one signed last of those
      -- in force (metering.actions.contracts.in_force).
      AND (c.id IS NULL OR NOT EXISTS (
          SELECT FROM metering_contract later
          WHERE later.tenant_id = c.tenant_id AND later.provider_id = c.provider_id
            AND NOT later.standard AND later.effective_from <= %(day)s
            AND (later.effective_to IS NULL OR later.effective_to > %(day)s)
            AND (later.signed_on, later.recorded_at, later.id)
                > (c.signed_on, c.recorded_at, c.id)
            AND EXISTS (SELECT FROM metering_contractline line
                        WHERE line.contract_id = later.id AND line.category = 'compute')))
    ORDER BY v.expires_on, v.id
"""


def wallets(tenants: Iterable[UUID], *, on: date) -> dict[UUID, Wallet]:
    """The wallets of many tenants, read in two queries.

    Vouchers of one programme and one rate pay together; those whose voucher expires first go first.
    """
    ids = set(tenants)
    vouchers: dict[UUID, list[_Usable]] = defaultdict(list)
    for row in read(_USABLE, {"tenants": list(ids), "day": on}):
        vouchers[row[0]].append(_Usable._make(row))
    codes = {accounts.cash(Ref("organisation", tenant)) for tenant in ids}
    codes |= {accounts.voucher(Ref("voucher", v.id)) for vs in vouchers.values() for v in vs}
    left = {code: balance.available for code, balance in balances(codes).items()}
    return {tenant: _wallet(tenant, vouchers[tenant], left) for tenant in ids}


def _wallet(tenant: UUID, rows: list[_Usable], left: dict[str, Money]) -> Wallet:
    cash = left.get(accounts.cash(Ref("organisation", tenant)), Money(0))
    groups: dict[tuple[UUID, Fraction], list[Purse]] = {}
    for row in rows:
        ref = Ref("voucher", row.id)
        available = left.get(accounts.voucher(ref), Money(0))
        if available <= Money(0):
            continue
        rate = Fraction(row.rate_numerator, row.rate_denominator)
        groups.setdefault((row.programme, rate), []).append(
            Purse(
                voucher=str(ref),
                left=available,
                expires_on=row.expires_on,
                provider=row.provider,
            )
        )
    return Wallet(
        groups=tuple((rate, tuple(purses)) for (_, rate), purses in groups.items()), cash=cash
    )
