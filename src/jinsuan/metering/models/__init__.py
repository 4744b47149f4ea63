"""Metering's tables, by noun."""

from __future__ import annotations

from jinsuan.metering.models.contracts import Contract, ContractLine, ContractPayment, Invoice
from jinsuan.metering.models.use import (
    Charge,
    ChargeLine,
    DoubtfulReading,
    LockedPrice,
    Meter,
    Tariff,
    UsageFile,
    UsageFileRow,
    UsageFileSubject,
    UsageReading,
    UseCorrection,
)

__all__ = [
    "Charge",
    "ChargeLine",
    "Contract",
    "ContractLine",
    "ContractPayment",
    "DoubtfulReading",
    "Invoice",
    "LockedPrice",
    "Meter",
    "Tariff",
    "UsageFile",
    "UsageFileRow",
    "UsageFileSubject",
    "UsageReading",
    "UseCorrection",
]
