"""The law in a real browser: the interview by keyboard, on a phone, without script, and on paper."""

from __future__ import annotations

from typing import Any

import pytest

from tests.browser.conftest import NARROW, WIDE, Open
from tests.browser.test_pages import findings, look, overflow

pytestmark = pytest.mark.browser
ASK = "/政策/shanxi-2024-35/计算器"
GENERAL = {
    "g_applicant": "legal_person",
    "g_dishonest": "no",
    "g_criticised": "no",
    "g_other_provincial_money": "no",
    "g_other_direction": "no",
    "g_in_shanxi": "yes",
}
ANSWERS = GENERAL | {
    "m04_built": "yes",
    "m04_facility_wh": "45312000000",
    "m04_it_wh": "38400000000",
    "m04_first_time": "yes",
    "m04_racks": "3000",
    "m04_received_before": "no",
    "m09_user_kind": "enterprise",
    "m09_shanxi_compute": "yes",
    "m09_on_platform": "yes",
    "m09_contract": "4,000,000.00",
    "m09_contract_used": "no",
    "m09_leads_national": "no",
    "m09_develops_model": "yes",
    "m09_received": "0.00",
}


def begin(page: Any, *rules: str) -> None:
    for rule in rules:
        page.locator(f'input[name=rule][value="{rule}"]').check()
    page.get_by_label("申报日期").fill("2025-09-16")
    page.get_by_role("button", name="开始算一算").click()
    page.get_by_role("heading", name="到目前为止").wait_for()


def answer(page: Any, known: dict[str, str]) -> bool:
    """Answer one screen; whether there was one."""
    asked = page.locator('input[name^="now."]')
    names = [
        str(asked.nth(i).get_attribute("name")).removeprefix("now.") for i in range(asked.count())
    ]
    if not names:
        return False
    for name in names:
        radios = page.locator(f'input[type=radio][name="f.{name}"]')
        value = known.get(name, "")
        if radios.count():
            page.locator(f'input[type=radio][name="f.{name}"][value="{value}"]').check()
        else:
            page.locator(f'input[name="f.{name}"]').fill(value)
    with page.expect_navigation():
        page.get_by_role("button", name="下一步").click()
    return True


def finish(page: Any, known: dict[str, str]) -> None:
    for _ in range(20):
        if not answer(page, known):
            page.get_by_role("heading", name="试算结果").wait_for()
            return
    raise AssertionError("the interview never ends")


def both(page: Any, called: str) -> list[str]:
    return [complaint for width in (WIDE, NARROW) for complaint in look(page, called, width)]


def test_a_question_and_a_result_fit_and_are_accessible(open_page: Open) -> None:
    page = open_page(None, ASK)
    begin(page, "m02", "m04", "m09")
    answer(page, ANSWERS)
    answer(page, ANSWERS)

    wrong = both(page, "calculator-question")
    page.set_viewport_size({"width": WIDE, "height": 900})
    finish(page, ANSWERS)
    wrong += both(page, "calculator-result")

    assert not wrong, "\n".join(wrong)
    assert page.get_by_text("怎样就可以").first.is_visible()


def test_what_cannot_be_read_has_the_focus_and_leads_to_its_field(open_page: Open) -> None:
    page = open_page(None, ASK)
    begin(page, "m09")
    for _ in range(8):
        if page.locator('input[name="now.m09_contract"]').count():
            break
        answer(page, ANSWERS)
    page.locator('input[name="f.m09_contract"]').fill("一百万")
    page.get_by_role("button", name="下一步").click()
    page.get_by_role("heading", name="有 1 处要改").wait_for()
    assert page.evaluate("document.activeElement.id") == "errors"
    page.keyboard.press("Tab")
    page.keyboard.press("Enter")
    assert page.evaluate("document.activeElement.id") == "q-m09_contract"

    wrong = both(page, "calculator-mend")

    assert not wrong, "\n".join(wrong)


def test_the_interview_works_by_keyboard_alone(open_page: Open) -> None:
    page = open_page(None, ASK)
    page.locator('input[name=rule][value="m09"]').focus()
    page.keyboard.press("Space")
    page.get_by_role("button", name="开始算一算").focus()
    page.keyboard.press("Enter")
    page.get_by_role("heading", name="到目前为止").wait_for()
    for _ in range(20):
        if page.get_by_role("heading", name="试算结果").count():
            break
        first = page.locator('[type=radio][name^="f."], input.form-control').first
        first.focus()
        if first.get_attribute("type") == "radio":
            page.keyboard.press("Space")
        else:
            page.keyboard.type("1000")
        with page.expect_navigation():
            page.keyboard.press("Enter")  # sends the form with its first button

    assert page.get_by_role("heading", name="试算结果").count() == 1
    page.get_by_role("button", name="更正").first.focus()
    page.keyboard.press("Enter")
    page.get_by_role("heading", name="到目前为止").wait_for()


@pytest.mark.parametrize("width", [WIDE, NARROW])
def test_the_interview_works_without_script(open_page: Open, width: int) -> None:
    page = open_page(None, ASK, width=width, script=False)
    begin(page, "m09")
    finish(page, ANSWERS)

    assert "1,200,000.00" in page.locator(".result .sum").inner_text()
    assert not page.get_by_role("button", name="打印试算结果").count()


def test_a_printed_result_lists_every_reason_and_what_is_missing(open_page: Open) -> None:
    page = open_page(None, ASK)
    begin(page, "m04", "m09")
    finish(page, {k: v for k, v in ANSWERS.items() if k != "m09_contract"})
    for summary in page.locator(".result summary").all():
        summary.click()  # fold them: paper must show them all the same
    conditions = page.locator(".result .why > li")
    assert conditions.count() >= 15

    page.emulate_media(media="print")

    hidden = [c.inner_text() for c in conditions.all() if not c.is_visible()]
    assert not hidden
    assert page.get_by_text("还差：算力服务合同中可以补的金额").is_visible()
    assert not page.get_by_role("button", name="打印试算结果").is_visible()
    assert not page.get_by_role("link", name="换几项重新算").is_visible()


@pytest.mark.parametrize("mode", ["dark", "elder"])
def test_the_result_is_as_good_dark_and_with_large_type(open_page: Open, mode: str) -> None:
    display: dict[str, Any] = {"theme": "dark"} if mode == "dark" else {"elder": True}
    page = open_page(None, ASK, width=WIDE if mode == "dark" else NARROW, **display)
    begin(page, "m04", "m09")
    finish(page, ANSWERS)

    wrong = [*overflow(page), *findings(page)]

    assert not wrong, "\n".join(wrong)


def test_the_sandbox_reckons_anew_by_keyboard(open_page: Open) -> None:
    page = open_page("officer", "/政策沙盘?rows=500")
    page.locator("details.knobs summary", has_text="算力券").focus()
    page.keyboard.press("Enter")
    page.get_by_label("一般比例").focus()
    page.keyboard.press("Control+a")
    page.keyboard.type("35%")
    page.keyboard.press("Enter")
    page.get_by_text("改了 1 个").wait_for()

    assert page.get_by_label("一般比例").input_value() == "35%"
    row = page.locator("tr.sel", has_text="算力券")
    assert row.count() == 1
