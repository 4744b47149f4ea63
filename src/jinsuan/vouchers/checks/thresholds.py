"""The thresholds of all checks, read once from `data/checks.toml`. Pure."""

from __future__ import annotations

import tomllib
from dataclasses import dataclass
from functools import lru_cache
from hashlib import sha256
from pathlib import Path

FILE = Path(__file__).parents[1] / "data" / "checks.toml"


@dataclass(frozen=True, slots=True, kw_only=True)
class Related:
    """Who counts as connected."""

    hops: int
    least_share_bps: int


@dataclass(frozen=True, slots=True, kw_only=True)
class RoundTrip:
    """When money came back."""

    days: int
    tolerance_bps: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Copies:
    """When two texts are one."""

    shingle: int
    least_shingles: int
    similar_bps: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Splitting:
    """When several contracts are one."""

    days: int
    threshold_fen: int
    near_bps: int
    near_count: int
    near_days: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Price:
    """The band of a card type, against the median of other centres."""

    low_bps: int
    high_bps: int
    least_centres: int


@dataclass(frozen=True, slots=True, kw_only=True)
class AfterEnd:
    """How late a reading may be."""

    grace_minutes: int


@dataclass(frozen=True, slots=True, kw_only=True)
class OverContract:
    """When a contract is far above what is used."""

    gone_bps: int
    least_use_bps: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Pattern:
    """When use looks made."""

    flat_readings: int
    flat_hours: int
    repeats: int
    least_readings: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Thresholds:
    """All of them, and the digest of the file they stand in."""

    related: Related
    round_trip: RoundTrip
    copies: Copies
    splitting: Splitting
    price: Price
    after_end: AfterEnd
    over_contract: OverContract
    pattern: Pattern
    digest: bytes


@lru_cache(maxsize=1)
def thresholds() -> Thresholds:
    """What the file says."""
    data = FILE.read_bytes()
    raw = tomllib.loads(data.decode())
    return Thresholds(
        related=Related(**raw["related"]),
        round_trip=RoundTrip(**raw["round_trip"]),
        copies=Copies(**raw["copies"]),
        splitting=Splitting(**raw["splitting"]),
        price=Price(**raw["price"]),
        after_end=AfterEnd(**raw["after_end"]),
        over_contract=OverContract(**raw["over_contract"]),
        pattern=Pattern(**raw["pattern"]),
        digest=sha256(data).digest(),
    )
