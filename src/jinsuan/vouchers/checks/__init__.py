"""疑点核查: pure checks. Each takes values and says what is odd, with the papers and the numbers."""

from jinsuan.vouchers.checks.doubt import DataLacking, Doubt

__all__ = ["DataLacking", "Doubt"]
