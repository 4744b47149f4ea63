"""Every page in a real browser: it fits, it is accessible, it breaks no rule of its own."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import pytest

from tests.browser.conftest import NARROW, WIDE, Open

pytestmark = pytest.mark.browser

TALLEST = 2600
"""A picture shows the beginning of a longer page."""
SHOTS = Path(__file__).parents[2] / "docs" / "images"
# What it is called, who looks, where: {name} stands for a job, {capture} for a transfer.
PAGES: tuple[tuple[str, str | None, str], ...] = (
    ("home", None, "/"),
    ("resources", None, "/算力资源"),
    ("centre", None, "/算力资源/D01"),
    ("definitions", None, "/数据口径"),
    ("accessibility", None, "/无障碍"),
    ("notices", None, "/公示公告"),
    ("apply", "researcher", "/算力券/申领"),
    ("policies", None, "/政策"),
    ("policy", None, "/政策/shanxi-2024-35"),
    ("calculator", None, "/政策/shanxi-2024-35/计算器"),
    ("login", None, "/登录"),
    ("missing", None, "/没有这一页"),
    ("redemptions", "researcher", "/算力券/兑付"),
    ("acting", "researcher", "/身份"),
    ("resources-city", "researcher", "/算力资源?city=朔州"),
    ("two-step", "researcher", "/两步验证"),
    ("password", "researcher", "/改密码"),
    ("logout", "researcher", "/退出"),
    ("jobs", "researcher", "/作业"),
    ("jobs-empty", "researcher", "/作业?state=placed"),
    ("order", "researcher", "/作业/下单"),
    ("job", "researcher", "/作业/{running}"),
    ("job-settled", "researcher", "/作业/{settled}"),
    ("job-queued", "researcher", "/作业/{queued}"),
    ("job-html", "researcher", "/作业/{html}"),
    ("stop", "researcher", "/作业/{running}/停止"),
    ("trace", "researcher", "/转账/{capture}"),
    ("wallet", "researcher", "/账户"),
    ("wallet-cash", "researcher", "/账户?book=cash"),
    ("statement", "researcher", "/对账单"),
    ("payees", "researcher", "/收款账户"),
    ("payees-desk", "treasury", "/收款账户"),
    ("orders", "researcher", "/退款结算"),
    ("orders-desk", "treasury", "/退款结算"),
    ("bank", "treasury", "/银行流水"),
    ("clawbacks", "researcher", "/追缴"),
    ("clawbacks-desk", "officer", "/追缴"),
    ("differences", "officer", "/差异"),
    ("statement-pool", "treasury", "/对账单?month=2025-09"),
    ("statement-wrong", "centre", "/对账单?month=三月"),
    ("works", "officer", "/长任务"),
    ("desk", "operator", "/中心"),
    ("desk-centre", "operator", "/中心/D01"),
    ("desk-silent", "operator", "/中心/D04"),
    ("jobs-all", "officer", "/作业"),
    (
        "sandbox",
        "officer",
        "/政策沙盘?rows=2000&p.m09_rate=25%25&p.m09_pool=80,000,000.00&p.m14_rate=2%25",
    ),
    ("audit", "auditor", "/审计"),
    ("audit-part", "auditor", "/审计?kind=hold"),
    ("audit-none", "auditor", "/审计?owner=没有这家"),
    ("audit-account", "auditor", "/审计/账户/pool:2025:m09"),
    ("audit-rows", "auditor", "/审计/留痕"),
    ("audit-rows-wrong", "auditor", "/审计/留痕?from=昨天"),
    ("audit-row", "auditor", "/审计/留痕/{audit}"),
    ("audit-seal", "auditor", "/审计/封存"),
    ("notifications", "researcher", "/通知"),
    ("notifications-empty", "auditor", "/通知?unread=1"),
    ("sandbox-wrong", "auditor", "/政策沙盘?rows=0&p.m09_rate=两成"),
)
TWICE = ("home", "job", "order", "wallet")
"""Pages that are also looked at dark and in elder mode."""
SHOWN = {
    *("home-1440", "home-390", "home-1440-dark", "resources-1440", "order-1440", "order-390"),
    *("job-1440", "job-390", "wallet-1440", "wallet-390", "trace-1440", "refusal-1440"),
    "statement-1440",
    *("policy-1440", "calculator-question-1440", "calculator-result-1440"),
    "calculator-result-390",
    *("audit-1440", "audit-seal-1440", "notifications-1440"),
    *(
        "sandbox-1440",
        "desk-1440",
        "desk-centre-1440",
        "case-1440",
        "payment-1440",
        "job-390-elder",
        "login-1440",
    ),
}
"""Pictures that stand in docs/reference/pages.md; JINSUAN_SHOTS=1 makes them anew."""


def overflow(page: Any) -> list[str]:
    """What sticks out sideways, if the page as a whole does."""
    found: list[str] = page.evaluate(
        """() => {
          const width = document.documentElement.clientWidth;
          if (document.documentElement.scrollWidth <= width) return [];
          return [...document.querySelectorAll('body *')]
            .filter((e) => e.getBoundingClientRect().right > width + 1)
            .slice(0, 5).map((e) => e.outerHTML.slice(0, 120));
        }"""
    )
    return found


def findings(page: Any) -> list[str]:
    """What axe objects to, from moderate up."""
    from axe_playwright_python.sync_playwright import Axe

    return [
        f"{v['impact']} {v['id']}: {node['html'][:160]} {node.get('failureSummary', '')[:300]}"
        for v in Axe().run(page).response["violations"]
        if v["impact"] in ("moderate", "serious", "critical")
        for node in v["nodes"][:3]
    ]


def look(page: Any, called: str, width: int, mode: str = "") -> list[str]:
    """Take the picture, and return everything that is wrong with the page at this width."""
    page.set_viewport_size({"width": width, "height": 900})
    name = f"{called}-{width}{mode}"
    wrong = [f"{name} overflows: {what}" for what in overflow(page)]
    wrong += [f"{name} {what}" for what in findings(page)]
    # As high as the page, so that what sticks to the window's edge is where it belongs.
    height = min(page.evaluate("document.documentElement.scrollHeight"), TALLEST)
    page.set_viewport_size({"width": width, "height": height})
    picture = page.screenshot()
    assert len(picture) > 10_000, f"{name} is blank"
    folder = os.environ.get("JINSUAN_SHOTS")
    if folder:
        target = SHOTS if folder == "1" else Path(folder)
        target.mkdir(parents=True, exist_ok=True)
        if folder != "1" or name in SHOWN:
            (target / f"{name}.png").write_bytes(picture)
    return wrong


@pytest.mark.parametrize(("name", "username", "path"), PAGES, ids=[name for name, _, _ in PAGES])
def test_a_page_fits_and_is_accessible(
    open_page: Open, name: str, username: str | None, path: str
) -> None:
    page = open_page(username, path, width=WIDE)

    wrong = [complaint for width in (WIDE, NARROW) for complaint in look(page, name, width)]

    assert not wrong, "\n".join(wrong)


@pytest.mark.parametrize(
    ("mode", "display"), [("dark", {"theme": "dark"}), ("elder", {"elder": True})]
)
@pytest.mark.parametrize("name", TWICE)
def test_a_page_is_as_good_dark_and_with_large_type(
    open_page: Open, name: str, mode: str, display: dict[str, Any]
) -> None:
    username, path = next((who, where) for called, who, where in PAGES if called == name)
    width = WIDE if mode == "dark" else NARROW
    page = open_page(username, path, width=width, **display)

    wrong = look(page, name, width, f"-{mode}")

    assert not wrong, "\n".join(wrong)


def test_a_refusal_says_what_is_missing(open_page: Open) -> None:
    page = open_page("engineer", "/作业/下单")
    page.get_by_role("button", name="冻结费用并下单").click()
    page.get_by_role("heading", name="现金还差").wait_for()

    wrong = [complaint for width in (WIDE, NARROW) for complaint in look(page, "refusal", width)]

    assert not wrong, "\n".join(wrong)


def test_what_is_wrong_in_a_form_has_the_focus_and_leads_to_its_field(open_page: Open) -> None:
    page = open_page("researcher", "/作业/下单")
    page.get_by_label("最长运行").fill("明天")
    page.get_by_role("button", name="重新试算").click()
    page.get_by_role("heading", name="有 1 处要改").wait_for()
    assert page.evaluate("document.activeElement.id") == "errors"
    page.keyboard.press("Tab")
    page.keyboard.press("Enter")
    assert page.evaluate("document.activeElement.id") == "id_hours"

    wrong = [complaint for width in (WIDE, NARROW) for complaint in look(page, "mend", width)]

    assert not wrong, "\n".join(wrong)
