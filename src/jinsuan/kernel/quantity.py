"""Measured quantities are integers with their unit in the name.

Usage is counted in milli-unit-seconds: one card for one second is 1,000. A share of 460
thousandths of a card for 10 seconds is 4,600. A pod that asks for no card is measured by cores
and memory alone (architecture.md, "Usage is integers").
"""

from __future__ import annotations

from typing import NewType

MilliCards = NewType("MilliCards", int)
MilliUnitSeconds = NewType("MilliUnitSeconds", int)
WattHours = NewType("WattHours", int)

MILLI = 1000
SECONDS_PER_HOUR = 3600
MILLI_UNIT_SECONDS_PER_UNIT_HOUR = MILLI * SECONDS_PER_HOUR


def show_milli(milli: int) -> str:
    """Thousandths as plain decimal text, without trailing zeros.

    >>> show_milli(8000), show_milli(460), show_milli(-1500)
    ('8', '0.46', '-1.5')
    """
    sign = "-" if milli < 0 else ""
    units, rest = divmod(abs(milli), MILLI)
    return f"{sign}{units}" + (f".{rest:03d}".rstrip("0") if rest else "")


def show_unit_hours(milli_unit_seconds: int) -> str:
    """Card-hours (卡时), core-hours or GiB-hours with four decimals, for display only.

    >>> show_unit_hours(3_600_000), show_unit_hours(1)
    ('1.0000', '0.0000')
    """
    assert milli_unit_seconds >= 0, milli_unit_seconds
    ten_thousandths = milli_unit_seconds * 10_000 // MILLI_UNIT_SECONDS_PER_UNIT_HOUR
    units, rest = divmod(ten_thousandths, 10_000)
    return f"{units:,}.{rest:04d}"
