"""Account codes: what each helper writes, what is read back, what nobody could have meant."""

from __future__ import annotations

from uuid import UUID

import pytest

from jinsuan.kernel.ref import Ref
from jinsuan.ledger import accounts
from jinsuan.ledger.accounts import AccountCode, Kind

ORG = Ref("organisation", UUID(int=1))
JOB = Ref("job", UUID(int=2))
VOUCHER = Ref("voucher", UUID(int=3))
NOUGHTS = "0" * 25


@pytest.mark.parametrize(
    ("code", "text", "kind"),
    [
        (accounts.budget(2025), "budget:2025", Kind.BUDGET),
        (accounts.pool("2025-m09"), "pool:2025-m09", Kind.POOL),
        (accounts.voucher(VOUCHER), f"voucher:voucher_{NOUGHTS}3", Kind.VOUCHER),
        (accounts.bank("supervised"), "bank:supervised", Kind.BANK),
        (accounts.cash(ORG), f"cash:organisation_{NOUGHTS}1", Kind.CASH),
        (accounts.hold(JOB, "cash"), f"hold:job_{NOUGHTS}2:cash", Kind.HOLD),
        (
            accounts.hold(JOB, str(VOUCHER)),
            f"hold:job_{NOUGHTS}2:voucher_{NOUGHTS}3",
            Kind.HOLD,
        ),
        (accounts.payable(ORG, "cash"), f"payable:organisation_{NOUGHTS}1:cash", Kind.PAYABLE),
        (accounts.receivable(ORG), f"receivable:organisation_{NOUGHTS}1", Kind.RECEIVABLE),
        (accounts.lapsed("2025-m09"), "lapsed:2025-m09", Kind.LAPSED),
    ],
)
def test_a_code_says_its_kind_and_fits(code: str, text: str, kind: Kind) -> None:
    assert code == text
    assert accounts.kind_of(code) is kind
    assert len(code) <= accounts.MAX_LENGTH


def test_a_code_is_taken_apart() -> None:
    assert accounts.parse("hold:job_1:cash") == AccountCode(kind=Kind.HOLD, id="job_1", sub="cash")
    assert accounts.parse("pool:晋-2025") == AccountCode(kind=Kind.POOL, id="晋-2025")


@pytest.mark.parametrize(
    "code",
    [
        "",
        "cash",
        "cash:",
        ":cash",
        "gold:1",
        "Cash:1",
        "cash:a b",
        "cash:a\n",
        "hold:job::",
        "hold:job:cash:more",
        "pool:" + "9" * 116,
    ],
)
def test_a_code_nobody_could_have_meant_is_a_bug(code: str) -> None:
    with pytest.raises(AssertionError):
        accounts.parse(code)


def test_a_payable_is_paid_in_the_end_by_the_tenant_or_the_treasury() -> None:
    with pytest.raises(AssertionError):
        accounts.payable(ORG, str(VOUCHER))


def test_only_money_from_outside_may_stand_below_zero() -> None:
    below = {kind for kind in Kind if kind.may_overdraw}
    assert below == {Kind.BUDGET, Kind.BANK, Kind.RECEIVABLE, Kind.QUOTA}


def test_every_kind_has_a_label_of_its_own() -> None:
    assert len({kind.label for kind in Kind}) == len(Kind)
