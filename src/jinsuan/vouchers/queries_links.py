"""What vouchers know to hang together: applications, grants, fundings, redemptions, clawbacks."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from uuid import UUID

from django.db.models import Q

from jinsuan.kernel.ref import Ref
from jinsuan.vouchers.models import (
    Application,
    Clawback,
    Funding,
    FundingSource,
    Redemption,
    Voucher,
)
from jinsuan.vouchers.queries_bank import links as bank_links


def links(ref: Ref) -> list[Ref]:
    """What vouchers know to hang together with this thing, the nearest first."""
    finder = _LINKS.get(ref.kind)
    return bank_links(ref) if finder is None else list(dict.fromkeys(finder(ref.id)))


def _of_job(pk: UUID) -> Iterator[Ref]:
    sources = FundingSource.objects.filter(funding__job=pk, voucher__isnull=False)
    for voucher in sources.order_by("pk").values_list("voucher_id", flat=True):
        assert voucher is not None
        yield Ref("voucher", voucher)


def _of_attempt(pk: UUID) -> Iterator[Ref]:
    for funding in Funding.objects.filter(attempt=pk):
        yield Ref("job", funding.job)
        for source in funding.sources.filter(voucher__isnull=False).order_by("pk"):
            assert source.voucher_id is not None
            yield Ref("voucher", source.voucher_id)


def _of_voucher(pk: UUID) -> Iterator[Ref]:
    for row in Voucher.objects.filter(id=pk):
        yield Ref("programme", row.programme_id)
        yield Ref("organisation", row.tenant_id)
        yield Ref("person", row.issued_by_id)
        if row.case_id is not None:
            yield Ref("case", row.case_id)
        if row.contract_id is not None:
            yield Ref("contract", row.contract_id)
    # The grant names the voucher's id from the first day, before there is one.
    for one in Application.objects.filter(grant=pk):
        yield Ref("application", one.id)
        if one.decision_id is not None:
            yield Ref("decision", one.decision_id)
    for redemption in Redemption.objects.filter(voucher=pk).order_by("number"):
        yield Ref("redemption", redemption.id)
    for clawback in Clawback.objects.filter(voucher=pk).order_by("id"):
        yield Ref("clawback", clawback.id)
    sources = FundingSource.objects.filter(voucher=pk).order_by("pk")
    for attempt in sources.values_list("funding_id", flat=True):
        yield Ref("attempt", attempt)


def _of_applications(where: Q) -> Iterator[Ref]:
    for row in Application.objects.filter(where).order_by("id"):
        yield Ref("application", row.id)
        yield from _of_application(row.id)


def _of_application(pk: UUID) -> Iterator[Ref]:
    for row in Application.objects.filter(id=pk):
        yield Ref("case", row.case_id)
        yield Ref("voucher", row.grant)
        yield Ref("programme", row.programme_id)
        yield Ref("organisation", row.provider_id)
        if row.contract_id is not None:
            yield Ref("contract", row.contract_id)
        if row.decision_id is not None:
            yield Ref("decision", row.decision_id)


def _of_case(pk: UUID) -> Iterator[Ref]:
    yield from _of_applications(Q(case=pk))
    for row in Redemption.objects.filter(case=pk):
        yield Ref("redemption", row.id)
        yield Ref("voucher", row.voucher_id)


def _of_decision(pk: UUID) -> Iterator[Ref]:
    yield from _of_applications(Q(decision=pk))


def _of_contract(pk: UUID) -> Iterator[Ref]:
    for row in Voucher.objects.filter(contract=pk):
        yield Ref("voucher", row.id)
    for one in Application.objects.filter(contract=pk).order_by("id"):
        yield Ref("application", one.id)


def _of_redemption(pk: UUID) -> Iterator[Ref]:
    for row in Redemption.objects.filter(id=pk):
        yield Ref("case", row.case_id)
        yield Ref("voucher", row.voucher_id)
        yield Ref("organisation", row.payee_id)


def _of_clawback(pk: UUID) -> Iterator[Ref]:
    for row in Clawback.objects.filter(id=pk):
        yield Ref("voucher", row.voucher_id)
        yield Ref("organisation", row.payee_id)
        for person in (row.proposed_by, row.confirmed_by):
            if person is not None:
                yield Ref("person", person)


_LINKS: dict[str, Callable[[UUID], Iterator[Ref]]] = {
    "job": _of_job,
    "attempt": _of_attempt,
    "voucher": _of_voucher,
    "application": _of_application,
    "case": _of_case,
    "decision": _of_decision,
    "contract": _of_contract,
    "redemption": _of_redemption,
    "clawback": _of_clawback,
}
