"""政策沙盘: who may open it, what changed numbers cost, and what is said of wrong ones."""

from __future__ import annotations

import re

import pytest
from django.test import Client

from jinsuan.entrypoints.portal import whatif
from jinsuan.policy.library import known, load_pack
from tests.flows.conftest import NOW
from tests.flows.lively import Lively
from tests.flows.test_portal_law import words
from tests.flows.test_portal_pages import as_

pytestmark = pytest.mark.django_db
PACK = load_pack("shanxi-2024-35")
SANDBOX = "/政策沙盘"


def test_the_sandbox_of_no_known_document_is_missing(world: Lively) -> None:
    assert as_("officer").get(f"{SANDBOX}?pack=nowhere").status_code == 404


def test_the_sandbox_is_for_the_bureau_and_its_auditors(world: Lively) -> None:
    for username in ("officer", "auditor"):
        assert as_(username).get(SANDBOX).status_code == 200
    for username in ("researcher", "engineer", "centre", "operator", "treasury"):
        assert as_(username).get(SANDBOX).status_code == 404, username
    assert Client().get(SANDBOX).status_code == 302
    assert ">政策沙盘</a>" in as_("officer").get("/").content.decode()
    assert ">政策沙盘</a>" not in as_("researcher").get("/").content.decode()


def test_the_sandbox_says_that_its_people_are_made_up(world: Lively) -> None:
    text = words(as_("officer").get(SANDBOX, {"rows": "300", "seed": "4"}).content.decode())

    assert "主体是虚构的" in text
    assert "300 户虚构主体，种子 4" in text
    assert "还没有改数，改前改后一样" in text


def test_a_changed_number_moves_its_measure_to_the_fen(world: Lively) -> None:
    from jinsuan.policy.compare import what_if
    from jinsuan.policy.law import bind
    from jinsuan.policy.made_up import made_up
    from jinsuan.policy.simulate import simulate

    law = bind(PACK, NOW.date())
    after = bind(PACK, NOW.date(), changes={"m14_rate": "0.02"})
    people = made_up(PACK, 500, 7)
    found = what_if(law, after, people)
    assert found.winners

    answer = as_("officer").get(SANDBOX, {"rows": "500", "seed": "7", "p.m14_rate": "2%"})

    text = words(answer.content.decode())
    won, yuan = found.won_fen, simulate(after, people).rules["m14"].granted_fen
    assert f"{found.winners} 户，共多 {won // 100:,}.{won % 100:02d}元" in text
    assert f"{yuan // 100:,}.{yuan % 100:02d}" in text
    assert "改了 1 个" in text


def test_a_larger_pool_lasts_longer(world: Lively) -> None:
    text = words(
        as_("auditor")
        .get(SANDBOX, {"rows": "2000", "p.m09_pool": "9,000,000,000.00"})
        .content.decode()
    )

    pool = text.partition("年度总盘子")[2]
    assert "2025 年改前50,000,000.00" in pool
    assert "2025 年改后9,000,000,000.00" in pool
    assert re.search(r"2025 年改前[0-9.,]+2025-\d\d-\d\d", pool)
    assert re.search(r"2025 年改后[0-9.,]+够用", pool)


def test_what_a_field_shows_is_what_it_reads() -> None:
    """A bureau that types nothing new, or the very text it sees, changes nothing."""
    for pack in map(load_pack, known()):
        on = pack.last_day
        shown = {
            f"p.{knob.param.name}": knob.typed
            for group in whatif.turn(pack, on, {}).groups
            for knob in group.knobs
        }
        again = whatif.turn(pack, on, shown)
        assert shown
        assert (again.problems, again.changed) == ([], [])
        # As the document writes it: every printed percentage is one here.
        for param in pack.params.values():
            if (param.printed or "").endswith("%") and f"p.{param.name}" in shown:
                assert shown[f"p.{param.name}"] == param.printed


@pytest.mark.parametrize(
    ("name", "typed", "said"),
    [
        ("p.m09_rate", "两成", "不是比例"),
        ("p.m09_rate", "-0.1", "不能小于 0"),
        ("p.m09_rate", "101", "比例太大"),
        ("p.m09_cap", "1.234", "不是金额"),
        ("p.m09_cap", "9" * 30, "规则算不了这个数"),
        ("p.m09_cap", "1" * 41, "写得太长"),
        ("p.m11_quota", "1.5", "不是整数"),
        ("p.m11_quota", '"><b>', "不是整数"),
        ("rows", "20001", "写 1 至 20,000 的整数"),
        ("rows", "x", "写 1 至 20,000 的整数"),
        ("seed", "-1", "写 0 至 999,999 的整数"),
        ("seed", "", "写 0 至 999,999 的整数"),
    ],
)
def test_a_wrong_number_is_said_at_its_field(
    world: Lively, name: str, typed: str, said: str
) -> None:
    answer = as_("officer").get(SANDBOX, {name: typed})

    text = answer.content.decode()
    assert answer.status_code == 200
    assert "有 1 处要改" in text and "没有算" in text
    [target] = re.findall(r'<div class="errsum".*?href="#([^"]+)"', text, re.DOTALL)
    field = re.search(rf'<input[^>]* id="{target}"[^>]*>', text)
    assert field is not None and 'aria-invalid="true"' in field[0]
    assert f'id="{target}-error"' in text
    assert said in words(text)
    assert '"><b>' not in text


def test_a_number_that_the_rules_cannot_bear_is_said_at_its_field(world: Lively) -> None:
    text = (
        as_("officer")
        .get(SANDBOX, {"p.m04_per_rack": "900,000,000,000.00", "p.m14_rate": "2%"})
        .content.decode()
    )

    assert "有 1 处要改" in text
    assert 'id="p-m04_per_rack-error"' in text


def test_every_number_of_a_paying_rule_can_be_turned(world: Lively) -> None:
    text = as_("officer").get(SANDBOX, {"rows": "10"}).content.decode()

    shown = set(re.findall(r'name="p\.([a-z0-9_]+)"', text))
    assert len(shown) == len(PACK.params)


def test_twenty_thousand_rows_take_less_than_a_second_or_so(world: Lively) -> None:
    import time

    client = as_("officer")
    client.get(SANDBOX, {"rows": "10"})
    began = time.monotonic()
    assert client.get(SANDBOX, {"rows": "20000", "p.m09_rate": "0.25"}).status_code == 200
    assert time.monotonic() - began < 3  # about 0.3 s on a quiet machine
