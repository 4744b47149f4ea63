"""A rule that sets a ceiling: the officer types an amount on the case's page, at most the bound."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest

from jinsuan.casework.models import Decision
from jinsuan.entrypoints import clock
from jinsuan.kernel.money import Money
from jinsuan.ledger import accounts
from jinsuan.ledger.queries import balance, check_book
from jinsuan.vouchers.actions.grant import issue_granted
from jinsuan.vouchers.models import Voucher
from jinsuan.vouchers.queries_cases import case_file
from tests.flows.test_portal_cases import as_, buttons, move, number_of, page, state
from tests.flows.voucher_world import AFTER_NOTICE, NOW, Cast, make_cast
from tests.flows.world import SYSTEM

pytestmark = pytest.mark.django_db
POOL = accounts.pool("2025:b01")


@pytest.fixture
def cast(monkeypatch: pytest.MonkeyPatch, settings: Any, tmp_path: Any) -> Cast:
    monkeypatch.setattr(clock, "now", lambda: NOW)
    settings.FILES_FOLDER = str(tmp_path / "files")
    return make_cast("beijing-2023-ai-voucher")


def test_the_page_asks_for_an_amount_and_tells_the_bound(cast: Cast) -> None:
    case = cast.apply()
    assert 'name="chosen"' not in page(cast.tenant, case)
    cast.recommend(case)

    text = page(cast.officer, case)

    assert 'name="chosen"' in text and "规则给的是上限" in text
    assert "不能手填" not in text, "here an amount is typed"
    assert "审定通过" in buttons(text)
    for other in (cast.tenant, cast.city):
        assert 'name="chosen"' not in page(other, case)


@pytest.mark.parametrize(
    ("chosen", "words"),
    [
        ("", "所定金额"),
        ("一千", "所定金额"),
        ("0.001", "所定金额"),
        ("-1", "最多"),
        ("above", "最多"),
    ],
)
def test_an_amount_that_is_none_or_above_the_bound(cast: Cast, chosen: str, words: str) -> None:
    case = cast.apply()
    cast.recommend(case)
    full = balance(POOL).available
    typed = (bound_of(cast, case) + Money(1)).plain if chosen == "above" else chosen

    answer = move(cast.officer, case, "审定通过", chosen=typed)

    assert answer.status_code in (409, 422)
    assert words in answer.content.decode()
    assert state(case) == "province"
    assert balance(POOL).available == full
    assert not Decision.objects.filter(case=case).exists()


def test_an_amount_below_the_ceiling_is_what_is_granted(cast: Cast) -> None:
    case = cast.apply()
    cast.recommend(case)
    full, bound = balance(POOL).available, bound_of(cast, case)
    assert Money.yuan("1000.01") < bound

    answer = move(cast.officer, case, "审定通过", chosen="1,000.01", reason="按实际需要")

    assert answer.status_code == 302, answer.content.decode()
    assert state(case) == "notice"
    decision = Decision.objects.get(case=case)
    assert (decision.mode, decision.amount_fen) == ("ceiling", 100_001)
    assert decision.person == cast.officer.person
    assert full - balance(POOL).available == Money(100_001)
    shown = as_(cast.tenant).get(f"/案件/{number_of(case)}").content.decode()
    assert "1,000<i>.01</i>" in shown
    issue_granted(case, actor=SYSTEM, now=AFTER_NOTICE + timedelta(days=1))
    assert Voucher.objects.get().face_fen == 100_001
    assert check_book().differences == ()


def test_the_bound_itself_may_be_chosen(cast: Cast) -> None:
    case = cast.apply()
    cast.recommend(case)
    bound = bound_of(cast, case)

    assert move(cast.officer, case, "审定通过", chosen=bound.plain).status_code == 302

    assert Decision.objects.get(case=case).amount_fen == bound.fen


def test_a_refusal_asks_for_no_amount(cast: Cast) -> None:
    case = cast.apply()
    cast.recommend(case)
    full = balance(POOL).available

    answer = move(cast.officer, case, "不予通过", chosen="", reason="不属支持的方向")

    assert answer.status_code == 302, answer.content.decode()
    assert state(case) == "refused"
    assert balance(POOL).available == full


def bound_of(cast: Cast, case: Any) -> Money:
    judged = case_file(cast.officer, number_of(case), now=NOW).judgement
    assert judged is not None and judged.decision.amount is not None
    return judged.decision.amount
