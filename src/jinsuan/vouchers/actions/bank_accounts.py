"""Supervised accounts (监管账户), and the codes by which tenants' transfers name themselves."""

from __future__ import annotations

import re
from datetime import datetime
from uuid import UUID

from django.db import transaction

from jinsuan.kernel.errors import BadInput, NotAllowed, NotFound
from jinsuan.kernel.ids import new_id
from jinsuan.kernel.ref import Actor, Ref, Role
from jinsuan.ledger.actions import Note, record
from jinsuan.registry.errors import AlreadyRegistered
from jinsuan.registry.models import Organisation
from jinsuan.registry.personal import Field, mask, read_bank_account
from jinsuan.registry.sealing import Keyring, Place
from jinsuan.vouchers.bank_files import top_up_code
from jinsuan.vouchers.models import BankAccount, TopUpCode

INDEX = "bank_account"
"""What the keyed hashes of account numbers are for; one use, so that equal numbers look equal."""
_CODE = re.compile(r"[a-z0-9][a-z0-9-]{0,29}")


@transaction.atomic
def open_bank_account(
    code: str,
    *,
    name: str,
    bank: str,
    number: str,
    purpose: str,
    keys: Keyring,
    actor: Actor,
    now: datetime,
) -> Ref:
    """Register a supervised account (登记监管账户).

    Raises:
        NotAllowed: the actor is not of the treasury.
        BadInput: code, name or number cannot be used.
        AlreadyRegistered: the code or the number is.
        DataKeyMissing: no key is configured.
    """
    person = treasurer(actor, "登记监管账户")
    if not _CODE.fullmatch(code):
        raise BadInput("账户代码", "应为至多 30 位小写字母、数字和短横", "例如 supervised。")
    if not name.strip() or not bank.strip():
        raise BadInput("监管账户", "没有写名称或开户行", "请对照开户证明填写。")
    plain = read_bank_account(number)
    masked = mask(Field.BANK_ACCOUNT, plain)
    if BankAccount.objects.filter(code=code).exists():
        raise AlreadyRegistered("监管账户", code)
    if BankAccount.objects.filter(number_index__in=keys.indices(plain, INDEX)).exists():
        raise AlreadyRegistered("银行账号", masked)
    pk = new_id()
    BankAccount.objects.create(
        id=pk,
        code=code,
        name=name.strip()[:120],
        bank=bank.strip()[:120],
        masked=masked,
        number_sealed=keys.seal(plain, place_of_account(pk)),
        number_index=keys.index(plain, INDEX),
        purpose=purpose.strip()[:200],
        opened_by=person,
        opened_at=now,
    )
    ref = Ref("bankaccount", pk)
    after = {"code": code, "masked": masked}
    record([Note(action="bank.open", subject=ref, after=after)], actor=actor, now=now)
    return ref


def place_of_account(pk: UUID) -> Place:
    """Where a supervised account's number stands, as the seal binds it."""
    return Place(field="bankaccount.number", row=pk)


@transaction.atomic
def give_top_up_code(organisation: UUID, *, actor: Actor, now: datetime) -> str:
    """An organisation's top-up code (充值码), made on first use; it never changes.

    Raises:
        NotAllowed: the actor is neither of the organisation nor of the treasury.
        NotFound: no such organisation.
    """
    if not (actor.role in (Role.TREASURY, Role.SYSTEM) or actor.organisation == organisation):
        raise NotAllowed("领取充值码", "该机构自己的人员，或财政")
    # Locked, so that two first uses at once give one code.
    if not Organisation.objects.select_for_update(no_key=True).filter(id=organisation).exists():
        raise NotFound("机构", str(Ref("organisation", organisation)))
    found = TopUpCode.objects.filter(organisation=organisation).first()
    if found is not None:
        return found.code
    codes = [top_up_code(organisation, attempt=n) for n in range(256)]
    taken = set(TopUpCode.objects.filter(code__in=codes).values_list("code", flat=True))
    code = next(code for code in codes if code not in taken)
    TopUpCode.objects.create(organisation_id=organisation, code=code)
    subject = Ref("organisation", organisation)
    note = Note(action="bank.give_code", subject=subject, after={"code": code})
    record([note], actor=actor, now=now)
    return code


@transaction.atomic
def reseal_bank_accounts(*, keys: Keyring, actor: Actor, now: datetime) -> int:
    """Seal the accounts' numbers anew under the first key; returns how many. Again is harmless.

    Raises:
        NotAllowed: the actor is neither the platform nor its operator.
    """
    if actor.role not in (Role.SYSTEM, Role.PLATFORM_OPERATOR):
        raise NotAllowed("更换数据密钥", "平台运营")
    count = 0
    for row in BankAccount.objects.select_for_update(no_key=True).order_by("id"):
        place = place_of_account(row.id)
        if keys.stale(bytes(row.number_sealed), place):
            number = keys.open(bytes(row.number_sealed), place)
            row.number_sealed = keys.seal(number, place)
            row.number_index = keys.index(number, INDEX)
            row.save(update_fields=["number_sealed", "number_index"])
            note = Note(action="bank.reseal", subject=Ref("bankaccount", row.id))
            record([note], actor=actor, now=now)
            count += 1
    return count


def treasurer(actor: Actor, act: str) -> UUID:
    """The person of the treasury who acts.

    Raises:
        NotAllowed: it is somebody else.
    """
    if actor.role is not Role.TREASURY or actor.person is None:
        raise NotAllowed(act, "财政")
    return actor.person


def held_account(code: str) -> BankAccount:
    """The account, locked: its files and top-ups wait for each other.

    Raises:
        NotFound: there is none.
    """
    row = BankAccount.objects.select_for_update(no_key=True).filter(code=code).first()
    if row is None:
        raise NotFound("监管账户", code[:40])
    return row
