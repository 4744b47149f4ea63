"""A province to speak to over HTTP. Imports wait until Django's settings are known."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest


@pytest.fixture
def province(db: None, monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    from tests.contracts.api_world import Clock, fresh_caches, make_province

    with fresh_caches():
        yield make_province(Clock(monkeypatch))


@pytest.fixture
def platform(committed_db: None) -> Iterator[str]:
    """The address of a running platform."""
    from tests.contracts.api_world import fresh_caches
    from tests.contracts.live import served

    with fresh_caches(), served() as url:
        yield url
