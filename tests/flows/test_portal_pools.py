"""资金与公示: the public page says what the book says."""

from __future__ import annotations

import pytest
from django.test import Client

from tests.flows.voucher_world import make_cast

pytestmark = pytest.mark.django_db


def test_the_public_page_shows_the_pool_and_the_notice_to_the_fen() -> None:
    cast = make_cast()
    case = cast.apply(yuan="12345.67")
    cast.recommend(case)
    cast.approve(case)
    page = Client().get("/资金与公示").content.decode()
    assert "49,997,530.87" in page and "2,469.13" in page  # a fifth of 12,345.67, floored
    assert "乙大学" in page and "2025-m09-0001" in page
    assert "researcher" not in page
