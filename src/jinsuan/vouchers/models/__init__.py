"""Tables and constraints, by noun."""

from jinsuan.vouchers.models.funding import Funding, FundingSource
from jinsuan.vouchers.models.issued import Programme, Voucher

__all__ = ["Funding", "FundingSource", "Programme", "Voucher"]
