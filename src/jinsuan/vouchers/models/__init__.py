"""Tables and constraints, by noun."""

from jinsuan.vouchers.models.applications import (
    Application,
    ApplicationFact,
    ApplicationLine,
    CheckRun,
    Clawback,
    Redemption,
)
from jinsuan.vouchers.models.bank import (
    BankAccount,
    BankEntry,
    BankFile,
    CashOrder,
    EntryMatch,
    TopUpCode,
)
from jinsuan.vouchers.models.checks import CheckMode, PaperIndex, PriceBand
from jinsuan.vouchers.models.differences import Difference
from jinsuan.vouchers.models.funding import Funding, FundingSource
from jinsuan.vouchers.models.issued import Programme, Voucher
from jinsuan.vouchers.models.kept import KeptLine

__all__ = [
    "Application",
    "ApplicationFact",
    "ApplicationLine",
    "BankAccount",
    "BankEntry",
    "BankFile",
    "CashOrder",
    "CheckMode",
    "CheckRun",
    "Clawback",
    "Difference",
    "EntryMatch",
    "Funding",
    "FundingSource",
    "KeptLine",
    "PaperIndex",
    "PriceBand",
    "Programme",
    "Redemption",
    "TopUpCode",
    "Voucher",
]
