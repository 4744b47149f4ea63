"""What the checks of a case look at, collected from every room below; frozen values only."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import date, datetime, time, timedelta
from uuid import UUID

from django.db.models import Exists, Max, OuterRef, QuerySet

from jinsuan.casework.documents import invoice
from jinsuan.casework.models import Attachment, Case, ClaimedDocument, PayeeAccount
from jinsuan.kernel.money import Money
from jinsuan.kernel.period import BEIJING, beijing_date
from jinsuan.kernel.ref import Ref
from jinsuan.metering.models import (
    Charge,
    Invoice,
    LockedPrice,
    Meter,
    Tariff,
    UsageReading,
)
from jinsuan.metering.queries import tariffs_on
from jinsuan.registry.models import Centre
from jinsuan.registry.queries_relations import Surroundings, surroundings
from jinsuan.registry.relations import Link, connected
from jinsuan.vouchers.actions.apply import CONTRACT
from jinsuan.vouchers.checks.doubt import DataLacking
from jinsuan.vouchers.checks.papers import Billed, Paper
from jinsuan.vouchers.checks.parties import Parties
from jinsuan.vouchers.checks.thresholds import Related
from jinsuan.vouchers.checks.use import Band, Charged, Quote, Series
from jinsuan.vouchers.models import (
    Application,
    CheckMode,
    PaperIndex,
    PriceBand,
    Redemption,
)

CARD = "card:"
_UNSEEN = ("draft", "withdrawn")
_LIVE_ACCOUNTS = ("pending", "confirmed", "replaced")


@dataclass(frozen=True, slots=True, kw_only=True)
class Subject:
    """What a case is about: an application, and for a redemption what is asked on its voucher."""

    case: Case
    application: Application
    redemption: Redemption | None

    @property
    def contract(self) -> UUID | None:
        return self.application.contract_id

    @property
    def family(self) -> list[UUID]:
        """The case and the one that its voucher was granted in."""
        return sorted({self.case.id, self.application.case_id})


def subject_of(case: Case) -> Subject | None:
    """The application behind a case; None when nothing of ours stands behind it."""
    redemption = None
    granted = case.id
    if case.kind == "redemption":
        redemption = (
            Redemption.objects.select_related("voucher__programme").filter(case=case).first()
        )
        if redemption is None or redemption.voucher.case_id is None:
            return None
        granted = redemption.voucher.case_id
    found = (
        Application.objects.select_related("case__applicant", "provider", "contract")
        .prefetch_related("lines")
        .filter(case=granted)
        .first()
    )
    if found is None:
        return None
    return Subject(case=case, application=found, redemption=redemption)


def around(subject: Subject, at: Related, *, now: datetime) -> Surroundings:
    """Everything connected with either party, receiving accounts included."""
    row = subject.application
    asked = [row.case.applicant_id, row.provider_id]
    found = surroundings(asked, hops=at.hops, now=now)
    accounts = _accounts(found.names)
    return Surroundings(
        links=(*found.links, *accounts), own=found.own, names=found.names, unknown=found.unknown
    )


def _accounts(organisations: Iterable[UUID]) -> list[Link]:
    """Two organisations that are paid into one account are connected by it."""
    rows = PayeeAccount.objects.filter(organisation__in=organisations, state__in=_LIVE_ACCOUNTS)
    return [
        Link(
            organisation=row.organisation_id,
            kind="bank_account",
            key=bytes(row.number_index),
            row=Ref("payeeaccount", row.id),
        )
        for row in rows
    ]


def parties_of(subject: Subject, found: Surroundings) -> Parties:
    row = subject.application
    return Parties(
        applicant=row.case.applicant_id,
        provider=row.provider_id,
        declared=row.related,
        links=found.links,
        own=found.own,
        names=found.names,
        unknown=found.unknown,
    )


def group_of(subject: Subject, found: Surroundings, at: Related) -> frozenset[UUID]:
    """The applicant and everybody connected with it, the provider and what only it leads to left
    out: its other customers are not the applicant's people.
    """
    provider = subject.application.provider_id
    links = [one for one in found.links if one.organisation != provider]
    own = {key: one for key, one in found.own.items() if one != provider}
    return connected(
        subject.application.case.applicant_id,
        links,
        own,
        hops=at.hops,
        least_share_bps=at.least_share_bps,
    )


def handed_in() -> QuerySet[Application]:
    """Every application that was handed in and not withdrawn."""
    return Application.objects.exclude(case__state__in=_UNSEEN)


def unindexed(recipe: str) -> QuerySet[Application]:
    """Those that the index of texts does not know by its recipe of today."""
    known = PaperIndex.objects.filter(application=OuterRef("pk"), recipe=recipe)
    return handed_in().filter(~Exists(known)).prefetch_related("lines").order_by("id")


def text_of(row: Application) -> str:
    """What is compared: the contract's lines and what the cards are for."""
    lines = sorted(row.lines.all(), key=lambda one: one.place)
    return "\n".join([*(one.description for one in lines), row.purpose])


def papers_of(subject: Subject, group: frozenset[UUID]) -> tuple[Paper, list[Paper]]:
    """This application, and of all others that were handed in those that could be its copy or its
    other half: by a key of the index, by a scan of theirs, or by the same group and provider.
    """
    mine = subject.application
    index = PaperIndex.objects.get(application=mine)
    scans = Attachment.objects.filter(purpose=CONTRACT, case=mine.case_id)
    twins = Attachment.objects.filter(
        purpose=CONTRACT, sha256__in=list(scans.values_list("sha256", flat=True))
    )
    # Three questions instead of one with OR, so that each has its own index.
    near = set(
        PaperIndex.objects.filter(keys__overlap=index.keys).values_list("application", flat=True)
    )
    near |= set(
        Application.objects.filter(case__in=twins.values("case")).values_list("id", flat=True)
    )
    near |= set(
        Application.objects.filter(
            case__applicant__in=group, provider=mine.provider_id
        ).values_list("id", flat=True)
    )
    rows = (
        handed_in()
        .filter(id__in=near - {mine.id})
        .select_related("case")
        .prefetch_related("lines")
        .order_by("case__opened_at", "id")
    )
    everything = [mine, *rows]
    files: dict[UUID, list[tuple[bytes, Ref]]] = defaultdict(list)
    found = Attachment.objects.filter(
        purpose=CONTRACT, case__in=[one.case_id for one in everything]
    )
    for scan in found.order_by("id"):
        files[scan.case_id].append((bytes(scan.sha256), Ref("attachment", scan.id)))
    papers = [_paper(one, group, files[one.case_id]) for one in everything]
    return papers[0], papers[1:]


def _paper(row: Application, group: frozenset[UUID], files: list[tuple[bytes, Ref]]) -> Paper:
    return Paper(
        case=Ref("case", row.case_id),
        number=row.case.number,
        applicant=row.case.applicant_id,
        provider=row.provider_id,
        group=row.case.applicant_id in group,
        contract=row.contract_number,
        files=tuple(files),
        text=text_of(row),
        amount=Money.total(Money(one.amount_fen) for one in row.lines.all()),
        on=beijing_date(row.case.opened_at),
    )


def quotes_of(subject: Subject, *, now: datetime) -> list[Quote]:
    """Card prices: before there is use, those the provider asks today; then those locked in."""
    today = beijing_date(now)
    centres = dict(Centre.objects.values_list("id", "owner_id"))
    provider = subject.application.provider_id
    tariffs = {
        key: row for key, row in tariffs_on(centres, on=today).items() if key[1].startswith(CARD)
    }
    others: dict[str, list[int]] = defaultdict(list)
    asked: dict[tuple[str, int], Tariff] = {}
    for (centre, resource), row in sorted(tariffs.items()):
        if centres[centre] == provider:
            asked.setdefault((resource, row.millifen_per_hour), row)
        else:
            others[resource].append(row.millifen_per_hour)
    if subject.redemption is not None:
        attempts = Meter.objects.filter(contract=subject.contract).values("attempt")
        locked = LockedPrice.objects.filter(attempt__in=attempts, resource__startswith=CARD)
        asked = {
            (one.resource, one.millifen_per_hour): one.tariff
            for one in locked.select_related("tariff").order_by("-id")
        }
    if not asked and subject.redemption is None:
        raise DataLacking(
            "供给方没有公布任何型号的卡时价格", "请供给方公布价目，或核对合同单价后写明依据"
        )
    bands = bands_on(today)
    return [
        Quote(
            tariff=Ref("tariff", row.id),
            resource=resource,
            millifen=millifen,
            others=tuple(others[resource]),
            band=bands.get(resource),
        )
        for (resource, millifen), row in asked.items()
    ]


def bands_on(day: date) -> dict[str, Band]:
    """The band of each card type that holds on a day; of several the latest."""
    rows = PriceBand.objects.filter(effective_on__lte=day).order_by("effective_on", "recorded_at")
    return {
        row.resource: Band(
            ref=Ref("priceband", row.id),
            low=row.low_millifen,
            high=row.high_millifen,
            source=row.source,
        )
        for row in rows
    }


def charges_of(contract: UUID) -> list[Charged]:
    """Every charge under a contract with the last reading behind it."""
    rows = Charge.objects.filter(attempt__contract=contract).annotate(
        used_at=Max("lines__reading__occurred_at")
    )
    return [
        Charged(
            charge=Ref("charge", row.id),
            amount=Money(row.amount_fen),
            used_at=row.used_at or row.recorded_at,
        )
        for row in rows
    ]


def end_of(subject: Subject) -> datetime:
    """The first moment when nothing counts any more: by the application, or earlier by the contract
    as it is registered now.
    """
    row = subject.application
    ends = first_moment_after(row.ends_on)
    registered = None if row.contract is None else row.contract.effective_to
    if registered is None:
        return ends
    return min(ends, datetime.combine(registered, time(), BEIJING))


def warning_on(day: date) -> tuple[str, ...]:
    """The checks that only warn on a day when their data are missing; of two settings the later."""
    rows = CheckMode.objects.filter(effective_on__lte=day, until_on__gte=day)
    last = {row.check_name: row.warns_only for row in rows.order_by("recorded_at", "id")}
    return tuple(sorted(name for name, warns in last.items() if warns))


def invoices_of(subject: Subject) -> list[Billed]:
    """Every invoice that this redemption counts, with the case that has used up its number."""
    asked = subject.redemption
    assert asked is not None
    counted = Invoice.objects.filter(
        contract=subject.contract, issued_on__lte=asked.through, amount_fen__gt=0
    ).order_by("number")
    rows = {invoice(row.number).key: row for row in counted}
    claims = ClaimedDocument.objects.select_related("case").filter(
        kind="invoice", key__in=list(rows), released_at__isnull=True
    )
    by = {one.key: one.case for one in claims}
    family = set(Redemption.objects.filter(voucher=asked.voucher_id).values_list("case", flat=True))
    return [
        Billed(
            invoice=Ref("invoice", row.id),
            number=row.number,
            case=Ref("case", by[key].id) if key in by else None,
            ours=key in by and by[key].id in family,
        )
        for key, row in rows.items()
    ]


def first_moment_after(last_day: date) -> datetime:
    """When a contract with this last day holds no more."""
    return datetime.combine(last_day + timedelta(days=1), time(), BEIJING)


def series_of(contract: UUID) -> list[Series]:
    """All readings of a contract's attempts, by attempt and resource."""
    attempts = list(Meter.objects.filter(contract=contract).values_list("attempt", flat=True))
    held = {
        (one.attempt, one.resource): one.held_milli
        for one in LockedPrice.objects.filter(attempt__in=attempts)
    }
    points: dict[tuple[UUID, str], list[tuple[datetime, int]]] = defaultdict(list)
    readings = UsageReading.objects.filter(attempt__in=attempts, correction=0)
    for one in readings.order_by("occurred_at", "milli_unit_seconds", "id").iterator(5_000):
        points[one.attempt, one.resource].append((one.occurred_at, one.milli_unit_seconds))
    return [
        Series(
            attempt=Ref("attempt", attempt),
            resource=resource,
            held_milli=held.get((attempt, resource), 0),
            points=tuple(some),
        )
        for (attempt, resource), some in sorted(points.items())
    ]
