"""Who may follow a transfer: whose money it is, whose job it paid, and who oversees all."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime
from uuid import UUID

from jinsuan.casework.models import Case
from jinsuan.casework.queries import access_case
from jinsuan.dispatch.queries import access_job
from jinsuan.kernel.errors import NotFound
from jinsuan.kernel.ref import Actor, Ref, Role
from jinsuan.ledger import accounts
from jinsuan.ledger.accounts import Kind
from jinsuan.ledger.queries import TransferView
from jinsuan.vouchers.models import Application, CashOrder, Redemption, Voucher

SEES_ALL = frozenset({Role.AUDITOR, Role.PROVINCIAL_OFFICER, Role.TREASURY, Role.SYSTEM})
_ANY = datetime(2025, 1, 1, tzinfo=UTC)
_TENANTS = frozenset({Kind.CASH, Kind.RECEIVABLE, Kind.LIMIT, Kind.VOUCHER, Kind.DUE})
_PROVIDERS = frozenset({Kind.PAYABLE, Kind.RECEIVABLE, Kind.DUE})


def admit(viewer: Actor, transfer: TransferView, now: datetime | None) -> None:
    """The door to a transfer that no charge caused.

    Raises:
        NotFound: this viewer may not see it, in the words of there being none.
    """
    if viewer.role in SEES_ALL:
        return
    codes = [accounts.parse(code) for code in (transfer.debit, transfer.credit)]
    for code in codes:
        if code.kind is Kind.HOLD:
            access_job(viewer, Ref.read(code.id))
            return
    kinds = {Role.TENANT: _TENANTS, Role.CENTRE_OPERATOR: _PROVIDERS}.get(viewer.role)
    if kinds is not None:
        owners = {owner for code in codes if code.kind in kinds for owner in _owners(code)}
        if viewer.organisation in owners:
            return
    if viewer.role is Role.RECOMMENDER and now is not None:
        for code in codes:
            if any(case_or_none(viewer, case, now) is not None for case in _cases(code)):
                return
    raise NotFound("转账", str(transfer.ref))


def _owners(code: accounts.AccountCode) -> Iterator[UUID]:
    if code.kind in (Kind.CASH, Kind.PAYABLE, Kind.RECEIVABLE, Kind.LIMIT):
        yield Ref.read(code.id).id
    elif code.kind is Kind.VOUCHER:
        voucher = Ref.read(code.id).id
        yield from Voucher.objects.filter(id=voucher).values_list("tenant_id", flat=True)
        grants = Application.objects.filter(grant=voucher)
        yield from grants.values_list("case__applicant_id", flat=True)
    elif code.kind is Kind.DUE:
        ref = Ref.read(code.id)
        yield from Redemption.objects.filter(id=ref.id).values_list("payee_id", flat=True)
        yield from CashOrder.objects.filter(id=ref.id).values_list("organisation_id", flat=True)


def _cases(code: accounts.AccountCode) -> Iterator[UUID]:
    if code.kind is Kind.VOUCHER:
        found = Application.objects.filter(grant=Ref.read(code.id).id)
        yield from found.values_list("case_id", flat=True)
    elif code.kind is Kind.DUE:
        paid = Redemption.objects.filter(id=Ref.read(code.id).id)
        yield from paid.values_list("case_id", flat=True)


def case_or_none(viewer: Actor, case: UUID, now: datetime | None) -> Case | None:
    """A case, or None where this viewer may not see it.

    Args:
        now: when memberships are looked at. None: a recommending body's viewer sees no case.
    """
    if now is None:
        if viewer.role is Role.RECOMMENDER:
            return None
        now = _ANY  # only a recommender's view depends on the time
    try:
        return access_case(viewer, case, now=now)
    except NotFound:
        return None
