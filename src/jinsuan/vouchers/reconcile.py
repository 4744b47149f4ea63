"""Reconciliation (对账核对): does the book agree with itself, with metering, with what was issued,
and with the bank? Reads only, from one snapshot, and names the place of every difference.

A difference belongs to the account whose payments it makes doubtful:

- the totals of an account are not the fold of its transfers: that account;
- a transfer is not what was recorded: the accounts at both its ends;
- captures + shortfalls (for a correction, what it moved) of a charge are not the charge: what its transfers credited, or the
  provider's cash claim where there are none;
- what a provider was credited in all is not what it was charged for: its cash claim;
- a voucher's face is not what was issued to it: the voucher;
- a pool is not funding - issued + returned: the pool;
- the bank holds something else than our account of it says: that bank account.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from django.db import connection
from django.db.models import Sum

from jinsuan.kernel.money import Money
from jinsuan.kernel.ref import Ref
from jinsuan.ledger import accounts
from jinsuan.ledger.accounts import CASH, Kind
from jinsuan.ledger.check import wrong_accounts, wrong_transfers
from jinsuan.ledger.queries import balances
from jinsuan.ledger.reasons import Reason
from jinsuan.ledger.snapshot import one_snapshot
from jinsuan.ledger.sums import CauseSum, by_cause, credited, earned
from jinsuan.metering.sums import ChargeSum, charged_to_pay, every_charge, meters_apart
from jinsuan.vouchers.models import Difference, Programme, Voucher

CHARGED = (Reason.CAPTURE, Reason.SHORTFALL)
NOTHING = Money(0)
K = Difference.Kind


@dataclass(frozen=True, slots=True, kw_only=True)
class Found:
    """One difference. `place` is a `Ref`, or the account's code where no thing has one."""

    kind: Difference.Kind
    account: str
    place: str
    expected: Money
    found: Money
    words: str


BankTotals = Mapping[str, Money]
"""What lies at the bank by its own account, by the code of our account of it ("bank:…")."""


def differences(bank_totals: BankTotals | None = None) -> list[Found]:
    """Everything that does not agree at this moment.

    Args:
        bank_totals: what the bank says; None when no bank file is there to compare with.
    """
    with one_snapshot():
        return [
            *_book(),
            *_transfers(),
            *_metering(),
            *_meters(),
            *_faces(),
            *_pools(),
            *_bank(bank_totals or {}),
        ]


def _book() -> Iterator[Found]:
    for wrong in wrong_accounts():
        yield Found(
            kind=K.BOOK,
            account=wrong.code,
            place=_named(wrong.code),
            expected=wrong.folded,
            found=wrong.stands,
            words=f"{wrong.side}合计与逐笔转账之和不符",
        )


def _named(code: str) -> str:
    """The thing that an account's code names."""
    name = accounts.parse(code).id
    try:
        return str(Ref.read(name))
    except ValueError:
        return code


def _transfers() -> Iterator[Found]:
    for wrong in wrong_transfers():
        for code in (wrong.debit, wrong.credit):
            yield Found(
                kind=K.TRANSFER,
                account=code,
                place=str(wrong.ref),
                expected=wrong.amount,
                found=wrong.amount,
                words=wrong.words[:300],
            )


def _metering() -> Iterator[Found]:
    """Charge by charge, then provider by provider what charges do not explain."""
    explained: dict[str, int] = defaultdict(int)
    for charge, moved in _side_by_side():
        due = NOTHING if charge is None else charge.amount
        came = NOTHING if moved is None else moved.amount
        if due == came:
            continue
        if charge is not None:
            explained[str(charge.provider)] += came.fen - due.fen
        else:
            for code in moved.onto if moved is not None else ():
                explained[accounts.parse(code).id] += came.fen
        for code in _claims(charge, moved):
            yield Found(
                kind=K.CHARGE,
                account=code,
                place=str(charge.charge if charge is not None else _cause(moved)),
                expected=due,
                found=came,
                words="核销加欠款不等于费用" if charge is not None else "账上核销了没有计量的费用",
            )
    yield from _providers(explained)


def _cause(moved: CauseSum | None) -> Ref:
    assert moved is not None
    return moved.cause


def _claims(charge: ChargeSum | None, moved: CauseSum | None) -> tuple[str, ...]:
    if moved is not None:
        return moved.onto
    assert charge is not None
    return (accounts.payable(charge.provider, CASH),)


def _side_by_side() -> Iterator[tuple[ChargeSum | None, CauseSum | None]]:
    """Both books walked together in order of the charges; neither is held in memory."""
    charges, moves = every_charge(), by_cause(CHARGED)
    charge, moved = next(charges, None), next(moves, None)
    while charge is not None or moved is not None:
        if moved is None or (charge is not None and charge.charge < moved.cause):
            yield charge, None
            charge = next(charges, None)
        elif charge is None or moved.cause < charge.charge:
            yield None, moved
            moved = next(moves, None)
        else:
            yield charge, moved
            charge, moved = next(charges, None), next(moves, None)


def _providers(explained: Mapping[str, int]) -> Iterator[Found]:
    due = {str(Ref("organisation", pk)): fen for pk, fen in charged_to_pay().items()}
    came: dict[str, Money] = defaultdict(lambda: NOTHING)
    for owner, amount in earned(CHARGED).items():
        came[owner] += amount
    for name in sorted(due.keys() | came.keys()):
        expected, found = due.get(name, NOTHING), came[name]
        if found.fen - expected.fen != explained.get(name, 0):
            yield Found(
                kind=K.PROVIDER,
                account=accounts.payable(Ref.read(name), CASH),
                place=name,
                expected=expected,
                found=found,
                words="记为应付的核销和欠款不等于这家企业的费用",
            )


_FUNDINGS = """
    SELECT f.attempt, f.provider_id, m.charged_fen, f.captured_fen,
           f.shortfall_fen + coalesce(sum(s.captured_fen), 0)::bigint
    FROM vouchers_funding f
    JOIN metering_meter m ON m.attempt = f.attempt
    LEFT JOIN vouchers_fundingsource s ON s.funding_id = f.attempt
    GROUP BY f.attempt, m.charged_fen
    HAVING f.captured_fen <> m.charged_fen
        OR f.captured_fen <> f.shortfall_fen + coalesce(sum(s.captured_fen), 0)
    ORDER BY f.attempt
"""


def _meters() -> Iterator[Found]:
    """Running totals: they decide what the next charge and capture will be."""
    for apart in meters_apart():
        yield _meter(apart.attempt, apart.provider, apart.charges, apart.stands, "计量的累计费用")
    with connection.cursor() as cursor:
        cursor.execute(_FUNDINGS)
        for attempt, provider, charged, captured, sources in cursor.fetchall():
            ref, owner = Ref("attempt", attempt), Ref("organisation", provider)
            if captured != charged:
                words = "作业资金的累计核销"
                yield _meter(ref, owner, Money(charged), Money(captured), words)
            else:
                yield _meter(ref, owner, Money(captured), Money(sources), "各资金来源的累计核销")


def _meter(attempt: Ref, provider: Ref, expected: Money, found: Money, words: str) -> Found:
    return Found(
        kind=K.METER,
        account=accounts.payable(provider, CASH),
        place=str(attempt),
        expected=expected,
        found=found,
        words=f"{words}与应有的不符",
    )


def _faces() -> Iterator[Found]:
    issued = credited(Kind.VOUCHER, [Reason.VOUCHER_ISSUE])
    faces = {
        accounts.voucher(Ref("voucher", pk)): Money(fen)
        for pk, fen in Voucher.objects.values_list("id", "face_fen")
    }
    for code in sorted(faces.keys() | issued.keys()):
        expected, found = faces.get(code, NOTHING), issued.get(code, NOTHING)
        if expected != found:
            yield Found(
                kind=K.FACE,
                account=code,
                place=_named(code),
                expected=expected,
                found=found,
                words="券面不等于从资金池发放的金额",
            )


def _pools() -> Iterator[Found]:
    rows = Programme.objects.order_by("code").annotate(issued=Sum("vouchers__face_fen"))
    programmes = {accounts.pool(row.code): row for row in rows}
    funded = credited(Kind.POOL, [Reason.POOL_FUNDING])
    back = credited(Kind.POOL, [r for r in Reason if r is not Reason.POOL_FUNDING])
    stands = balances(programmes)
    for code, row in programmes.items():
        ref, put_in = str(Ref("programme", row.id)), funded.get(code, NOTHING)
        if put_in.fen != row.pool_fen:
            yield _pool(code, ref, Money(row.pool_fen), put_in, "入池的钱不等于年度的资金池")
        expected = put_in - Money(int(row.issued or 0)) + back.get(code, NOTHING)
        # What is reserved for grants in their notice is not issued yet, so it still stands there.
        if expected != stands[code].posted:
            words = "余额不等于入池减发放加收回"
            yield _pool(code, ref, expected, stands[code].posted, words)


def _pool(code: str, place: str, expected: Money, found: Money, words: str) -> Found:
    return Found(
        kind=K.POOL, account=code, place=place, expected=expected, found=found, words=words
    )


def _bank(totals: BankTotals) -> Iterator[Found]:
    stands = balances(totals)
    for code, expected in totals.items():
        found = -stands[code].available  # what lies at the bank was debited when it came in
        if expected != found:
            yield Found(
                kind=K.BANK,
                account=code,
                place=code,
                expected=expected,
                found=found,
                words="银行的余额不等于账上的余额",
            )
