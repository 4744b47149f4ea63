"""A refusal says the numbers and the next step."""

from __future__ import annotations

from jinsuan.kernel.money import Money
from jinsuan.ledger.errors import InsufficientBalance, TransferKeyReused
from jinsuan.ledger.reasons import Reason


def test_a_balance_too_small_says_what_is_missing_and_what_to_do() -> None:
    refusal = InsufficientBalance("cash:o", needed=Money(4100), available=Money(4000))
    words = refusal.explain()
    assert "现金余额" in words
    assert "¥41.00" in words
    assert "¥40.00" in words
    assert "还差 ¥1.00" in words
    assert "请先充值" in words
    assert str(refusal).startswith("ledger.insufficient_balance: ")


def test_each_kind_of_account_has_a_next_step() -> None:
    for code in ("pool:p", "voucher:v", "cash:o", "hold:j:cash", "payable:o:cash"):
        assert "请" in InsufficientBalance(code, Money(2), Money(1)).explain()


def test_a_reused_key_names_itself_and_the_way_out() -> None:
    words = TransferKeyReused("capture:j:1").explain()
    assert "capture:j:1" in words
    assert "冲正" in words


def test_every_reason_has_a_label_of_its_own() -> None:
    assert len({reason.label for reason in Reason}) == len(Reason)
