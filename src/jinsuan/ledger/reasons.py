"""Why money moved (事由). A closed list: the table repeats it in a CHECK."""

from __future__ import annotations

from enum import StrEnum


class Reason(StrEnum):
    """One word per kind of movement; the cause of a single movement is its `Ref`."""

    TOP_UP = "top_up"
    POOL_FUNDING = "pool_funding"
    VOUCHER_ISSUE = "voucher_issue"
    HOLD = "hold"
    CAPTURE = "capture"
    RELEASE = "release"
    SHORTFALL = "shortfall"
    EXPIRE = "expire"
    REVOKE = "revoke"
    REFUND = "refund"
    REVERSAL = "reversal"
    LIMIT_SET = "limit_set"
    LIMIT_USE = "limit_use"
    REDEEM = "redeem"
    REDEMPTION_PAID = "redemption_paid"
    PAYOUT = "payout"
    SUSPENSE = "suspense"
    SUSPENSE_CLEAR = "suspense_clear"
    CLAWBACK = "clawback"
    CLAWBACK_PAID = "clawback_paid"
    CORRECTION = "correction"

    @property
    def label(self) -> str:
        """The word people read."""
        return _LABELS[self]


_LABELS = {
    Reason.TOP_UP: "充值",
    Reason.POOL_FUNDING: "预算入池",
    Reason.VOUCHER_ISSUE: "发放算力券",
    Reason.HOLD: "冻结",
    Reason.CAPTURE: "核销",
    Reason.RELEASE: "解冻",
    Reason.SHORTFALL: "欠款",
    Reason.EXPIRE: "过期收回",
    Reason.REVOKE: "作废收回",
    Reason.REFUND: "退款",
    Reason.REVERSAL: "冲正",
    Reason.LIMIT_SET: "核定额度",
    Reason.LIMIT_USE: "占用额度",
    Reason.REDEEM: "核定兑付",
    Reason.REDEMPTION_PAID: "兑付拨款",
    Reason.PAYOUT: "结算给算力企业",
    Reason.SUSPENSE: "待查入账",
    Reason.SUSPENSE_CLEAR: "待查转出",
    Reason.CLAWBACK: "追缴",
    Reason.CLAWBACK_PAID: "追缴收回",
    Reason.CORRECTION: "更正",
}
