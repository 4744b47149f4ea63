"""政策专区, one document and 政策计算器: what people see, and what strangers cannot do."""

from __future__ import annotations

import re
from collections.abc import Mapping
from html import unescape

import pytest
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext

from jinsuan.policy.decide import Outcome, decide
from jinsuan.policy.facts import Known
from jinsuan.policy.library import law_on, load_pack
from jinsuan.policy.values import read_plain
from tests.flows.conftest import NOW
from tests.flows.lively import Lively
from tests.flows.test_portal_pages import as_

pytestmark = pytest.mark.django_db
PACK = load_pack("shanxi-2024-35")
ASK = f"/政策/{PACK.id}/计算器"
ON = "2025-03-01"
GENERAL = {
    "g_applicant": "legal_person",
    "g_dishonest": "no",
    "g_criticised": "no",
    "g_other_provincial_money": "no",
    "g_other_direction": "no",
    "g_in_shanxi": "yes",
}
M09 = GENERAL | {
    "m09_user_kind": "enterprise",
    "m09_shanxi_compute": "yes",
    "m09_on_platform": "yes",
    "m09_contract": "1,000,000.00",
    "m09_contract_used": "no",
    "m09_leads_national": "no",
    "m09_develops_model": "yes",
    "m09_received": "0",
}
M04 = GENERAL | {
    "m04_built": "yes",
    "m04_facility_wh": "1180000",
    "m04_it_wh": "1000000",
    "m04_first_time": "yes",
    "m04_racks": "3000",
    "m04_received_before": "no",
}


def words(text: str) -> str:
    """A page as its reader sees it."""
    return re.sub(r"\s+", " ", unescape(re.sub(r"<[^>]+>", "", text)))


def fields(text: str) -> dict[str, list[str]]:
    """What the page's interview form sends when nothing is touched: its hidden fields."""
    form = text.partition('<form class="stack"')[2].partition("</form>")[0]
    found: dict[str, list[str]] = {}
    for name, value in re.findall(r'<input type="hidden" name="([^"]+)" value="([^"]*)"', form):
        found.setdefault(unescape(name), []).append(unescape(value))
    found.pop("csrfmiddlewaretoken", None)
    return found


def asked(text: str) -> list[str]:
    """The facts that the screen asks."""
    return [name.removeprefix("now.") for name in fields(text) if name.startswith("now.")]


def interview(
    client: Client, rules: list[str], answers: Mapping[str, str], on: str = ON
) -> tuple[str, list[str]]:
    """Answer screen by screen until nothing is asked; what has no answer is skipped."""
    text = client.post(ASK, {"rule": rules, "on": on}).content.decode()
    order: list[str] = []
    for _ in range(30):
        now = asked(text)
        if not now:
            return text, order
        assert not set(now) & set(order), "asked twice"
        order += now
        form = fields(text) | {f"f.{name}": [answers.get(name, "")] for name in now}
        answer = client.post(ASK, form)
        assert answer.status_code == 200
        text = answer.content.decode()
    raise AssertionError(f"never ends: {order}")


# ── the documents ─────────────────────────────────────────────────────────────────────────────────


def test_the_list_names_every_document_and_leads_to_it(world: Lively) -> None:
    text = Client().get("/政策").content.decode()

    assert PACK.title in text and PACK.number in text
    assert "施行中" in text
    for path in re.findall(r'href="(/%E6%94%BF%E7%AD%96/[^"]+)"', text):
        assert Client().get(path).status_code == 200, path


def test_a_document_shows_every_article_rule_number_and_reading(world: Lively) -> None:
    text = Client().get(f"/政策/{PACK.id}").content.decode()

    assert PACK.digest[:12] in text
    for article in PACK.articles:
        anchor = "第五部分" if article.label == "五、" else article.label.strip("（）")
        assert text.count(f'id="{anchor}"') == 1, article.label
        assert f'href="#{anchor}"' in text
        assert all(unescape(text).count(prose) for prose in article.prose), article.label
    for rule in PACK.rules.values():
        assert rule.title in unescape(text), rule.id
        if rule.mode.pays:
            assert f'id="{rule.id}"' in text
    for reading in PACK.interpretations:
        assert f"口径 {reading.number}" in text
    for param in PACK.params.values():
        assert param.label in unescape(text)


def test_an_amount_reads_as_words_with_the_laws_own_numbers(world: Lively) -> None:
    text = words(Client().get(f"/政策/{PACK.id}").content.decode())

    assert (
        "该数据中心的物理机架数 × 每架上限 1,000.00 元/架，但不超过 每家企业上限 5,000,000.00 元"
        in text
    )
    assert "每年发券总额 50,000,000.00 元，先到先得" in text
    assert "每年名额 10 个" in text


def test_what_is_no_known_document_is_missing(world: Lively) -> None:
    for path in ("/政策/nowhere", "/政策/nowhere/计算器", "/政策/..", "/政策/%00/计算器"):
        assert Client().get(path).status_code == 404, path
    assert Client().post("/政策/nowhere/计算器", {"rule": "m09"}).status_code == 404


def test_the_last_step_of_a_trace_leads_to_the_article(world: Lively) -> None:
    from jinsuan.ledger.queries import transfers_with_key_prefix

    captures = transfers_with_key_prefix(f"capture:{world.jobs['settled']}:")
    voucher = next(t.ref for t in captures if "voucher_" in t.debit)

    text = as_("researcher").get(f"/转账/{voucher}").content.decode()

    [link] = re.findall(r'<a href="([^"]+#[^"]+)">（九）</a>', text)
    page = Client().get(link.partition("#")[0])
    assert page.status_code == 200
    assert f'id="{link.partition("#")[2]}"' in page.content.decode()


# ── the interview ─────────────────────────────────────────────────────────────────────────────────


def test_choosing_nothing_says_what_to_choose(world: Lively) -> None:
    assert "有 1 处要改" not in Client().get(ASK).content.decode()

    text = Client().post(ASK, {"on": ON}).content.decode()

    assert "有 1 处要改" in text
    assert 'href="#rule-0"' in text and 'id="rule-0"' in text


def test_an_unreadable_day_is_asked_again_and_the_choice_is_kept(world: Lively) -> None:
    text = Client().post(ASK, {"rule": "m09", "on": "明天"}).content.decode()

    assert 'value="明天"' in text and 'aria-invalid="true"' in text
    assert re.search(r'value="m09" checked', text)
    assert "到目前为止" not in text


def test_an_interview_about_vouchers_ends_with_the_amount(world: Lively) -> None:
    text, order = interview(Client(), ["m09"], M09)

    law = law_on(PACK.id, NOW.date().replace(month=3, day=1))
    known = {n: Known(read_plain(t.replace(",", ""), PACK.facts[n])) for n, t in M09.items()}
    decision = decide(law, known).of("m09")
    assert decision.outcome is Outcome.ELIGIBLE and decision.amount is not None
    assert f"按标准给 {int(decision.amount.fen) // 100:,}.00元" in words(text)
    assert set(order) <= set(law.rule("m09").facts)
    assert "问完了" in text
    assert words(text).count("申报时要带") == 1
    for reason in decision.reasons:
        assert reason.test.label in words(text)
    for key in ("legal_person", "enterprise"):
        assert key not in words(text), "a pack's own keys are not for people"


def test_a_ceiling_is_never_said_to_be_due(world: Lively) -> None:
    text, _ = interview(Client(), ["m04"], M04 | {"m04_facility_wh": "1179999"})

    shown = words(text)
    assert "最多 3,000,000.00元" in shown
    assert "这是上限，不是应得的数" in shown
    assert "按标准给 3,000,000" not in shown


def test_what_just_fails_says_what_would_make_it_yes_and_how_much(world: Lively) -> None:
    text, order = interview(Client(), ["m04"], M04)

    shown = words(text)
    assert "不符合" in shown
    fix = next(part for part in shown.split("怎样就可以：")[1:] if "总用电量" in part)
    assert "1,180,000 Wh 变为 1,179,999 Wh" in fix
    failed = order.index("m04_facility_wh")
    assert "m04_racks" not in order[failed + 2 :], "a rule that has failed is asked nothing more"


def test_what_is_skipped_is_listed_with_its_evidence(world: Lively) -> None:
    left = {k: v for k, v in M04.items() if k != "m04_racks"} | {"m04_facility_wh": "1170000"}

    text, order = interview(Client(), ["m04"], left)

    assert order.count("m04_racks") == 1
    shown = words(text)
    fact = PACK.facts["m04_racks"]
    assert f"还差：{fact.label}（凭 {fact.evidence}）" in shown
    assert "还要知道" in shown
    assert "不知道" in shown


def test_the_skip_button_skips_the_screen_and_nothing_else(world: Lively) -> None:
    client = Client()
    first = client.post(ASK, {"rule": "m09", "on": ON}).content.decode()
    now = asked(first)

    second = client.post(ASK, fields(first) | {f"f.{now[0]}": "yes", "skip": "1"}).content.decode()

    assert not set(asked(second)) & set(now)
    assert {name: fields(second)[f"f.{name}"] for name in now} == {name: [""] for name in now}


def test_what_cannot_be_read_keeps_what_was_typed_and_is_asked_again(world: Lively) -> None:
    client = Client()
    sent = {f"f.{n}": t for n, t in M09.items()} | {"rule": "m09", "on": ON}

    text = client.post(ASK, sent | {"f.m09_contract": "一百万"}).content.decode()

    assert asked(text) == ["m09_contract"]
    assert 'value="一百万"' in text
    assert 'href="#q-m09_contract"' in text and 'id="q-m09_contract"' in text
    assert 'aria-invalid="true"' in text
    again = client.post(ASK, fields(text) | {"f.m09_contract": "１，０００，０００．００ 元"})
    assert "按标准给 300,000.00元" in words(again.content.decode())


@pytest.mark.parametrize("typed", ["-1", "0.001", "1e9", "9" * 40, "NaN", "1_000", "0x10"])
def test_a_wrong_amount_is_asked_again(world: Lively, typed: str) -> None:
    sent = {f"f.{n}": t for n, t in M09.items()} | {"rule": "m09", "on": ON}

    text = Client().post(ASK, sent | {"f.m09_contract": typed}).content.decode()

    assert asked(text) == ["m09_contract"]
    assert "有 1 处要改" in text


def test_an_answer_can_be_corrected_without_losing_the_others(world: Lively) -> None:
    client = Client()
    text, _ = interview(client, ["m09"], M09)

    redo = client.post(ASK, fields(text) | {"redo": "m09_contract"}).content.decode()

    assert asked(redo) == ["m09_contract"]
    assert 'value="1,000,000.00"' in redo
    done = client.post(ASK, fields(redo) | {"f.m09_contract": "100.04"}).content.decode()
    assert "按标准给 30.01元" in words(done)


def test_to_correct_an_answer_does_not_skip_what_is_on_the_screen(world: Lively) -> None:
    client = Client()
    first = client.post(ASK, {"rule": "m09", "on": ON}).content.decode()
    now = asked(first)
    second = client.post(ASK, fields(first) | {f"f.{n}": [M09[n]] for n in now}).content.decode()
    open_now = asked(second)

    redo = client.post(
        ASK, fields(second) | {f"f.{n}": "" for n in open_now} | {"redo": now[0]}
    ).content.decode()

    assert asked(redo) == [now[0]]
    third = client.post(ASK, fields(redo) | {f"f.{now[0]}": M09[now[0]]}).content.decode()
    assert asked(third) == open_now


def test_several_measures_add_up_only_what_was_chosen(world: Lively) -> None:
    text, _ = interview(Client(), ["m04", "m09"], M09 | M04 | {"m04_facility_wh": "1179999"})

    assert "目前最多合计 3,300,000.00元" in words(text)
    only, _ = interview(Client(), ["m09"], M09 | M04)
    assert "绿色数据中心机架补贴" not in only


@pytest.mark.parametrize("day", ["2024-06-30", "2027-01-01"])
def test_a_day_outside_the_documents_term_says_so(world: Lively, day: str) -> None:
    text = Client().post(ASK, {"rule": ["m09"], "on": day}).content.decode()

    assert "不在施行期" in text
    assert f"申报日 {day} 不在 2024-07-01 至 2026-12-31（含）之内" in text
    assert not asked(text)


def test_html_in_an_answer_stays_text(world: Lively) -> None:
    evil = '"><script>alert(1)</script>'
    sent = {f"f.{n}": t for n, t in M09.items()} | {"rule": ["m09", evil], "on": evil}

    choosing = Client().post(ASK, sent).content.decode()
    asking = Client().post(ASK, sent | {"on": ON, "f.m09_contract": evil}).content.decode()

    for text in (choosing, asking):
        assert "<script>alert" not in text
        assert "&lt;script&gt;alert(1)" in text


def test_the_interview_keeps_nothing(world: Lively) -> None:
    client = Client()
    with CaptureQueriesContext(
        connection,
    ) as queries:
        interview(client, ["m09"], M09)

    assert [q["sql"] for q in queries if not q["sql"].startswith("SELECT")] == []
    assert "sessionid" not in client.cookies


def test_a_form_from_elsewhere_is_refused(world: Lively) -> None:
    client = Client(enforce_csrf_checks=True)

    assert client.post(ASK, {"rule": "m09"}).status_code == 403


def test_huge_posts_are_refused_or_harmless(world: Lively) -> None:
    many = {f"f.x{i}": "1" for i in range(10_000)} | {"rule": "m09"}
    assert Client().post(ASK, many).status_code == 400

    answer = Client().post(ASK, {"rule": "m09", "on": ON, "f.m09_contract": "9" * 1_000_000})
    assert answer.status_code == 200
    text = answer.content.decode()
    assert "写了 1,000,000 个字" in text
    assert len(text) < 100_000


def test_unknown_rules_and_facts_are_ignored(world: Lively) -> None:
    assert "有 1 处要改" in Client().post(ASK, {"rule": "nope"}).content.decode()
    text = Client().post(ASK, {"rule": "m09", "on": ON, "f.nope": "1", "redo": "nope"})
    assert text.status_code == 200
    assert asked(text.content.decode())
