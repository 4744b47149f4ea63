"""Metering's only writers: `tariffs`, `contracts`, and `use`: meters, readings, charges."""

from __future__ import annotations

from jinsuan.metering.actions.contracts import ContractItem, register_contract
from jinsuan.metering.actions.tariffs import set_tariff
from jinsuan.metering.actions.use import Opening, Reading, Step, charge, open_meters, record

__all__ = [
    "ContractItem",
    "Opening",
    "Reading",
    "Step",
    "charge",
    "open_meters",
    "record",
    "register_contract",
    "set_tariff",
]
