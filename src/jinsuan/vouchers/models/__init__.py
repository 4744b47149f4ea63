"""Tables and constraints, by noun."""

from jinsuan.vouchers.models.differences import Difference
from jinsuan.vouchers.models.funding import Funding, FundingSource
from jinsuan.vouchers.models.issued import Programme, Voucher

__all__ = ["Difference", "Funding", "FundingSource", "Programme", "Voucher"]
