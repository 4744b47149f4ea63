"""The period somebody asks for: a month, or any two days."""

from __future__ import annotations

from datetime import date, datetime

from jinsuan.kernel.errors import BadInput
from jinsuan.kernel.period import Period, beijing_date, days, month

EARLIEST = date(2000, 1, 1)
LATEST = date(2100, 12, 31)


def asked_period(of_month: str, first: str, last: str, *, now: datetime) -> Period:
    """The month, else the days from first to last (both included), else this month.

    Raises:
        BadInput: no month such as 2025-03, no day such as 2025-03-01, or the last before the first.
    """
    if of_month:
        try:
            found = month(of_month.strip())
        except (ValueError, OverflowError):  # the year 1 or 9999
            raise BadInput(
                "月份", f"“{of_month[:20]}”不是月份", "请写成 2025-03 的样子。"
            ) from None
        _within(beijing_date(found.start), "月份")
        return found
    if not first and not last:
        return month(f"{beijing_date(now):%Y-%m}")
    begin, end = _day(first or last, "开始日期"), _day(last or first, "结束日期")
    if end < begin:
        raise BadInput(
            "结束日期", f"{end} 早于开始日期 {begin}", "请把两个日期对调，或改正其中一个。"
        )
    return days(begin, end)


def _day(text: str, field: str) -> date:
    try:
        found = date.fromisoformat(text.strip())
    except ValueError:
        raise BadInput(field, f"“{text[:20]}”不是日期", "请写成 2025-03-01 的样子。") from None
    _within(found, field)
    return found


def _within(day: date, field: str) -> None:
    if not EARLIEST <= day <= LATEST:
        raise BadInput(field, f"{day} 不在 {EARLIEST} 至 {LATEST} 之间", "请核对年份。")
