"""Receiving accounts: entered by one person, called back and confirmed by another."""

from __future__ import annotations

from datetime import datetime
from uuid import UUID

from django.db import transaction

from jinsuan.casework.errors import ConflictOfInterest, PayeeAccountRefused
from jinsuan.casework.models import PayeeAccount
from jinsuan.kernel.errors import NotAllowed, NotFound
from jinsuan.kernel.ids import new_id
from jinsuan.kernel.ref import Actor, Ref, Role
from jinsuan.ledger.actions import Note, record
from jinsuan.registry.models import Organisation
from jinsuan.registry.personal import Field, mask, read_bank_account
from jinsuan.registry.sealing import Keyring, Place

INDEX = "bank_account"
"""What the keyed hashes of account numbers are for: equal with those of the bank's files."""
OWNERS = frozenset({Role.TENANT, Role.CENTRE_OPERATOR})
SHORTEST_CALL = 6
_State = PayeeAccount.State


@transaction.atomic
def enter_payee_account(
    organisation: UUID,
    *,
    holder: str,
    bank: str,
    number: str,
    keys: Keyring,
    actor: Actor,
    now: datetime,
) -> Ref:
    """Enter an organisation's receiving account, or a change of it (登记收款账户).

    Until a second person called back, nothing is paid to the organisation. The same account as
    the one that waits or counts changes nothing.

    Raises:
        NotAllowed: the actor neither acts for the organisation nor is of the treasury.
        NotFound: no such organisation.
        BadInput: it is no account number.
        PayeeAccountRefused: the holder is not the organisation itself, or another change waits.
        DataKeyMissing: no key is configured.
    """
    own = actor.role in OWNERS and actor.organisation == organisation
    if actor.person is None or not (own or actor.role is Role.TREASURY):
        raise NotAllowed("登记收款账户", "该机构自己的经办人，或财政")
    org = Organisation.objects.select_for_update(no_key=True).filter(id=organisation).first()
    if org is None:
        raise NotFound("机构", str(Ref("organisation", organisation)))
    plain, holder, bank = read_bank_account(number), holder.strip(), bank.strip()
    if holder != org.name:
        raise PayeeAccountRefused(
            org.name, f"户名“{holder[:60]}”与登记的机构名称不同", "补助资金只付给机构自己的账户。"
        )
    if not 0 < len(bank) <= 120 or not bank.isprintable():
        raise PayeeAccountRefused(org.name, "没有写开户行，或太长", "请对照开户证明填写。")
    hashes = keys.indices(plain, INDEX)
    live = PayeeAccount.objects.filter(
        organisation=org, state__in=[_State.PENDING, _State.CONFIRMED]
    )
    for row in live.order_by("-id"):
        if bytes(row.number_index) in hashes and row.bank == bank:
            return Ref("payeeaccount", row.id)
        if row.state == _State.PENDING:
            raise PayeeAccountRefused(
                org.name, f"另一个账户 {row.masked} 正等待回拨核实", "请先核实或否决那一个。"
            )
    pk = new_id()
    masked = mask(Field.BANK_ACCOUNT, plain)
    PayeeAccount.objects.create(
        id=pk,
        organisation=org,
        holder=holder,
        bank=bank,
        masked=masked,
        number_sealed=keys.seal(plain, place_of_payee(pk)),
        number_index=keys.index(plain, INDEX),
        entered_by=actor.person,
        entered_at=now,
    )
    ref = Ref("payeeaccount", pk)
    after = {"organisation": str(organisation), "bank": bank, "masked": masked}
    record([Note(action="payee.enter", subject=ref, after=after)], actor=actor, now=now)
    return ref


@transaction.atomic
def confirm_payee_account(
    account: UUID, *, call_back: str, right: bool = True, actor: Actor, now: datetime
) -> None:
    """A second person called the payee back on a number known before (回拨核实). Again is harmless.

    Args:
        call_back: whom, on which number's owner, when. Not the number itself.
        right: whether the payee confirmed it. If not, the version before counts on.

    Raises:
        NotAllowed, NotFound: not the treasury; no such account.
        ConflictOfInterest: entered by the same person.
        PayeeAccountRefused: without words on the call, or answered otherwise already.
    """
    if actor.role is not Role.TREASURY or actor.person is None:
        raise NotAllowed("核实收款账户", "财政")
    row = PayeeAccount.objects.select_related("organisation").filter(id=account).first()
    if row is None:
        raise NotFound("收款账户", str(Ref("payeeaccount", account)))
    name = row.organisation.name
    Organisation.objects.select_for_update(no_key=True).get(id=row.organisation_id)
    row.refresh_from_db(fields=["state"])
    wanted = _State.CONFIRMED if right else _State.REFUSED
    if row.state == wanted:
        return
    if row.state != _State.PENDING:
        raise PayeeAccountRefused(
            name, f"账户 {row.masked} 现在是“{_State(row.state).label}”", "请核对编号。"
        )
    if row.entered_by == actor.person:
        raise ConflictOfInterest("这个收款账户由您登记，核实须由另一人")
    words = call_back.strip()
    if not SHORTEST_CALL <= len(words) <= 200:
        raise PayeeAccountRefused(
            name,
            f"回拨记录应为 {SHORTEST_CALL} 至 200 字，实为 {len(words)} 字",
            "请写明何时、按原先留存的电话、向谁核实。",
        )
    if right:
        PayeeAccount.objects.filter(
            organisation=row.organisation_id, state=_State.CONFIRMED
        ).update(state=_State.REPLACED)
    row.state, row.confirmed_by, row.confirmed_at = wanted, actor.person, now
    row.call_back = words
    row.save(update_fields=["state", "confirmed_by", "confirmed_at", "call_back"])
    ref = Ref("payeeaccount", row.id)
    after = {"state": str(wanted), "masked": row.masked}
    note = Note(action="payee.confirm", subject=ref, reason=words, after=after)
    record([note], actor=actor, now=now)


@transaction.atomic
def reseal_payee_accounts(*, keys: Keyring, actor: Actor, now: datetime) -> int:
    """Seal the numbers anew under the first key; returns how many. Again is harmless.

    Raises:
        NotAllowed: the actor is neither the platform nor its operator.
    """
    if actor.role not in (Role.SYSTEM, Role.PLATFORM_OPERATOR):
        raise NotAllowed("更换数据密钥", "平台运营")
    notes = []
    for row in PayeeAccount.objects.select_for_update(no_key=True).order_by("id"):
        place = place_of_payee(row.id)
        if keys.stale(bytes(row.number_sealed), place):
            number = keys.open(bytes(row.number_sealed), place)
            row.number_sealed = keys.seal(number, place)
            row.number_index = keys.index(number, INDEX)
            row.save(update_fields=["number_sealed", "number_index"])
            notes.append(Note(action="payee.reseal", subject=Ref("payeeaccount", row.id)))
    record(notes, actor=actor, now=now)
    return len(notes)


def place_of_payee(pk: UUID) -> Place:
    """Where a receiving account's number stands, as the seal binds it."""
    return Place(field="payeeaccount.number", row=pk)
