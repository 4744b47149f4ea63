"""Whose statement it is (对账对象), and the door to it."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, timedelta
from enum import StrEnum

from jinsuan.kernel.errors import NotFound
from jinsuan.kernel.period import Period, beijing_date
from jinsuan.kernel.ref import Actor, Ref, Role
from jinsuan.ledger import accounts
from jinsuan.registry.models import Organisation
from jinsuan.vouchers.models import Programme, Voucher
from jinsuan.vouchers.queries import SEES_ALL_VOUCHERS


class SubjectKind(StrEnum):
    """Four kinds of statement."""

    TENANT = "tenant"
    PROVIDER = "provider"
    VOUCHER = "voucher"
    POOL = "pool"

    @property
    def label(self) -> str:
        """The word people read."""
        return _LABELS[self]


_LABELS = {
    SubjectKind.TENANT: "用算主体",
    SubjectKind.PROVIDER: "算力企业",
    SubjectKind.VOUCHER: "算力券",
    SubjectKind.POOL: "资金池",
}
_ROLES = {SubjectKind.TENANT: Role.TENANT, SubjectKind.PROVIDER: Role.CENTRE_OPERATOR}
OWED_BY_NOBODY = "receivable:-"
"""No account begins like this: only a tenant's statement counts what is owed."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Subject:
    """Whose statement.

    Args:
        key: what to write in an address to get the same subject again.
        codes: the accounts that are its own from the start.
        escrow: whether what jobs hold of them still belongs to it.
        owed: how the codes of what it owes begin.
    """

    kind: SubjectKind
    ref: Ref
    name: str
    key: str
    codes: tuple[str, ...]
    escrow: bool = False
    owed: str = OWED_BY_NOBODY

    @property
    def short(self) -> str:
        """Enough of the identifier for a file's name."""
        return f"{self.kind[0].upper()}{str(self.ref)[-8:]}"

    def days(self, period: Period) -> tuple[date, date]:
        """The first and the last day, both included, as people write a period."""
        return beijing_date(period.start), beijing_date(period.end - timedelta(microseconds=1))


def access_subject(viewer: Actor, kind: str, name: str = "") -> Subject:
    """The door to a statement.

    Args:
        kind: a `SubjectKind`; empty for the one that goes with the viewer's role.
        name: an organisation's or voucher's identifier, an organisation's credit code, or a
            programme's code; empty for the viewer's own organisation.

    Raises:
        NotFound: there is none, or this viewer may not see it.
    """
    missing = NotFound("对账单", f"{kind} {name}".strip()[:60])
    try:
        wanted = SubjectKind(kind) if kind else _own_kind(viewer)
    except ValueError:
        raise missing from None
    if not name.isprintable():  # PostgreSQL would choke on some of these
        raise missing
    match wanted:
        case SubjectKind.TENANT | SubjectKind.PROVIDER:
            return _organisation(viewer, wanted, name, missing)
        case SubjectKind.VOUCHER:
            return _voucher(viewer, name, missing)
        case SubjectKind.POOL:
            return _pool(viewer, name, missing)


def _own_kind(viewer: Actor) -> SubjectKind:
    if viewer.role is Role.CENTRE_OPERATOR:
        return SubjectKind.PROVIDER
    return SubjectKind.POOL if viewer.role in SEES_ALL_VOUCHERS else SubjectKind.TENANT


def _organisation(viewer: Actor, kind: SubjectKind, name: str, missing: NotFound) -> Subject:
    row = _named(viewer, name)
    if row is None:
        raise missing
    own = viewer.role is _ROLES[kind] and row.id == viewer.organisation
    if not own and viewer.role not in SEES_ALL_VOUCHERS:
        raise missing
    return tenant(row) if kind is SubjectKind.TENANT else provider(row)


def _named(viewer: Actor, name: str) -> Organisation | None:
    if not name:
        return own_organisation(viewer)
    try:
        ref = Ref.read(name)
    except ValueError:
        return Organisation.objects.filter(uscc=name[:18]).first()
    if ref.kind != "organisation":
        return None
    return Organisation.objects.filter(id=ref.id).first()


def own_organisation(viewer: Actor) -> Organisation | None:
    """Whom the viewer acts for; the platform itself acts for nobody."""
    if viewer.organisation is None:
        return None
    return Organisation.objects.filter(id=viewer.organisation).first()


def tenant(row: Organisation) -> Subject:
    """An organisation as the one who uses and pays."""
    ref = Ref("organisation", row.id)
    vouchers = Voucher.objects.filter(tenant=row).order_by("id").values_list("id", flat=True)
    owed = accounts.receivable(ref)
    return Subject(
        kind=SubjectKind.TENANT,
        ref=ref,
        name=row.name,
        key=str(ref),
        codes=(
            accounts.cash(ref),
            owed,
            *(accounts.voucher(Ref("voucher", pk)) for pk in vouchers),
        ),
        escrow=True,
        owed=f"{owed}:",
    )


def provider(row: Organisation) -> Subject:
    """An organisation as the one who is paid."""
    ref = Ref("organisation", row.id)
    return Subject(
        kind=SubjectKind.PROVIDER,
        ref=ref,
        name=row.name,
        key=str(ref),
        codes=(
            accounts.payable(ref, accounts.CASH),
            accounts.payable(ref, accounts.VOUCHER),
        ),
    )


def _voucher(viewer: Actor, name: str, missing: NotFound) -> Subject:
    try:
        ref = Ref.read(name)
    except ValueError:
        raise missing from None
    row = Voucher.objects.select_related("programme").filter(id=ref.id).first()
    if ref.kind != "voucher" or row is None:
        raise missing
    if viewer.role not in SEES_ALL_VOUCHERS and row.tenant_id != viewer.organisation:
        raise missing
    return Subject(
        kind=SubjectKind.VOUCHER,
        ref=ref,
        name=f"{row.programme.title} {ref}",
        key=str(ref),
        codes=(accounts.voucher(ref),),
        escrow=True,
    )


def _pool(viewer: Actor, name: str, missing: NotFound) -> Subject:
    rows = Programme.objects.order_by("-opens_on", "code")
    row = rows.filter(code=name).first() if name else rows.first()
    if row is None or viewer.role not in SEES_ALL_VOUCHERS:
        raise missing
    return Subject(
        kind=SubjectKind.POOL,
        ref=Ref("programme", row.id),
        name=row.title,
        key=row.code,
        codes=(accounts.pool(row.code),),
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class Choice:
    """One statement that a viewer may ask for."""

    kind: SubjectKind
    key: str
    name: str


def choices(viewer: Actor) -> list[Choice]:
    """What to offer on a page: one's own, or for those who see all every pool and organisation."""
    found: list[Choice] = []
    if viewer.role in SEES_ALL_VOUCHERS:
        for code, title in Programme.objects.order_by("-opens_on").values_list("code", "title"):
            found.append(Choice(kind=SubjectKind.POOL, key=code, name=title))
        owners = Organisation.objects.filter(centres__isnull=False).distinct().order_by("name")
        found += [_choice(SubjectKind.PROVIDER, row) for row in owners]
        holders = Organisation.objects.filter(vouchers__isnull=False).distinct().order_by("name")
        return found + [_choice(SubjectKind.TENANT, row) for row in holders]
    own = own_organisation(viewer)
    if own is None or viewer.role not in _ROLES.values():
        return []
    if viewer.role is Role.CENTRE_OPERATOR:
        return [_choice(SubjectKind.PROVIDER, own)]
    mine = Voucher.objects.filter(tenant=own).select_related("programme").order_by("-id")
    return [
        _choice(SubjectKind.TENANT, own),
        *(
            Choice(
                kind=SubjectKind.VOUCHER,
                key=str(Ref("voucher", row.id)),
                name=f"{row.programme.title} …{str(Ref('voucher', row.id))[-6:]}",
            )
            for row in mine
        ),
    ]


def _choice(kind: SubjectKind, row: Organisation) -> Choice:
    return Choice(kind=kind, key=str(Ref("organisation", row.id)), name=row.name)
