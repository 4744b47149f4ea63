"""People use the pages: by keyboard, with live parts, without scripts."""

from __future__ import annotations

import re
from typing import Any

import pytest

from tests.browser.conftest import NARROW, Open
from tests.browser.site import Site

pytestmark = pytest.mark.browser


def test_somebody_logs_in_orders_and_stops_by_keyboard_alone(open_page: Open, site: Site) -> None:
    page = open_page(None, "/登录?next=/作业/下单")
    page.get_by_label("用户名").focus()
    page.keyboard.type("researcher")
    page.keyboard.press("Tab")
    page.keyboard.type(site.password)
    page.keyboard.press("Enter")
    page.get_by_role("heading", name="下单用算").wait_for()
    for label, typed in (
        ("作业名称", "键盘下的单"),
        ("启动命令", "echo 好"),
        ("每节点处理器", "4"),
        ("每节点内存", "8"),
    ):
        page.get_by_label(label).focus()
        page.keyboard.press("Control+a")
        page.keyboard.type(typed)
    page.get_by_label("加速卡", exact=True).select_option("none")
    _press(page, "试算各中心价格")
    page.get_by_role("heading", name="选一个中心").wait_for()
    _press(page, "冻结费用并下单")
    page.get_by_role("heading", name="键盘下的单").wait_for()

    _press(page, "停止作业", role="link")
    assert page.evaluate("document.activeElement.textContent") == "继续运行"  # the safe one
    page.keyboard.press("Escape")
    assert not page.locator("dialog[open]").count()
    _press(page, "停止作业", role="link")
    page.keyboard.press("Tab")
    page.keyboard.press("Enter")
    page.get_by_text("已要求停止").wait_for()


def _press(page: Any, name: str, *, role: str = "button") -> None:
    page.get_by_role(role, name=name).first.focus()
    page.keyboard.press("Enter")


def test_a_live_page_asks_again_keeps_the_focus_and_rests_while_hidden(open_page: Open) -> None:
    page = open_page("researcher", "/作业/{running}")
    asked: list[str] = []
    page.on("request", lambda request: asked.append(request.url))
    first = page.locator("#job-money time").first.inner_text()
    link = page.locator("#job-money a").first
    link.focus()
    held = link.get_attribute("id")
    page.wait_for_function(
        "(was) => document.querySelector('#job-money time').textContent !== was", arg=first
    )
    assert page.evaluate("document.activeElement.id") == held

    page.evaluate("Object.defineProperty(document, 'hidden', {get: () => true})")
    asked.clear()
    page.wait_for_timeout(5500)
    assert not asked


def test_a_picked_centre_changes_the_sum_at_once(open_page: Open) -> None:
    page = open_page("researcher", "/作业/下单")
    before = page.locator("#sum").inner_text()
    page.locator("input[name=centre]").nth(1).check()
    after = page.locator("#sum").inner_text()
    assert before != after
    assert re.search(r"冻结 [\d,]+\.\d\d", after)
    page.get_by_label("最长运行").fill("2")
    page.get_by_label("预算上限").focus()
    assert page.locator("#sum").inner_text() == "内容改过了，请重新试算再下单"


def test_a_draft_saves_itself(open_page: Open) -> None:
    page = open_page("engineer", "/作业/下单")
    page.get_by_label("作业名称").fill("没写完的单")
    page.get_by_label("启动命令").focus()
    page.get_by_text("草稿已存").wait_for()
    page.reload()
    assert page.get_by_label("作业名称").input_value() == "没写完的单"


def test_a_phone_opens_the_folded_menu_and_closes_it_with_escape(open_page: Open) -> None:
    page = open_page("researcher", "/作业", width=NARROW)
    page.locator("details.menu summary").click()
    page.get_by_role("navigation", name="主导航（窄屏）").get_by_role(
        "link", name="账户"
    ).wait_for()
    page.keyboard.press("Escape")
    assert not page.locator("details.menu[open]").count()
    assert page.evaluate("document.activeElement.tagName") == "SUMMARY"


@pytest.mark.parametrize("path", ["/", "/作业", "/作业/{running}", "/账户", "/转账/{capture}"])
def test_everything_can_be_read_without_scripts(open_page: Open, path: str) -> None:
    page = open_page("researcher", path, script=False)
    assert page.locator("main").inner_text().strip()
    assert page.locator("h1").count() == 1


def test_a_job_is_ordered_and_stopped_without_scripts(open_page: Open) -> None:
    page = open_page("researcher", "/作业/下单", script=False)
    page.get_by_label("作业名称").fill("没有脚本的单")
    page.get_by_role("button", name="冻结费用并下单").click()
    assert page.locator("h1").inner_text() == "没有脚本的单"
    page.get_by_role("link", name="停止作业").click()
    page.get_by_role("button", name="停止作业").click()
    assert "已要求停止" in page.locator("main").inner_text()


def test_the_skip_link_comes_first_and_leads_to_the_content(open_page: Open) -> None:
    page = open_page(None, "/")
    page.keyboard.press("Tab")
    assert page.evaluate("document.activeElement.textContent") == "跳到正文"
    page.keyboard.press("Enter")
    assert page.evaluate("document.activeElement.id") == "main"


def test_the_read_only_tables_keep_the_page_rules_too(open_page: Open) -> None:
    page = open_page("operator", "/管理/")
    page.get_by_role("link", name="作业", exact=True).first.click()
    page.locator("#result_list tr").nth(5).wait_for()
    assert not page.locator("input[type=submit], button[name=action]").count()


def test_html_in_a_job_name_runs_nothing(open_page: Open) -> None:
    said: list[str] = []
    page = open_page("researcher", "/作业/{html}")
    page.on("dialog", lambda dialog: said.append(dialog.message))
    page.reload()
    assert page.locator("h1").inner_text() == "<script>alert(1)</script><b>粗</b>"
    assert not said
