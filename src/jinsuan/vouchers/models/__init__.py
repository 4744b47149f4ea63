"""Tables and constraints, by noun."""

from jinsuan.vouchers.models.bank import (
    BankAccount,
    BankEntry,
    BankFile,
    CashOrder,
    EntryMatch,
    TopUpCode,
)
from jinsuan.vouchers.models.funding import Funding, FundingSource
from jinsuan.vouchers.models.issued import Programme, Voucher

__all__ = [
    "BankAccount",
    "BankEntry",
    "BankFile",
    "CashOrder",
    "EntryMatch",
    "Funding",
    "FundingSource",
    "Programme",
    "TopUpCode",
    "Voucher",
]
