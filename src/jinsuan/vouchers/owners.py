"""Whose the accounts of the book are, for whoever oversees all of it."""

from __future__ import annotations

from collections.abc import Iterable
from uuid import UUID

from jinsuan.kernel.ref import Ref
from jinsuan.ledger import accounts
from jinsuan.ledger.accounts import Kind
from jinsuan.vouchers.models import Application, CashOrder, Funding, Redemption, Voucher

_OWN = frozenset({Kind.CASH, Kind.PAYABLE, Kind.RECEIVABLE, Kind.LIMIT})


def owners_of(codes: Iterable[str]) -> dict[str, UUID]:
    """The organisation behind each of these accounts. Pools, banks and the like belong to none."""
    wanted = [accounts.parse(code) for code in codes]
    known: dict[tuple[Kind, str], UUID] = {}
    known |= {(c.kind, c.id): Ref.read(c.id).id for c in wanted if c.kind in _OWN}
    vouchers = _ids(wanted, Kind.VOUCHER)
    known |= _found(Kind.VOUCHER, "voucher", _granted(vouchers))
    of_voucher = Voucher.objects.filter(id__in=vouchers).values_list("id", "tenant_id")
    known |= _found(Kind.VOUCHER, "voucher", of_voucher)
    of_job = Funding.objects.filter(job__in=_ids(wanted, Kind.HOLD)).values_list("job", "tenant_id")
    known |= _found(Kind.HOLD, "job", of_job)
    due = _ids(wanted, Kind.DUE)
    redemptions = Redemption.objects.filter(id__in=due).values_list("id", "payee_id")
    known |= _found(Kind.DUE, "redemption", redemptions)
    orders = CashOrder.objects.filter(id__in=due).values_list("id", "organisation_id")
    known |= _found(Kind.DUE, "cashorder", orders)
    found = ((c, known.get((c.kind, c.id))) for c in wanted)
    return {_text(code): owner for code, owner in found if owner is not None}


def named_for(organisations: Iterable[UUID]) -> list[str]:
    """What the codes of these organisations' accounts name: themselves, their vouchers, jobs and
    what is due to them.
    """
    of = list(organisations)
    own = [Ref("organisation", pk) for pk in of]
    own += _refs("voucher", Voucher.objects.filter(tenant__in=of).values_list("id", flat=True))
    asked = Application.objects.filter(case__applicant__in=of)
    own += _refs("voucher", asked.values_list("grant", flat=True))
    own += _refs("job", Funding.objects.filter(tenant__in=of).values_list("job", flat=True))
    own += _refs("redemption", Redemption.objects.filter(payee__in=of).values_list("id", flat=True))
    orders = CashOrder.objects.filter(organisation__in=of)
    own += _refs("cashorder", orders.values_list("id", flat=True))
    return [str(ref) for ref in dict.fromkeys(own)]


def _granted(vouchers: list[UUID]) -> Iterable[tuple[UUID | None, UUID]]:
    rows = Application.objects.filter(grant__in=vouchers)
    return rows.values_list("grant", "case__applicant_id")


def _ids(codes: Iterable[accounts.AccountCode], kind: Kind) -> list[UUID]:
    return [Ref.read(code.id).id for code in codes if code.kind is kind]


def _refs(kind: str, ids: Iterable[UUID | None]) -> list[Ref]:
    return [Ref(kind, pk) for pk in ids if pk is not None]


def _found(
    kind: Kind, name: str, rows: Iterable[tuple[UUID | None, UUID]]
) -> dict[tuple[Kind, str], UUID]:
    return {(kind, str(Ref(name, pk))): owner for pk, owner in rows if pk is not None}


def _text(code: accounts.AccountCode) -> str:
    return ":".join((code.kind, code.id, *([code.sub] if code.sub else [])))
