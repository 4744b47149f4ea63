"""How often agents speak. Pure, so that settings can name it."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class SyncPace:
    """How often an agent shall speak, and how often it shall report use."""

    interval_ms: int = 2000
    usage_interval_ms: int = 60_000
